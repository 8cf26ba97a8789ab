"""Noisy/clean mels from disk: indexed by headers, loaded one by one.

An item is a .npy mel or a sound file whose mel is made on the fly. Memory does not grow with the dataset.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from src import audio
from src.batching import Item
from src.errors import InputError, raise_all
from src.features import MelFeatures
from src.files import FloatArray, list_files, open_mel, quoted, read_mel, write_array
from src.labels import SUFFIXES, Listing


class MelSource:
    """Mels of the files below one folder, wherever they come from.

    Args:
        root: a folder.
        features: what a mel is.
        cache: folder that keeps the mels of sound files as .npy; None makes them anew each time.
    """

    def __init__(self, root: Path, features: MelFeatures, cache: Path | None = None) -> None:
        self.root, self.features, self.cache = root, features, cache

    def names(self) -> list[Path]:
        """Relative paths, sorted."""
        return list_files(self.root, SUFFIXES)

    def n_frames(self, name: Path) -> int:
        """Frames, from the header alone."""
        path = self.root / name
        if name.suffix.lower() == ".npy":
            return len(open_mel(path, self.features.n_mels))
        info = audio.inspect(path)
        return self.features.n_frames(round(info.n_samples * self.features.sample_rate / info.sample_rate))

    def mel(self, name: Path) -> Tensor:
        """(T, M) float32.

        Raises:
            InputError: the file is not what `read_mel` or `audio.read` accept.
        """
        path = self.root / name
        if name.suffix.lower() == ".npy":
            return self.features.relative(torch.from_numpy(read_mel(path, self.features.n_mels)))
        if self.cache is None:
            return torch.from_numpy(self._made(path))
        status = path.stat()
        key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns} {self.features}"
        kept = self.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
        if not kept.exists():
            write_array(kept, self._made(path))
        return torch.from_numpy(read_mel(kept, self.features.n_mels))

    def _made(self, path: Path) -> FloatArray:
        wave, _ = audio.read(path, self.features.sample_rate)
        return np.asarray(self.features.mel(torch.from_numpy(wave)).numpy(), dtype=np.float32)


class MelDataset(Dataset[Item]):
    """Base of all datasets: lengths in frames, and items by number.

    The engine sets `epoch` before each epoch of training, for datasets that are drawn anew.
    """

    lengths: list[int]
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Item:
        raise IndexError(index)


class PairedMels(MelDataset):
    """Noisy mels with their clean partners, matched by relative path; the suffixes may differ.

    Args:
        noisy_path: folder of noisy files.
        clean_path: folder of clean files.
        features: what a mel is.
        cache: see `MelSource`.

    Raises:
        InputError: a folder is missing or empty, a partner is missing, a file is not a mel or a recording, or the two
            sides of a pair differ in length. All bad files are gathered into one message.
    """

    def __init__(self, noisy_path: Path, clean_path: Path, features: MelFeatures, cache: Path | None = None) -> None:
        self.noisy = MelSource(noisy_path, features, cache)
        self.clean = MelSource(clean_path, features, cache)
        by_stem = {side: _by_stem(source) for side, source in (("noisy", self.noisy), ("clean", self.clean))}
        noisy, clean = by_stem["noisy"], by_stem["clean"]
        problems = [
            f"{quoted(noisy_path / noisy[key])} has no partner in {quoted(clean_path)}"
            for key in noisy
            if key not in clean
        ]
        problems += [
            f"{quoted(clean_path / clean[key])} has no partner in {quoted(noisy_path)}"
            for key in clean
            if key not in noisy
        ]
        raise_all(problems)
        self.pairs = [(noisy[key], clean[key]) for key in sorted(noisy)]
        self.lengths = []
        for ours, theirs in self.pairs:
            try:
                frames = self.noisy.n_frames(ours), self.clean.n_frames(theirs)
                if frames[0] != frames[1]:
                    problems.append(
                        f"{quoted(noisy_path / ours)} has {frames[0]} frames, its clean partner {frames[1]}; "
                        "expected equal lengths"
                    )
                self.lengths.append(frames[0])
            except InputError as error:
                problems.append(error.line())
        raise_all(problems)

    def __getitem__(self, index: int) -> Item:
        ours, theirs = self.pairs[index]
        noisy, clean = self.noisy.mel(ours), self.clean.mel(theirs)
        if len(noisy) != len(clean):
            raise InputError(f"{quoted(self.noisy.root / ours)} has {len(noisy)} frames, its partner {len(clean)}.")
        return Item(ours.as_posix(), {"noisy": noisy, "clean": clean}, float("nan"))


class LabelledMels(MelDataset):
    """Labelled files as they are, whole.

    Args:
        listing: the files and their labels.
        features: what a mel is.
        cache: see `MelSource`.

    Raises:
        InputError: a file is not a mel or a recording.
    """

    def __init__(self, listing: Listing, features: MelFeatures, cache: Path | None = None) -> None:
        self.listing, self.source = listing, MelSource(listing.root, features, cache)
        self.lengths = []
        problems: list[str] = []
        for name in listing.names:
            try:
                self.lengths.append(self.source.n_frames(name))
            except InputError as error:
                problems.append(error.line())
        raise_all(problems)

    def __getitem__(self, index: int) -> Item:
        name = self.listing.names[index]
        return Item(name.as_posix(), {"mel": self.source.mel(name)}, float(self.listing.targets[index]))


def _by_stem(source: MelSource) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in source.names():
        other = found.setdefault(name.with_suffix("").as_posix(), name)
        if other != name:
            raise InputError(
                f"{quoted(source.root / name)} and {quoted(source.root / other)} share one name; keep one."
            )
    return found


def side_folders(dataset_path: str | Path) -> tuple[Path, Path]:
    """The `noisy` and `clean` folders below a split.

    Raises:
        InputError: one of them is missing.
    """
    root = Path(dataset_path)
    if not root.exists():
        raise InputError(f"{quoted(root)} does not exist. Make it with build_dataset.py, or give another path.")
    for side in ("noisy", "clean"):
        if not (root / side).is_dir():
            raise InputError(
                f"{quoted(root)} has no folder '{side}'; expected noisy/ and clean/. Make them with build_dataset.py."
            )
    return root / "noisy", root / "clean"
