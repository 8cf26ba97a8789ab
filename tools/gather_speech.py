"""Gathers clean speech from Debian packages and git repositories, one folder per speaker, to train shipped weights.

    apt-get update
    python tools/gather_speech.py --output_path speech/gathered

It needs apt-get and dpkg-deb of Debian or Ubuntu and git, downloads 2 GB and installs nothing.
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
    """A Debian package or the address of a git repository.

    `pattern` matches the paths of its speech files, and its group "who" names the speaker.
    """

    origin: str
    pattern: str
    licence: str

    @property
    def name(self) -> str:
        """The name of the package or of the repository."""
        return self.origin.rpartition("/")[2]


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
    # Words, letters and sentences of a game for children, mostly one speaker per language.
    Source(
        "https://github.com/gcompris/GCompris-voices",
        r"^(?P<who>[A-Za-z_]+)/(words|geography|intro|alphabet|colors)/.*\.ogg$",
        "GPL-3+ and CC-BY-SA",
    ),
    # Words and syllables of Mandarin.
    Source("https://github.com/hugolpz/audio-cmn", r"^(96k|64k)/(?P<who>hsk|syllabs)/.*\.mp3$", "CC-BY-SA"),
    # Sentences recorded for speech synthesisers, in English and in German.
    Source("https://github.com/rhasspy/dataset-voice-kathleen", r"^data/.*_(?P<who>[ab])\d+_.*\.wav$", "CC0"),
    Source("https://github.com/rhasspy/dataset-voice-kerstin", r"^(?P<who>verified)/.*\.flac$", "CC0"),
)


def main() -> None:
    """Downloads and unpacks the packages, and converts their speech."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_path", required=True, help="output folder, with one subfolder per speaker")
    parser.add_argument(
        "--packages_path", default="", help="folder of the .deb files and clones; missing ones are downloaded"
    )
    parser.add_argument("--min_range_db", type=float, default=25.0, help="skip recordings with a smaller dynamic range")
    args = parser.parse_args()
    if missing := [tool for tool in ("apt-get", "dpkg-deb", "git") if not shutil.which(tool)]:
        parser.error(f"{' and '.join(missing)} not found; this needs Debian or Ubuntu, and git.")
    with tempfile.TemporaryDirectory() as scratch:
        packages = Path(args.packages_path or scratch)
        packages.mkdir(parents=True, exist_ok=True)
        total = 0.0
        for source in SOURCES:
            files = unpacked(source, packages, Path(scratch) / source.name)
            for who, recordings in sorted(speakers(source, files).items()):
                name = f"{source.name.removesuffix('-data').removesuffix('-default')}_{who}".replace("-data-", "-")
                seconds = write(Path(args.output_path) / name, recordings, args.min_range_db)
                total += seconds
                print(f"{name:28} {seconds / 60:6.1f} min  {source.licence}", flush=True)
    print(f"{total / 60:.1f} minutes in {args.output_path}")


def unpacked(source: Source, packages: Path, folder: Path) -> Path:
    """Downloads a package or clones a repository if necessary; returns its folder, which for a package is `folder`."""
    cloned = source.name != source.origin
    if cloned and (packages / source.name).is_dir():
        return packages / source.name
    if cloned or not list(packages.glob(f"{source.name}_*.deb")):
        command = ["git", "clone", "-q", "--depth", "1"] if cloned else ["apt-get", "download", "-q"]
        done = subprocess.run([*command, source.origin], cwd=packages, capture_output=True, text=True, check=False)
        if done.returncode:
            words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            hint = "" if cloned else " Run apt-get update first."
            raise SystemExit(f"error: {source.origin} cannot be downloaded: {words.removesuffix('.')}.{hint}")
    if cloned:
        return packages / source.name
    [package] = packages.glob(f"{source.name}_*.deb")
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
