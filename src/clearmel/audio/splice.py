"""Random access to a recording with some spans removed and cross-fades at the joins.

The two sides of a join overlap by `FADE_S`, half of it on either side of the cut: the left side continues for half a
fade into the removed span, and the right side starts half a fade earlier. The result therefore lasts exactly as long
as the remaining parts. The gains are cosine and sine (equal power), because the two sides are uncorrelated.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from clearmel.audio.opening import open_audio
from clearmel.core.file_io import FloatArray

FADE_S = 0.01
SKIP = 1 << 18
"""Samples read at once to skip ahead in a format without exact seeking."""
MP3_PREROLL = 10 * 1152
"""Samples of ten mp3 frames, decoded before the wanted position."""


class Part(NamedTuple):
    """A remaining part of the source, in samples.

    start, end: in the source. place: of `start` in the result. before, behind: half fades beyond the two ends.
    """

    start: int
    end: int
    place: int
    before: int
    behind: int


def parts(n_samples: int, sample_rate: int, remove: Sequence[tuple[float, float]]) -> list[Part]:
    """The remaining parts in order.

    Args:
        n_samples: of the source.
        sample_rate: in Hz.
        remove: spans [start_s, end_s] in order, without overlap.
    """
    cuts = [(min(n_samples, round(a * sample_rate)), min(n_samples, round(b * sample_rate))) for a, b in remove]
    edges = [0, *(edge for cut in cuts for edge in cut), n_samples]
    remaining = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]
    half = int(FADE_S * sample_rate / 2)
    found: list[Part] = []
    place = 0
    for number, (start, end) in enumerate(remaining):
        before = found[-1].behind if found else 0
        behind = 0
        if number + 1 < len(remaining):  # limited by the removed span and by both parts
            following = remaining[number + 1]
            behind = min(half, (following[0] - end) // 2, (end - start) // 2, (following[1] - following[0]) // 2)
        found.append(Part(start, end, place, before, behind))
        place += end - start
    return found


class Spliced:
    """The recording at `path` without the spans of `remove`; a context manager.

    Attributes:
        sample_rate: in Hz.
        n_channels: C of the source.
        n_samples: of the result.

    Raises:
        InputError: the recording cannot be read.
    """

    def __init__(self, path: str | Path, remove: Sequence[tuple[float, float]] = ()) -> None:
        self._file = open_audio(path)
        self.sample_rate: int = self._file.samplerate
        self.n_channels: int = self._file.channels
        self.parts = parts(self._file.frames, self.sample_rate, remove)
        self.n_samples = sum(part.end - part.start for part in self.parts)

    def __enter__(self) -> "Spliced":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, start: int, count: int) -> FloatArray:
        """Samples [start, start + count) of the result.

        Returns:
            (C, count) float32; zeros beyond the end.
        """
        wave = np.zeros((self.n_channels, count), np.float32)
        for part in self.parts:
            first = max(start, part.place - part.before)
            last = min(start + count, part.place + part.end - part.start + part.behind)
            if first < last:
                offset = part.start - part.place  # source position minus result position
                piece = self._source(first + offset, last - first)
                wave[:, first - start : first - start + piece.shape[1]] += piece * self._gain(
                    part, first, piece.shape[1]
                )
        return wave

    def _source(self, start: int, count: int) -> FloatArray:
        """Samples (C, count) of the recording, fewer at its end."""
        if self._file.tell() != start:
            if self._file.format not in ("OGG", "MP3"):
                self._file.seek(start)
            elif self._file.format == "MP3":  # its decoder starts with silence
                self._file.seek(max(0, start - MP3_PREROLL))
            elif start < self._file.tell():  # seeking elsewhere misses by up to a thousand samples
                self._file.seek(0)
            while (ahead := start - self._file.tell()) > 0 and len(self._file.read(min(ahead, SKIP))):
                pass
        return np.asarray(self._file.read(count, dtype="float32", always_2d=True).T)

    @staticmethod
    def _gain(part: Part, first: int, count: int) -> FloatArray:
        """Gains (count,) of the part, from position `first` of the result."""
        place = np.arange(first, first + count) + 0.5
        gain = np.ones(count, np.float32)
        end = part.place + part.end - part.start
        for edge, width, sign in ((part.place, part.before, 1), (end, part.behind, -1)):
            if width:
                rising = ((sign * (place - edge) / width + 1) / 2).clip(0, 1)
                gain *= np.sin(rising * math.pi / 2).astype(np.float32)
        return gain
