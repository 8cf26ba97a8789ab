"""Random access to a recording without its cut parts, with cross-faded joins.

The two sides of a join overlap by `FADE_S`, half of it on either side of the cut: the sound before goes on for half a
fade into what is removed, and the sound behind begins as much earlier. So nothing that is kept is faded away before its
edge, and the result lasts exactly as long as the kept parts. Gains are cosine and sine (equal power), as the two sides
have nothing in common.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from clearmel.audio.sound_file import open_audio
from clearmel.core.file_io import FloatArray

FADE_S = 0.01
SKIP = 1 << 18
"""Samples read at once where a format cannot be entered anywhere."""
WARM_UP = 10 * 1152
"""Samples of ten frames of an mp3."""


class Part(NamedTuple):
    """A kept piece of the source, in samples.

    start, end: of what is kept. place: of `start` in the result. before, behind: half fades beyond its two ends.
    """

    start: int
    end: int
    place: int
    before: int
    behind: int


def parts(n_samples: int, sample_rate: int, remove: Sequence[tuple[float, float]]) -> list[Part]:
    """The kept pieces in order.

    Args:
        n_samples: of the source.
        sample_rate: in Hz.
        remove: spans [start_s, end_s] in order, without overlap.
    """
    cuts = [(min(n_samples, round(a * sample_rate)), min(n_samples, round(b * sample_rate))) for a, b in remove]
    edges = [0, *(edge for cut in cuts for edge in cut), n_samples]
    kept = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]
    half = int(FADE_S * sample_rate / 2)
    found: list[Part] = []
    place = 0
    for number, (start, end) in enumerate(kept):
        before = found[-1].behind if found else 0
        behind = 0
        if number + 1 < len(kept):  # not more than what is removed, nor than what is kept, has room for
            following = kept[number + 1]
            behind = min(half, (following[0] - end) // 2, (end - start) // 2, (following[1] - following[0]) // 2)
        found.append(Part(start, end, place, before, behind))
        place += end - start
    return found


class Spliced:
    """The recording at `path` without `remove`; a context manager.

    Attributes:
        sample_rate: in Hz.
        n_channels: C of the source.
        n_samples: of the result.

    Raises:
        InputError: it cannot be read.
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
                offset = part.start - part.place  # from a place in the result to one in the source
                piece = self._source(first + offset, last - first)
                wave[:, first - start : first - start + piece.shape[1]] += piece * self._gain(
                    part, first, piece.shape[1]
                )
        return wave

    def _source(self, start: int, count: int) -> FloatArray:
        """Samples (C, count) of the recording, or as many as there are."""
        if self._file.tell() != start:
            if self._file.format not in ("OGG", "MP3"):
                self._file.seek(start)
            elif self._file.format == "MP3":  # its decoder begins with silence
                self._file.seek(max(0, start - WARM_UP))
            elif start < self._file.tell():  # libsndfile lands up to a thousand samples beside any other place
                self._file.seek(0)
            while (ahead := start - self._file.tell()) > 0 and len(self._file.read(min(ahead, SKIP))):
                pass
        return np.asarray(self._file.read(count, dtype="float32", always_2d=True).T)

    @staticmethod
    def _gain(part: Part, first: int, count: int) -> FloatArray:
        """(count,) of the part's samples from the place `first` of the result on."""
        place = np.arange(first, first + count) + 0.5
        gain = np.ones(count, np.float32)
        end = part.place + part.end - part.start
        for edge, width, sign in ((part.place, part.before, 1), (end, part.behind, -1)):
            if width:
                rising = ((sign * (place - edge) / width + 1) / 2).clip(0, 1)
                gain *= np.sin(rising * math.pi / 2).astype(np.float32)
        return gain
