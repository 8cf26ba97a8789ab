"""A part of a file that reads as a file of its own."""

import io
import os
from pathlib import Path
from typing import Any, NamedTuple


class Window(NamedTuple):
    """A part of a file in bytes. `plain`: libsndfile reads all of it."""

    start: int
    end: int
    plain: bool


class Part(io.FileIO):
    """The bytes of a window."""

    def __init__(self, path: str | Path, window: Window) -> None:
        super().__init__(path)
        self.window = window
        super().seek(window.start)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a byte of the window; see `io.IOBase.seek`."""
        base = {os.SEEK_SET: self.window.start, os.SEEK_CUR: super().tell(), os.SEEK_END: self.window.end}[whence]
        return super().seek(max(self.window.start, base + offset)) - self.window.start

    def tell(self) -> int:
        """The position in the window."""
        return super().tell() - self.window.start

    def readinto(self, buffer: Any) -> int:
        """Reads bytes into a buffer; see `io.RawIOBase.readinto`."""
        view = memoryview(buffer).cast("B")
        return super().readinto(view[: max(0, min(len(view), self.window.end - super().tell()))]) or 0

    def read(self, size: int | None = -1) -> bytes:
        """Reads bytes; see `io.RawIOBase.read`."""
        left = max(0, self.window.end - super().tell())
        return super().read(left if size is None or size < 0 else min(size, left)) or b""
