"""Gathers clean speech from Debian packages, one folder per speaker; shipped weights were trained on it.

    apt-get update
    python tools/gather_speech.py --output_path speech/packages

It needs apt-get and dpkg-deb of Debian or Ubuntu, downloads 0.5 GB and installs nothing.
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
MIN_S = 4.0
"""Single words are joined into recordings of at least this many seconds."""


class Source(NamedTuple):
    """A Debian package; `pattern` matches the paths of its speech files, and its group "who" names the speaker."""

    package: str
    pattern: str
    licence: str


SOURCES = (
    # Dialogues of a game with two speakers, in Czech and in Dutch.
    Source("fillets-ng-data-cs", r"sound/(?!share/).*/cs/[^/-]+-(?P<who>[mv])-[^/]*\.ogg$", "GPL-2+"),
    Source("fillets-ng-data-nl", r"sound/(?!share/).*/nl/[^/-]+-(?P<who>[mv])-[^/]*\.ogg$", "GPL-2+"),
    # Words, letters and syllables, one or two speakers per language.
    Source("ktuberling-data", r"ktuberling/sounds/(?P<who>[a-z]{2})/.*\.(ogg|wav)$", "GPL-2+"),
    Source("klettres-data", r"klettres/(?P<who>[A-Za-z_]+)/(alpha|syllab)/.*\.(ogg|wav)$", "GPL-2+"),
    Source("tuxpaint-stamps-default", r"stamps/.*_desc_(?P<who>[a-z]{2})\.ogg$", "GPL-2"),
    # Sentences recorded for a speech synthesiser.
    Source("festvox-ru", r"msu_(?P<who>ru)_nsh_clunits/wav/.*\.wav$", "BSD-like"),
)


def main() -> None:
    """Downloads and unpacks the packages, and converts their speech."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_path", required=True, help="output folder, with one subfolder per speaker")
    parser.add_argument("--packages_path", default="", help="folder of the .deb files; missing ones are downloaded")
    parser.add_argument("--min_range_db", type=float, default=25.0, help="skip recordings with a smaller dynamic range")
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
    """Downloads a package if necessary and unpacks it to `folder`."""
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
    """The files of each speaker, sorted by name."""
    found = defaultdict[str, list[Path]](list)
    for path in sorted(folder.rglob("*")):
        match = re.search(source.pattern, path.relative_to(folder).as_posix())
        if match and path.is_file():
            found[match["who"]].append(path)
    return found


def write(folder: Path, paths: list[Path], min_range_db: float) -> float:
    """Writes recordings as `folder`/NNNN.flac at 16 kHz, mono; returns the seconds written."""
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
    """Yields joined recordings of at least `MIN_S`; skips damaged and silent files and those of a rate below `RATE`."""
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
        if length >= MIN_S * RATE:
            yield np.concatenate(parts)
            parts, length = [], 0
    if length >= RATE:
        yield np.concatenate(parts)


if __name__ == "__main__":
    main()
