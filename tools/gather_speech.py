"""Gathers clean recorded speech out of Debian packages, a folder for each speaker: what shipped weights were taught by.

    apt-get update
    python tools/gather_speech.py --output_path speech/packages

It needs a Debian or Ubuntu with its apt-get and dpkg-deb, downloads 0.5 GB and installs nothing.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from clearmel.audio import levels, sound_file
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray

RATE = 16000
WHOLE_S = 4.0
"""Single words are joined, as they are, into recordings of this length or more."""


class Source(NamedTuple):
    """A package of Debian, which of its files are speech, and whose: `pattern` names a part of the path."""

    package: str
    pattern: str
    licence: str


SOURCES = (
    # Dialogues of a game: one voice for each of its two fishes, in Czech and in Dutch.
    Source("fillets-ng-data-cs", r"sound/(?!share/).*/cs/[^/-]+-(?P<who>[mv])-[^/]*\.ogg$", "GPL-2+"),
    Source("fillets-ng-data-nl", r"sound/(?!share/).*/nl/[^/-]+-(?P<who>[mv])-[^/]*\.ogg$", "GPL-2+"),
    # Words, letters and syllables, a speaker or two for each language.
    Source("ktuberling-data", r"ktuberling/sounds/(?P<who>[a-z]{2})/.*\.(ogg|wav)$", "GPL-2+"),
    Source("klettres-data", r"klettres/(?P<who>[A-Za-z_]+)/(alpha|syllab)/.*\.(ogg|wav)$", "GPL-2+"),
    Source("tuxpaint-stamps-default", r"stamps/.*_desc_(?P<who>[a-z]{2})\.ogg$", "GPL-2"),
    # Sentences, read for a synthesiser.
    Source("festvox-ru", r"msu_(?P<who>ru)_nsh_clunits/wav/.*\.wav$", "BSD-like"),
)


def main() -> None:
    """Downloads, unpacks, converts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_path", required=True, help="folder of the speech, a sub-folder for each speaker")
    parser.add_argument("--packages_path", default="", help="folder of the .deb files; what is missing is downloaded")
    parser.add_argument("--min_range_db", type=float, default=25.0, help="what has noisier pauses is left out")
    args = parser.parse_args()
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]:
        parser.error(f"{' and '.join(missing)} not found; this needs Debian or Ubuntu.")
    with tempfile.TemporaryDirectory() as scratch:
        packages = Path(args.packages_path or scratch)
        packages.mkdir(parents=True, exist_ok=True)
        total = 0.0
        for source in SOURCES:
            files = unpacked(source, packages, Path(scratch) / source.package)
            for who, recordings in sorted(speakers(source, files).items()):
                name = f"{source.package.removesuffix('-data').removesuffix('-default')}_{who}".replace("-data-", "-")
                seconds = write(Path(args.output_path) / name, recordings, args.min_range_db)
                total += seconds
                print(f"{name:28} {seconds / 60:6.1f} min  {source.licence}", flush=True)
    print(f"{total / 60:.1f} minutes in {args.output_path}")


def unpacked(source: Source, packages: Path, folder: Path) -> Path:
    """Where the files of the package lie."""
    if not list(packages.glob(f"{source.package}_*.deb")):
        done = subprocess.run(
            ["apt-get", "download", "-q", source.package], cwd=packages, capture_output=True, text=True, check=False
        )
        if done.returncode:
            words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise SystemExit(f"error: {source.package} cannot be downloaded: {words}. Run apt-get update first.")
    [package] = packages.glob(f"{source.package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    return folder


def speakers(source: Source, folder: Path) -> dict[str, list[Path]]:
    """The files of each speaker, in order of their names."""
    found = defaultdict[str, list[Path]](list)
    for path in sorted(folder.rglob("*")):
        match = re.search(source.pattern, path.relative_to(folder).as_posix())
        if match and path.is_file():
            found[match["who"]].append(path)
    return found


def write(folder: Path, paths: list[Path], min_range_db: float) -> float:
    """Writes them as `folder`/NNNN.flac at 16 kHz, mono; seconds written."""
    seconds, number = 0.0, 0
    for wave in joined(tqdm(paths, desc=folder.name, leave=False)):
        number += 1
        if levels.dynamic_range_db(wave, RATE) < min_range_db:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        sound_file.write(folder / f"{number:04d}.flac", wave, RATE)
        seconds += len(wave) / RATE
    return seconds


def joined(paths: Iterator[Path]) -> Iterator[FloatArray]:
    """Recordings of `WHOLE_S` or more; what is damaged, silent, or of a rate below `RATE` is left out."""
    parts, length = list[FloatArray](), 0
    for path in paths:
        try:
            if sound_file.inspect(path).sample_rate < RATE:
                continue
            wave = sound_file.read(path, RATE)[0]
        except InputError:
            continue
        peak = float(np.abs(wave).max(initial=0))
        if peak < 0.01 or len(wave) < RATE // 4:
            continue
        wave = wave * np.float32(min(0.5 / peak, 8.0))
        fade = RATE // 100
        wave[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        wave[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        parts.append(wave)
        length += len(wave)
        if length >= WHOLE_S * RATE:
            yield np.concatenate(parts)
            parts, length = [], 0
    if length >= RATE:
        yield np.concatenate(parts)


if __name__ == "__main__":
    main()
