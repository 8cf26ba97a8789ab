"""Arrays and names that are cached between runs.

They lie in a hidden .npz beside the folder that they tell of, or in the user's cache where that place cannot be
written. They are only ever a short cut: damaged or foreign ones count as none.
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
"""Files; the headers of fewer are read before anyone notices, and no hidden file appears beside them."""
UNSURE_NS = 2_000_000_000
"""What changed so shortly before it was looked at may change again without another time stamp, and is not trusted."""
PIECE = 4096
"""Names that are read in one go."""


class NameTable(Sequence[str]):
    """Many names in one block of bytes: one byte each beside their letters, and eight to find them."""

    def __init__(self, block: npt.NDArray[np.uint8]) -> None:
        self.block = block
        self.ends = np.flatnonzero(block == 0)

    @classmethod
    def of(cls, names: Iterable[str]) -> "NameTable":
        """The block of names; none holds a zero, as no file's name does."""
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
        """The names from number `start` on, at most `PIECE` of them."""
        return self._text(start, min(start + PIECE, len(self))).split("\0")[:-1]

    def _text(self, start: int, stop: int) -> str:
        first = int(self.ends[start - 1]) + 1 if start else 0
        return self.block[first : int(self.ends[stop - 1]) + 1].tobytes().decode("utf-8", "surrogatepass")


class ArrayCache:
    """Arrays kept from run to run for a folder.

    Args:
        root: the folder.
        key: what they depend on beside the disk; those of another key are not given.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.root, self.key = root.resolve(), f"{FORMAT} {key}"

    def places(self) -> Iterator[Path]:
        """Where they may lie, the best place first."""
        yield self.root.parent / f".clearmel-index-{self.root.name}.npz"
        with contextlib.suppress(RuntimeError):  # no home
            caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:24]
            yield Path(caches, "clearmel", f"index-{digest}.npz")

    def read(self) -> Arrays | None:
        """What was kept, if it is sound."""
        for place in self.places():
            try:
                with place.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    if str(arrays["key"]) == self.key:
                        return {name: arrays[name] for name in arrays.files if name != "key"}
            except Exception:  # whatever is wrong with it, the disk itself is asked instead
                continue
        return None

    def write(self, arrays: Arrays) -> None:
        """Keeps them where it can be; nowhere is no error."""
        for place in self.places():
            with contextlib.suppress(InputError):
                with replacing(place) as temporary, temporary.open("wb") as file:
                    np.savez(file, allow_pickle=False, **{"key": np.array(self.key)} | arrays)
                return
