"""Random access to a recording with some spans removed and cross-fades at the joins.

The two sides of a join overlap by `FADE_S`, half of it on either side of the cut: the left side continues for half a
fade into the removed span, and the right side starts half a fade earlier. The result therefore lasts exactly as long
as the remaining parts. The gains follow the correlation of the two sides, see `cross_faded`.
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
        self._last_join: tuple[int, FloatArray] | None = None
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
        for number, part in enumerate(self.parts):
            end = part.place + part.end - part.start
            first, last = max(start, part.place + part.before), min(start + count, end - part.behind)
            if first < last:
                piece = self._source(part.start + first - part.place, last - first)
                wave[:, first - start : first - start + piece.shape[1]] = piece
            first, last = max(start, end - part.behind), min(start + count, end + part.behind)
            if first < last:
                join = self._join(number)[:, first - (end - part.behind) : last - (end - part.behind)]
                wave[:, first - start : last - start] = join
        return wave

    def _join(self, number: int) -> FloatArray:
        """The overlap (C, 2 * behind) of a part and the next one; the last one is kept for a following `read`."""
        if self._last_join is None or self._last_join[0] != number:
            part, following = self.parts[number : number + 2]
            starts = part.end - part.behind, following.start - part.behind
            sides = [self._source(start, 2 * part.behind) for start in starts]
            self._last_join = (
                number,
                cross_faded(
                    *(
                        np.pad(side, ((0, 0), (0, 2 * part.behind - side.shape[1]))) for side in sides
                    )  # a length was estimated
                ),
            )
        return self._last_join[1]

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


def cross_faded(left: FloatArray, right: FloatArray) -> FloatArray:
    """Fades from one piece (C, N) into another.

    Uncorrelated pieces keep their power under sine and cosine gains, equal ones under gains of sum 1. With a
    correlation r between them the power under sine and cosine is 1 + 2 r sin cos, by whose root both gains are
    divided. The mean of each piece, a constant offset, is faded apart with gains of sum 1, so that it never rises.
    The gains are those of all channels together.
    """
    angle = (np.arange(left.shape[1]) + 0.5) / max(1, left.shape[1]) * math.pi / 2
    falling, rising = np.cos(angle), np.sin(angle)
    means = [piece.mean(axis=1, keepdims=True, dtype=np.float64) for piece in (left, right)]
    before, after = left - means[0], right - means[1]
    power = float(np.square(before).sum() * np.square(after).sum())
    correlation = max(0.0, float((before * after).sum()) / math.sqrt(power)) if power > 0 else 0.0
    scale = np.sqrt(1 + 2 * correlation * rising * falling)
    offset = means[0] * falling**2 + means[1] * rising**2
    return np.asarray(offset + (before * falling + after * rising) / scale, np.float32)
