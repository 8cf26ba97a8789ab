"""An index of the files below a folder and their lengths, cached between runs: a million files start in seconds.

What was kept is held against the disk at every start.
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
"""More of them wait for Python's lock, not for the disk."""


class Index:
    """The files below a folder with one of the suffixes.

    Added and removed files are noticed by the time stamps of the folders, changed ones by their own and by their size.

    Args:
        root: the folder.
        suffixes: in lower case.

    Attributes:
        names: paths below the root with "/", in the order of `file_io.list_files`.
        by_stem: numbers of the names in the order of their names without suffix, by code points.
        twins: numbers of a file and of one before it whose name differs in its suffix only; empty if there are none.

    Raises:
        InputError: the folder is missing, or holds no such file.
    """

    def __init__(self, root: str | Path, suffixes: Iterable[str]) -> None:
        self.root, self._wanted = existing(root, folder=True), tuple(suffixes)
        self._kept = ArrayCache(self.root, " ".join(self._wanted))
        self._trusted_ns = time.time_ns() - UNSURE_NS
        kept = self._kept.read() or {}
        self._same = "frames" in kept and bool(np.array_equal(kept["signs"], self._signs(NameTable(kept["folders"]))))
        if self._same:
            self.names, self.by_stem, self.twins = NameTable(kept["names"]), kept["by_stem"], kept["twins"]
            self._folders, self._folder_signs = kept["folders"], kept["signs"]
        else:
            self._scan()
        self._states = self._looked_at()
        self._known = self._carried_over(kept)

    def __len__(self) -> int:
        return len(self.names)

    def frames(self, key: str, measure: Callable[[str], int]) -> tuple[Ints, dict[int, str]]:
        """The length of every file.

        Args:
            key: what lengths depend on beside the files.
            measure: gives the length of the file of a path, or raises an InputError.

        Returns:
            Lengths (n,), -1 where there is none, and for those the reasons by number.
        """
        known, kept_key = self._known
        found = known.copy() if key == kept_key else np.full(len(self), -1, np.int32)
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
            self._keep(key, found)
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
        found.sort(key=lambda name: name.replace("/", "\0"))  # as paths are: part by part
        self._folders = NameTable.of(folders).block
        self._folder_signs = self._signs(NameTable(self._folders))
        self.names = NameTable.of(found)
        stems = [stem_of(name) for name in found]
        self.by_stem = np.array(sorted(range(len(stems)), key=stems.__getitem__), np.int32)
        order = self.by_stem.tolist()
        twins = [(ours, other) for other, ours in itertools.pairwise(order) if stems[ours] == stems[other]]
        self.twins = np.array(min(twins, default=()), np.int32)

    def _signs(self, folders: NameTable) -> Ints:
        """Time stamps (n, 2) of the folders; -1 where there is none."""
        signs = np.full((len(folders), 2), -1, np.int64)
        for number, folder in enumerate(folders):
            with contextlib.suppress(OSError):
                status = (self.root / folder).stat()
                signs[number] = status.st_mtime_ns, status.st_ctime_ns
        return signs

    def _looked_at(self) -> Ints:
        """Size and time stamp (n, 2) of every file; -1 where there is none."""
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

    def _carried_over(self, kept: Arrays) -> tuple[Ints, str]:
        """Known lengths, -1 where a file is new or has changed, and what they depend on."""
        if "frames" not in kept:
            return np.full(len(self), -1, np.int32), ""
        if self._same:
            states, frames = kept["states"], kept["frames"]
        else:
            place = {name: number for number, name in enumerate(NameTable(kept["names"]))}
            numbers = np.array([place.get(name, len(place)) for name in self.names], np.int64)
            states = np.concatenate([kept["states"], [[-2, -2]]])[numbers]
            frames = np.concatenate([kept["frames"], [-1]])[numbers]
        same = (states == self._states).all(axis=1)
        return np.where(same, frames, -1).astype(np.int32), str(kept["frames_key"])

    def _keep(self, key: str, frames: Ints) -> None:
        settled = np.max(self._folder_signs, axis=1) < self._trusted_ns
        self._kept.write(
            {
                "names": self.names.block,
                "by_stem": self.by_stem,
                "twins": self.twins,
                "folders": self._folders,
                "signs": np.where(settled[:, None], self._folder_signs, -2),
                "states": np.where(self._states[:, 1:] < self._trusted_ns, self._states, -2),
                "frames": frames,
                "frames_key": np.array(key),
            }
        )


class Files(Sequence[Path]):
    """Paths of indexed files below a common root, made when they are asked for.

    Args:
        parts: folders below the root, and what lies in each.
        chosen: numbers of the files that count, in their order; None: all.
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
        """Those of these numbers."""
        chosen = np.asarray(numbers, np.int64)
        return Files(self.parts, chosen if self.chosen is None else self.chosen[chosen])

    def frames(self, key: str, measure: Callable[[str], int]) -> tuple[Ints, list[str]]:
        """Lengths (n,), and what is wrong with the files that have none; see `Index.frames`."""
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
