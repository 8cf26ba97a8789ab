"""Band-limited resampling by soxr, also of consecutive blocks. Shapes: N samples, C channels."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from clearmel.core.file_io import FloatArray


def resample_blocks(
    pieces: Iterable[FloatArray], from_rate: int, to_rate: int, n_channels: int
) -> Iterator[FloatArray]:
    """Resamples consecutive pieces (C, N) of a recording without seams."""
    if from_rate == to_rate:
        yield from pieces
        return
    resampler = Resampler(from_rate, to_rate, n_channels)
    for block in pieces:
        yield resampler.push(block)
    yield resampler.finish()


class Resampler:
    """Resamples consecutive blocks without seams, by soxr (high quality, linear phase, no delay).

    Args:
        from_rate: in Hz.
        to_rate: in Hz; equal rates leave the blocks as they are.
        n_channels: C.
    """

    def __init__(self, from_rate: int, to_rate: int, n_channels: int) -> None:
        self.n_channels, self.ratio, self.missing = n_channels, to_rate / from_rate, 0.0
        self.stream = None
        if from_rate != to_rate:
            self.stream = soxr.ResampleStream(from_rate, to_rate, n_channels, dtype="float32")

    def push(self, block: FloatArray) -> FloatArray:
        """Resamples a block (C, N) and returns the samples (C, K) that are complete, K >= 0."""
        if self.stream is None:
            return block
        piece = self._chunk(self.stream, np.ascontiguousarray(block.T), last=False)
        self.missing += block.shape[1] * self.ratio - piece.shape[1]
        return piece

    def finish(self) -> FloatArray:
        """Returns the remaining samples (C, K). All outputs together are as long as the input, rounded up."""
        if self.stream is None:
            return np.zeros((self.n_channels, 0), np.float32)
        tail = self._chunk(self.stream, np.zeros((0, self.n_channels), np.float32), last=True)
        return np.pad(tail, ((0, 0), (0, max(0, math.ceil(self.missing) - tail.shape[1]))))  # rounding may lose one

    def _chunk(self, stream: soxr.ResampleStream, rows: FloatArray, *, last: bool) -> FloatArray:
        """Resamples rows (N, C) into (C, K)."""
        return np.asarray(stream.resample_chunk(rows, last=last), np.float32).reshape(-1, self.n_channels).T


def resample(wave: FloatArray, from_rate: int, to_rate: int) -> FloatArray:
    """Band-limited resampling of (N,) by soxr (high quality, linear phase, no delay)."""
    if from_rate == to_rate:
        return wave
    resampled = np.asarray(soxr.resample(wave, from_rate, to_rate), dtype=np.float32)
    return resampled if len(resampled) else wave[:1]  # at least one sample
