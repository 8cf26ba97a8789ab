"""An index of the files below a folder and their lengths, cached between runs: a million files start in seconds.

The cache is checked against the disk at every start.
"""

import contextlib
import itertools
import os
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import overload

import numpy as np
from tqdm import tqdm

from clearmel.core.errors import InputError
from clearmel.core.file_io import existing, holds_none, walk
from clearmel.data.index_cache import MIN_FILES, PIECE, UNSURE_NS, ArrayCache, Arrays, Ints, NameTable

THREADS = 2
"""More threads would wait for Python's lock, not for the disk."""


class Index:
    """The files below a folder with one of the suffixes.

    Time stamps of the folders reveal added and removed files; time stamps and sizes of files reveal changed ones.

    Args:
        root: the folder.
        suffixes: in lower case.

    Attributes:
        names: paths below the root with "/", in the order of `file_io.list_files`.
        by_stem: indices that sort the names without their suffix by code points.
        twins: indices of two files whose names differ only in their suffix; empty if there are none.

    Raises:
        InputError: the folder is missing or holds no such file.
    """

    def __init__(self, root: str | Path, suffixes: Iterable[str]) -> None:
        self.root, self._wanted = existing(root, folder=True), tuple(suffixes)
        self._cache = ArrayCache(self.root, " ".join(self._wanted))
        self._trusted_ns = time.time_ns() - UNSURE_NS
        cached = self._cache.read() or {}
        self._same = "frames" in cached and bool(
            np.array_equal(cached["signs"], self._stamps(NameTable(cached["folders"])))
        )
        if self._same:
            self.names, self.by_stem, self.twins = NameTable(cached["names"]), cached["by_stem"], cached["twins"]
            self._folders, self._folder_stamps = cached["folders"], cached["signs"]
        else:
            self._scan()
        self._states = self._file_states()
        self._known = self._cached_lengths(cached)

    def __len__(self) -> int:
        return len(self.names)

    def frames(self, key: str, measure: Callable[[str], int]) -> tuple[Ints, dict[int, str]]:
        """The length of every file.

        Args:
            key: everything else that the lengths depend on.
            measure: returns the length of the file at a path, or raises an InputError.

        Returns:
            Lengths (n,), -1 for unreadable files, and the reasons for these by index.
        """
        known, cached_key = self._known
        found = known.copy() if key == cached_key else np.full(len(self), -1, np.int32)
        missing, problems = np.flatnonzero(found < 0), dict[int, str]()
        prefix = f"{self.root}/"

        def measured(numbers: Ints) -> list[int | str]:
            lengths: list[int | str] = []
            for number in numbers.tolist():
                try:
                    lengths.append(measure(prefix + self.names[number]))
                except InputError as error:
                    lengths.append(error.line())
            return lengths

        pieces = [missing[start : start + 256] for start in range(0, len(missing), 256)]
        bar = tqdm(total=len(missing), unit="file", desc="reading headers", leave=False, disable=None)
        with ThreadPoolExecutor(THREADS) as pool:
            for numbers, lengths in zip(pieces, pool.map(measured, pieces), strict=True):
                for number, length in zip(numbers.tolist(), lengths, strict=True):
                    if isinstance(length, str):
                        problems[number] = length
                    else:
                        found[number] = length
                bar.update(len(numbers))
        bar.close()
        if len(self) >= MIN_FILES and (len(missing) > len(problems) or not self._same):
            self._save(key, found)
        self._known = found, key
        return found, problems

    def _scan(self) -> None:
        folders, found = [], []
        for parent, files in walk(self.root):
            below = Path(parent).relative_to(self.root).as_posix()
            folders.append(below)
            prefix = "" if below == "." else f"{below}/"
            found += [prefix + name for name in files if name.lower().endswith(self._wanted) and name[0] != "."]
        if not found:
            raise holds_none(self.root, self._wanted)
        found.sort(key=lambda name: name.replace("/", "\0"))  # sorts like paths: part by part
        self._folders = NameTable.of(folders).block
        self._folder_stamps = self._stamps(NameTable(self._folders))
        self.names = NameTable.of(found)
        stems = [stem_of(name) for name in found]
        self.by_stem = np.array(sorted(range(len(stems)), key=stems.__getitem__), np.int32)
        order = self.by_stem.tolist()
        twins = [(ours, other) for other, ours in itertools.pairwise(order) if stems[ours] == stems[other]]
        self.twins = np.array(min(twins, default=()), np.int32)

    def _stamps(self, folders: NameTable) -> Ints:
        """Time stamps (n, 2) of the folders; -1 for missing folders."""
        signs = np.full((len(folders), 2), -1, np.int64)
        for number, folder in enumerate(folders):
            with contextlib.suppress(OSError):
                status = (self.root / folder).stat()
                signs[number] = status.st_mtime_ns, status.st_ctime_ns
        return signs

    def _file_states(self) -> Ints:
        """Size and time stamp (n, 2) of every file; -1 for missing files."""
        prefix, stat = f"{self.root}/", os.stat

        def look(start: int) -> Ints:
            found = array("q")
            for name in self.names.piece(start):
                try:
                    status = stat(prefix + name)
                except (OSError, ValueError):
                    found.extend((-1, -1))
                else:
                    found.append(status.st_size)
                    found.append(status.st_mtime_ns)
            return np.frombuffer(found, np.int64).reshape(-1, 2)

        with ThreadPoolExecutor(THREADS) as pool:
            return np.concatenate(list(pool.map(look, range(0, len(self), PIECE))))

    def _cached_lengths(self, cached: Arrays) -> tuple[Ints, str]:
        """Cached lengths, -1 for new and changed files, and their key."""
        if "frames" not in cached:
            return np.full(len(self), -1, np.int32), ""
        if self._same:
            states, frames = cached["states"], cached["frames"]
        else:
            place = {name: number for number, name in enumerate(NameTable(cached["names"]))}
            numbers = np.array([place.get(name, len(place)) for name in self.names], np.int64)
            states = np.concatenate([cached["states"], [[-2, -2]]])[numbers]
            frames = np.concatenate([cached["frames"], [-1]])[numbers]
        same = (states == self._states).all(axis=1)
        return np.where(same, frames, -1).astype(np.int32), str(cached["frames_key"])

    def _save(self, key: str, frames: Ints) -> None:
        settled = np.max(self._folder_stamps, axis=1) < self._trusted_ns
        self._cache.write(
            {
                "names": self.names.block,
                "by_stem": self.by_stem,
                "twins": self.twins,
                "folders": self._folders,
                "signs": np.where(settled[:, None], self._folder_stamps, -2),
                "states": np.where(self._states[:, 1:] < self._trusted_ns, self._states, -2),
                "frames": frames,
                "frames_key": np.array(key),
            }
        )


class Files(Sequence[Path]):
    """Paths of indexed files below a common root, created on access.

    Args:
        parts: folders below the root, and their indices.
        chosen: indices of the selected files, in order; None: all files.
    """

    def __init__(self, parts: Sequence[tuple[Path, Index]], chosen: Ints | None = None) -> None:
        self.parts, self.chosen = list(parts), chosen
        self.starts = np.cumsum([0, *(len(index) for _, index in self.parts)])

    def __len__(self) -> int:
        return int(self.starts[-1]) if self.chosen is None else len(self.chosen)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        number = number if self.chosen is None else int(self.chosen[number])
        part = int(np.searchsorted(self.starts, number, side="right")) - 1
        folder, files = self.parts[part]
        return folder / files.names[number - int(self.starts[part])]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Files) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def only(self, numbers: Sequence[int]) -> "Files":
        """The files with these indices."""
        chosen = np.asarray(numbers, np.int64)
        return Files(self.parts, chosen if self.chosen is None else self.chosen[chosen])

    def frames(self, key: str, measure: Callable[[str], int]) -> tuple[Ints, list[str]]:
        """Lengths (n,), and the reasons for the unreadable files; see `Index.frames`."""
        lengths, problems = [], dict[int, str]()
        for start, (_, index) in zip(self.starts.tolist(), self.parts, strict=False):
            own, wrong = index.frames(key, measure)
            lengths.append(own)
            problems.update({start + number: line for number, line in wrong.items()})
        found = np.concatenate(lengths)
        numbers = np.arange(len(found)) if self.chosen is None else self.chosen
        found = found[numbers]
        return found, [problems[number] for number in numbers[found < 0].tolist()]


def stem_of(name: str) -> str:
    """A path without its last suffix."""
    return name[: name.rindex(".")]
