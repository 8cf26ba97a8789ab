"""Integrated loudness after ITU-R BS.1770-4 and EBU R 128, and sound brought to a loudness under a true-peak limit.

Everything is streamed: hours of sound need the memory of one block. Shapes: C channels, N samples.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import soxr

from clearmel.audio.filtering import convolved, sliding_minimum
from clearmel.core.file_io import FloatArray

ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU = -70.0, -10.0
STEP_S, STEPS = 0.1, 4
"""Blocks of 400 ms, each 100 ms after the one before."""
BIN_LU, TOP_LUFS = 0.01, 130.0
"""Blocks are counted in such steps up to such a loudness; floats in the range of int16 reach 90."""
OFFSET_LU = -0.691
"""So that a 997 Hz sine of full scale in one channel has -3.01 LUFS (BS.1770-4, note 1)."""
RESPONSE_S = 0.15
SURROUND = {5: (1, 1, 1, 1.41, 1.41), 6: (1, 1, 1, 0, 1.41, 1.41)}
"""Weights of the channels of 5.0 and 5.1 in the order of wav; all others weigh 1."""

CEILING_DBTP = -1.0
MARGIN_DB = 0.1
"""The limiter aims below the ceiling: a changing gain adds a little between the samples."""
OVERSAMPLING = 4
HOLD_S = 0.02
"""The limiter's gain falls and returns within twice that, before and after a peak."""


class LoudnessMeter:
    """Measures the integrated loudness of a recording in pieces.

    Args:
        sample_rate: in Hz.
        n_channels: C.
    """

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self.response, self.step = impulse_response(sample_rate), round(STEP_S * sample_rate)
        self.weights = np.array(SURROUND.get(n_channels, (1.0,) * n_channels))
        self.before = np.zeros((n_channels, len(self.response) - 1), np.float32)  # the last samples
        self.held = np.zeros(0)  # weighted squares whose step is not complete
        self.powers = np.zeros(0)  # of the last steps
        self.counts = np.zeros(round((TOP_LUFS - ABSOLUTE_GATE_LUFS) / BIN_LU))
        self.sums = np.zeros_like(self.counts)

    def push(self, block: FloatArray) -> None:
        """Takes the next piece (C, N)."""
        if not block.shape[1]:
            return
        sound = np.concatenate([self.before, block], axis=1)
        self.before, weighted = sound[:, block.shape[1] :], convolved(sound, self.response)
        squares = np.concatenate([self.held, self.weights @ np.square(weighted)])
        count = len(squares) // self.step
        steps = squares[: count * self.step].reshape(count, self.step).mean(axis=1)
        self.held, powers = squares[count * self.step :], np.concatenate([self.powers, steps])
        self.powers = powers[max(0, len(powers) - STEPS + 1) :]
        if len(powers) >= STEPS:
            blocks = np.convolve(powers, np.full(STEPS, 1 / STEPS), mode="valid")
            blocks = blocks[blocks > 10 ** ((ABSOLUTE_GATE_LUFS - OFFSET_LU) / 10)]
            places = ((_lufs(blocks) - ABSOLUTE_GATE_LUFS) / BIN_LU).astype(int).clip(0, len(self.counts) - 1)
            np.add.at(self.counts, places, 1)
            np.add.at(self.sums, places, blocks)

    def integrated(self) -> float:
        """The loudness in LUFS; -inf for silence, and for recordings of less than 400 ms."""
        if not self.counts.any():
            return -np.inf
        gate = float(_lufs(self.sums.sum() / self.counts.sum())) + RELATIVE_GATE_LU
        first = max(0, int((gate - ABSOLUTE_GATE_LUFS) / BIN_LU))
        return float(_lufs(self.sums[first:].sum() / self.counts[first:].sum()))


def _lufs(power: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    return np.asarray(OFFSET_LU + 10 * np.log10(power))


def k_weighting(sample_rate: int) -> npt.NDArray[np.float64]:
    """Second-order sections (2, 6) of the K filter: a shelf of 4 dB above 1.7 kHz, then a high-pass of 38 Hz.

    BS.1770-4 states coefficients for 48 kHz. These are the analogue filters behind them, mapped to any rate by the
    bilinear transform; at 48 kHz they are those of the standard. Source: libebur128.
    """
    k = np.tan(np.pi * min(1681.974450955533, 0.45 * sample_rate) / sample_rate)
    quality, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle, first = high**0.4996667741545416, 1 + k / quality + k * k
    shelf = [
        (high + middle * k / quality + k * k) / first, 2 * (k * k - high) / first,
        (high - middle * k / quality + k * k) / first, 1.0, 2 * (k * k - 1) / first, (1 - k / quality + k * k) / first,
    ]  # fmt: skip
    k, quality = np.tan(np.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    first = 1 + k / quality + k * k
    pass_high = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / first, (1 - k / quality + k * k) / first]
    return np.array([shelf, pass_high])


def impulse_response(sample_rate: int) -> npt.NDArray[np.float64]:
    """The first `RESPONSE_S` of the K filter's impulse response, after which it lies below a billionth of its peak."""
    count = round(RESPONSE_S * sample_rate)
    n_fft = 1 << (2 * count).bit_length()
    delay = np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) / n_fft)
    powers = np.stack([np.ones_like(delay), delay, delay**2])
    sections = [(section[:3] @ powers) / (section[3:] @ powers) for section in k_weighting(sample_rate)]
    return np.fft.irfft(np.prod(sections, axis=0), n_fft)[:count]


class Limiter:
    """Keeps the true peak of a recording in pieces below `CEILING_DBTP`, with a look-ahead.

    The peak between the samples is that of the recording at four times its rate (BS.1770-4, annex 2). The gain is the
    lowest that any sample within `HOLD_S` needs, smoothed over as long; it is the same for all channels.

    Args:
        sample_rate: in Hz.
        n_channels: C.
    """

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self.ceiling = 10 ** ((CEILING_DBTP - MARGIN_DB) / 20)
        self.reach = max(1, round(HOLD_S * sample_rate))
        self.smoothing = np.hanning(2 * self.reach + 3)[1:-1]
        self.smoothing /= self.smoothing.sum()
        self.oversampler = soxr.ResampleStream(sample_rate, OVERSAMPLING * sample_rate, n_channels, dtype="float32")
        self.peaks = np.zeros(0, np.float32)  # of the oversampled sound, whose sample is not complete
        self.needed = np.ones(2 * self.reach)  # gains, beginning with those before the first sample of `wave`
        self.wave = np.zeros((n_channels, 0), np.float32)

    def push(self, block: FloatArray, *, last: bool = False) -> FloatArray:
        """Takes a block (C, N) and returns the samples (C, K) that are complete, K >= 0; with `last`, all."""
        self.wave = np.concatenate([self.wave, block], axis=1)
        rows = self.oversampler.resample_chunk(np.ascontiguousarray(block.T, np.float32), last=last)
        over = np.abs(rows.reshape(-1, len(block))).max(axis=1, initial=0.0)
        self.peaks = np.concatenate([self.peaks, over])
        if last:  # rounding may lose one
            missing = (2 * self.reach + self.wave.shape[1] - len(self.needed)) * OVERSAMPLING - len(self.peaks)
            self.peaks = np.pad(self.peaks, (0, max(0, missing)))
        count = min(len(self.peaks) // OVERSAMPLING, 2 * self.reach + self.wave.shape[1] - len(self.needed))
        peaks = self.peaks[: count * OVERSAMPLING].reshape(count, OVERSAMPLING).max(axis=1, initial=0.0)
        self.peaks = self.peaks[count * OVERSAMPLING :]
        needed = np.minimum(1.0, self.ceiling / np.maximum(peaks, 1e-12))
        self.needed = np.concatenate([self.needed, needed, np.ones(2 * self.reach if last else 0)])
        n_ready = len(self.needed) - 4 * self.reach
        if n_ready < 1:
            return self.wave[:, :0]
        ready, self.wave = self.wave[:, :n_ready], self.wave[:, n_ready:]
        if self.needed.min() < 1:
            lowest = sliding_minimum(self.needed, 2 * self.reach + 1)
            ready = ready * convolved(lowest, self.smoothing).astype(np.float32)
        self.needed = self.needed[n_ready:]
        return ready


class Matched:
    """A recording in pieces at a wanted loudness; its length stays.

    The recording is made twice: once to be measured, and once to be changed.

    Attributes:
        before_lufs, after_lufs: integrated loudness, known when the pieces have been read.

    Args:
        make: gives the recording in pieces (C, N), each time anew.
        sample_rate: in Hz.
        n_channels: C.
        target_lufs: wanted. Silence is left alone.
    """

    def __init__(
        self, make: Callable[[], Iterable[FloatArray]], sample_rate: int, n_channels: int, target_lufs: float
    ) -> None:
        self.make, self.format, self.target_lufs = make, (sample_rate, n_channels), target_lufs
        self.before_lufs = self.after_lufs = -np.inf

    def __iter__(self) -> Iterator[FloatArray]:
        before, after, limiter = LoudnessMeter(*self.format), LoudnessMeter(*self.format), Limiter(*self.format)
        for block in self.make():
            before.push(block)
        self.before_lufs = before.integrated()
        if not np.isfinite(self.before_lufs):
            yield from self.make()
            return
        gain = np.float32(10 ** ((self.target_lufs - self.before_lufs) / 20))
        for block in self.make():
            ready = limiter.push(block * gain)
            after.push(ready)
            yield ready
        rest = limiter.push(np.zeros((self.format[1], 0), np.float32), last=True)
        after.push(rest)
        self.after_lufs = after.integrated()
        yield rest

    def summary(self) -> str:
        """In words, such as "-27.3 to -16.0 LUFS"."""
        if not np.isfinite(self.before_lufs):
            return "loudness left as it is: silence, or less than 0.4 s of sound"
        return f"{self.before_lufs:.1f} to {self.after_lufs:.1f} LUFS"
