"""Reads a decoder that only goes forward as if it were a file with random access. Shapes: N samples, C channels."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from clearmel.core.file_io import FloatArray

KEPT = 1 << 16
"""Samples kept before the present position, so that short steps back need no decoding."""
FAR_S = 30.0
"""A longer way ahead is not decoded if there is a shorter one."""


class StreamedFile(ABC):
    """The part of `soundfile.SoundFile` that reads, over pieces in order. Memory does not depend on the length.

    Subclasses set the attributes, define `_decoded`, and call `_restart` before anything is read.

    Attributes:
        samplerate, channels, frames, format, subtype: as of a SoundFile; `frames` is the length that decoding gives.
    """

    samplerate: int
    channels: int
    frames: int
    format: str
    subtype: str
    _pieces: Iterator[tuple[int, FloatArray]]
    _held: FloatArray
    """The last samples that were decoded, up to `_end`."""
    _end: int
    _place: int
    _exact: int | None = None
    """Length at which the last piece is cut, if it is known without decoding."""

    @abstractmethod
    def _decoded(self, first: int) -> Iterator[tuple[int, FloatArray]]:
        """Consecutive pieces (N, C) with their positions; the first begins at or before `first`."""

    def _start(self, place: int) -> int:
        """The position to decode from, so that the samples at `place` are those of a whole pass."""
        return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._pieces = iter(())  # the generator is dropped, which closes its file

    def tell(self) -> int:
        """The position of the next sample."""
        return self._place

    def seek(self, place: int) -> int:
        """Moves to a sample; the same samples follow as in a pass from the beginning, except for a coder's noise."""
        start, far = self._start(place), place - self._end > FAR_S * self.samplerate
        if place < self._end - len(self._held) or (far and start > self._end):
            self._restart(start)
        pieces, held = [self._held], len(self._held)
        while self._end < place and (piece := self._next()) is not None:
            pieces.append(piece)
            held += len(piece)
            if held > 10 * KEPT:
                pieces, held = [np.concatenate(pieces)[-KEPT:]], KEPT
        self._held = np.concatenate(pieces)
        self._place = min(place, self._end)
        return self._place

    def read(self, frames: int = -1, dtype: str = "float32", always_2d: bool = True) -> FloatArray:
        """The next samples (N, C), fewer at the end; `dtype` and `always_2d` have one value each."""
        wanted = frames if frames >= 0 else sys.maxsize
        pieces = [self._held]
        while self._end - self._place < wanted and (piece := self._next()) is not None:
            pieces.append(piece)
        self._held = np.concatenate(pieces)
        first = len(self._held) - (self._end - self._place)
        found = self._held[first : min(len(self._held), first + wanted)]
        self._place += len(found)
        self._held = self._held[max(0, first + len(found) - KEPT) :].copy()
        return found

    def _next(self) -> FloatArray | None:
        """The samples (N, C) after `_end`; None at the end."""
        for place, piece in self._pieces:
            piece = piece[max(0, self._end - place) :]
            if self._exact is not None:
                piece = piece[: max(0, self._exact - self._end)]
            if len(piece):
                self._end += len(piece)
                return piece
        return None

    def _restart(self, first: int = 0) -> None:
        """Decodes from `first` on."""
        self._pieces = self._decoded(first)
        self._held, self._end, self._place = np.zeros((0, self.channels), np.float32), first, first

    def _measured(self) -> int:
        """The length, by decoding everything; then the position is 0."""
        while self._next() is not None:
            pass
        length = self._end
        self._restart()
        return length
