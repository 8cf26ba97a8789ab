"""Datasets of mels on disk, indexed by their headers and loaded one by one.

An item is a .npy mel, or a sound file whose mel is computed on the fly. Memory hardly grows with the dataset.
"""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.core.errors import InputError, raise_all
from clearmel.core.file_io import FloatArray, quoted
from clearmel.core.npy import mel_length, read_mel, write_array
from clearmel.data.batching import Item
from clearmel.data.file_index import Files, Index, stem_of
from clearmel.data.index_cache import Ints
from clearmel.data.labels import SUFFIXES, Listing


class MelSource:
    """Mels of the .npy and sound files below one folder.

    Args:
        root: a folder.
        features: definition of a mel.
        cache: folder that caches the mels of sound files as .npy; None: no cache.
    """

    def __init__(self, root: Path, features: MelFeatures, cache: Path | None = None) -> None:
        self.root, self.features, self.cache = root, features, cache

    @functools.cached_property
    def index(self) -> Index:
        """Index of the files below the folder."""
        return Index(self.root, SUFFIXES)

    def names(self) -> list[Path]:
        """Relative paths, sorted."""
        return [Path(name) for name in self.index.names]

    def lengths(self) -> tuple[Ints, dict[int, str]]:
        """Frames of all files, from their headers; see `Index.frames`."""
        return self.index.frames(str(self.features), self._length)

    def lengths_of(self, names: Sequence[Path]) -> tuple[Ints, list[str]]:
        """Frames of some files, from their headers; -1 for unreadable files, and the reasons for these."""
        if isinstance(names, Files):
            return names.frames(str(self.features), self._length)
        lengths, problems = np.full(len(names), -1), list[str]()
        for number, name in enumerate(names):
            try:
                lengths[number] = self.n_frames(name)
            except InputError as error:
                problems.append(error.line())
        return lengths, problems

    def n_frames(self, name: Path) -> int:
        """Frames of a file, from its header."""
        return self._length(str(self.root / name))

    def _length(self, path: str) -> int:
        if path.lower().endswith(".npy"):
            return mel_length(path, self.features.n_mels)
        info = sound_file.inspect(path)
        return self.features.n_frames(round(info.n_samples * self.features.sample_rate / info.sample_rate))

    def mel(self, name: Path) -> Tensor:
        """(T, M) float32.

        Raises:
            InputError: `read_mel` or `sound_file.read` refuses the file.
        """
        path = self.root / name
        if name.suffix.lower() == ".npy":
            stored: Tensor = self.features.relative(torch.from_numpy(read_mel(path, self.features.n_mels)))
            return stored
        if self.cache is None:
            return torch.from_numpy(self._compute(path))
        status = path.stat()
        key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns} {self.features}"
        cached = self.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
        if not cached.exists():
            write_array(cached, self._compute(path))
        return torch.from_numpy(read_mel(cached, self.features.n_mels))

    def _compute(self, path: Path) -> FloatArray:
        wave, _ = sound_file.read(path, self.features.sample_rate)
        return np.asarray(self.features.mel(torch.from_numpy(wave)).numpy(), dtype=np.float32)


class MelDataset(Dataset[Item]):
    """Base of all datasets: lengths in frames, and items by index.

    The trainer sets `epoch` before each epoch, for datasets with random items. Items of the same group in `groups` lie
    next to each other on disk and are best read together.
    """

    lengths: list[int] | Ints
    groups: Ints | None = None
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Item:
        raise IndexError(index)


class PairedMels(MelDataset):
    """Noisy mels with their clean partners, matched by relative path; suffixes may differ.

    Args:
        noisy_path: folder of noisy files.
        clean_path: folder of clean files.
        features: definition of a mel.
        cache: see `MelSource`.

    Raises:
        InputError: a folder is missing or empty, a partner is missing, a file is not a mel or a recording, or the two
            sides of a pair differ in length. One message lists all bad files.
    """

    def __init__(self, noisy_path: Path, clean_path: Path, features: MelFeatures, cache: Path | None = None) -> None:
        self.noisy = MelSource(noisy_path, features, cache)
        self.clean = MelSource(clean_path, features, cache)
        _refuse_twins(self.noisy)
        _refuse_twins(self.clean)
        ours, theirs = self.noisy.index, self.clean.index
        _refuse_missing(self.noisy, self.clean)
        self._numbers = np.stack([ours.by_stem, theirs.by_stem], axis=1)  # (n, 2)
        (noisy, wrong), (clean, wrong_too) = self.noisy.lengths(), self.clean.lengths()
        lengths = np.stack([noisy[ours.by_stem], clean[theirs.by_stem]], axis=1)
        problems = []
        for pair in np.flatnonzero((lengths < 0).any(axis=1) | (lengths[:, 0] != lengths[:, 1])).tolist():
            (first, second), frames = self._numbers[pair].tolist(), lengths[pair].tolist()
            problems.append(
                wrong.get(first)
                or wrong_too.get(second)
                or f"{quoted(noisy_path / ours.names[first])} has {frames[0]} frames, its clean partner {frames[1]}; "
                "expected equal lengths"
            )
        raise_all(problems)
        self.lengths = np.ascontiguousarray(lengths[:, 0])

    def pair(self, index: int) -> tuple[Path, Path]:
        """The paths of an item relative to the two folders."""
        ours, theirs = self._numbers[index].tolist()
        return Path(self.noisy.index.names[ours]), Path(self.clean.index.names[theirs])

    def __getitem__(self, index: int) -> Item:
        ours, theirs = self.pair(index)
        noisy, clean = self.noisy.mel(ours), self.clean.mel(theirs)
        if len(noisy) != len(clean):
            raise InputError(f"{quoted(self.noisy.root / ours)} has {len(noisy)} frames, its partner {len(clean)}.")
        return Item(ours.as_posix(), {"noisy": noisy, "clean": clean}, float("nan"))


class LabelledMels(MelDataset):
    """Mels of complete labelled files.

    Args:
        listing: the files and their labels.
        features: definition of a mel.
        cache: see `MelSource`.

    Raises:
        InputError: a file is neither a mel nor a recording.
    """

    def __init__(self, listing: Listing, features: MelFeatures, cache: Path | None = None) -> None:
        self.listing, self.source = listing, MelSource(listing.root, features, cache)
        self.lengths, problems = self.source.lengths_of(listing.names)
        raise_all(problems)

    def __getitem__(self, index: int) -> Item:
        name = self.listing.names[index]
        return Item(name.as_posix(), {"mel": self.source.mel(name)}, float(self.listing.targets[index]))


def _refuse_twins(source: MelSource) -> None:
    index = source.index
    if len(index.twins):
        name, other = (quoted(source.root / index.names[number]) for number in index.twins.tolist())
        raise InputError(f"{name} and {other} share one name; keep one.")


def _refuse_missing(noisy: MelSource, clean: MelSource) -> None:
    """Raises an InputError that names the files of either side without a partner on the other."""
    ours, theirs = noisy.index, clean.index
    if np.array_equal(ours.names.block, theirs.names.block):
        return
    stems = [[stem_of(name) for name in index.names] for index in (ours, theirs)]
    known = [set(side) for side in stems]
    problems = [
        f"{quoted(source.root / source.index.names[number])} has no partner in {quoted(other.root)}"
        for side, (source, other) in enumerate([(noisy, clean), (clean, noisy)])
        for number, stem in enumerate(stems[side])
        if stem not in known[1 - side]
    ]
    raise_all(problems)


def side_folders(dataset_path: str | Path) -> tuple[Path, Path]:
    """The `noisy` and `clean` folders below a split.

    Raises:
        InputError: one of them is missing.
    """
    root = Path(dataset_path)
    if not root.exists():
        raise InputError(f"{quoted(root)} does not exist. Make it with `clearmel build dataset`, or give another path.")
    for side in ("noisy", "clean"):
        if not (root / side).is_dir():
            raise InputError(
                f"{quoted(root)} has no folder '{side}'; expected noisy/ and clean/. "
                "Make them with `clearmel build dataset`."
            )
    return root / "noisy", root / "clean"
