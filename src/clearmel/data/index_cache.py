"""Arrays and names that are cached between runs.

The cache is a hidden .npz file beside the folder, or in the user's cache folder if that place is read-only. A damaged
or foreign cache is ignored.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from clearmel.core.errors import InputError
from clearmel.core.file_io import replacing

Ints = npt.NDArray[np.integer[Any]]
Arrays = dict[str, npt.NDArray[Any]]
FORMAT = "clearmel index 1"
MIN_FILES = 1000
"""Folders with fewer files are not cached: reading their headers is fast."""
UNSURE_NS = 2_000_000_000
"""Files changed within this time before the scan are not trusted: they may change again under the same time stamp."""
PIECE = 4096
"""Number of names decoded at once."""


class NameTable(Sequence[str]):
    """Many names in one block of bytes, with an overhead of nine bytes per name."""

    def __init__(self, block: npt.NDArray[np.uint8]) -> None:
        self.block = block
        self.ends = np.flatnonzero(block == 0)

    @classmethod
    def of(cls, names: Iterable[str]) -> "NameTable":
        """Builds a table; names must not contain a zero byte, as file names never do."""
        text = "".join(f"{name}\0" for name in names)
        return cls(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        return self._text(number, number + 1)[:-1]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), PIECE):
            yield from self.piece(start)

    def piece(self, start: int) -> list[str]:
        """Up to `PIECE` names, starting with number `start`."""
        return self._text(start, min(start + PIECE, len(self))).split("\0")[:-1]

    def _text(self, start: int, stop: int) -> str:
        first = int(self.ends[start - 1]) + 1 if start else 0
        return self.block[first : int(self.ends[stop - 1]) + 1].tobytes().decode("utf-8", "surrogatepass")


class ArrayCache:
    """Cached arrays of a folder.

    Args:
        root: the folder.
        key: everything else that the arrays depend on; arrays with another key are ignored.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.root, self.key = root.resolve(), f"{FORMAT} {key}"

    def places(self) -> Iterator[Path]:
        """Possible paths of the cache, the best one first."""
        yield self.root.parent / f".clearmel-index-{self.root.name}.npz"
        with contextlib.suppress(RuntimeError):  # no home folder
            caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:24]
            yield Path(caches, "clearmel", f"index-{digest}.npz")

    def read(self) -> Arrays | None:
        """The cached arrays, or None if there are none or they are damaged."""
        for place in self.places():
            try:
                with place.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    if str(arrays["key"]) == self.key:
                        return {name: arrays[name] for name in arrays.files if name != "key"}
            except Exception:  # any damage: the caller scans the disk instead
                continue
        return None

    def write(self, arrays: Arrays) -> None:
        """Writes to the first writable path; it is no error if there is none."""
        for place in self.places():
            with contextlib.suppress(InputError):
                with replacing(place) as temporary, temporary.open("wb") as file:
                    np.savez(file, allow_pickle=False, **{"key": np.array(self.key)} | arrays)
                return
