"""Stationary noise in the bands above those of a network: recordings of 44.1 or 48 kHz, a network of 16 kHz.

Shapes: T frames, F bins, B bands.
"""

import math

import numpy as np

from clearmel.core.file_io import FloatArray

RATIO = 1.19
"""Upper by lower edge of a band, about a third of an octave at 16 kHz and 1.5 kHz at the lowest."""
WINDOW_S = 3.0
"""Seconds whose quietest frame gives the noise level; speech pauses are closer together."""
LEAST_S = 0.5
"""Seconds of sound that an estimate needs; before, nothing is attenuated."""
SILENT = 1e-14
"""Power of a band below which it is digitally silent, and no part of an estimate."""
BIAS = 1.35
"""Mean power of stationary noise by its smallest one in `WINDOW_S`, for bands of about a hundred bins."""
EXCESS = 1.5
"""Part of the noise power that is subtracted; above 1 because single frames of noise exceed their mean."""
FLOOR_DB = -25.0
"""Lowest gain."""


class HighBands:
    """Gains of the bins above a frequency by spectral subtraction, block by block.

    The noise level of a band is the minimum of its power over the last seconds, which speech pauses reveal. Wide bands
    vary little, so neither smoothing nor a decision about speech is needed. Source: minimum statistics (Martin, IEEE
    Trans. Speech and Audio Processing 9, 2001) and power spectral subtraction (Boll, IEEE Trans. ASSP 27, 1979).

    Args:
        above_hz: lower edge of the lowest band.
        sample_rate: of the recording in Hz.
        n_fft: of its spectrum.
        hop_length: samples between frames.
    """

    def __init__(self, above_hz: float, sample_rate: int, n_fft: int, hop_length: int) -> None:
        count = max(0, int(math.log(sample_rate / 2 / above_hz) / math.log(RATIO)))
        edges = np.array([above_hz * RATIO**k for k in range(count + 1)])
        edges[-1:] = sample_rate / 2
        bins = np.ceil(edges * n_fft / sample_rate).astype(int)
        self.first = int(bins[0])
        n_bins = n_fft // 2 + 1
        self.starts = bins[:-1]  # of each band; the last one reaches to the end of the spectrum
        self.counts = np.diff([*bins[:-1], n_bins]).astype(np.float32)
        # Gains in dB are interpolated between the centres of the bands.
        centres = np.sqrt(edges[1:] * edges[:-1]) * n_fft / sample_rate
        place = np.arange(self.first, n_bins)
        self.spread: FloatArray = np.ones((len(place), count), np.float32)
        if count > 1:
            right = np.searchsorted(centres, place).clip(1, count - 1)
            part = ((place - centres[right - 1]) / (centres[right] - centres[right - 1])).clip(0, 1)
            self.spread = np.zeros((len(place), count), np.float32)
            rows = np.arange(len(place))
            self.spread[rows, right - 1], self.spread[rows, right] = 1 - part, part
        self.n_window, self.n_least = (round(seconds * sample_rate / hop_length) for seconds in (WINDOW_S, LEAST_S))
        self.seen: FloatArray = np.zeros((0, count), np.float32)

    def _bands(self, power: FloatArray) -> FloatArray:
        """Mean power (T, B) of each band."""
        found: FloatArray = (np.add.reduceat(power, self.starts, axis=1) / self.counts).astype(np.float32)
        return found

    def observe(self, power: FloatArray) -> None:
        """Takes frames (T, F) into account without computing gains."""
        self.seen = np.concatenate([self.seen, self._bands(power)])[1 - self.n_window :]

    def gains(self, power: FloatArray) -> FloatArray:
        """Amplitude gains (T, F - first) of the bins from `first` on.

        Args:
            power: power spectrum of the next frames (T, F), the mean of the channels.
        """
        own = self._bands(power)  # (T, B)
        known = np.concatenate([self.seen, own])
        self.seen = known[1 - self.n_window :]
        missing = max(0, self.n_window - 1 - len(known) + len(own))
        known = np.concatenate([np.zeros((missing, known.shape[1]), np.float32), known])
        sounding = known > SILENT
        least = _least(np.where(sounding, known, np.float32(math.inf)), self.n_window)  # (T, B)
        left = np.maximum(1 - EXCESS * BIAS * least / np.maximum(own, SILENT), 10 ** (FLOOR_DB / 10))
        total = np.concatenate([np.zeros((1, known.shape[1]), np.int64), sounding.cumsum(axis=0)])
        n_sounding = total[self.n_window :] - total[: -self.n_window]  # of each frame and those before it
        unknown = (n_sounding < self.n_least) | (own <= SILENT)
        nepers: FloatArray = np.where(unknown, np.float32(0), np.log(left) / 2).astype(np.float32)
        found: FloatArray = np.exp(nepers @ self.spread.T)
        return found


def _least(values: FloatArray, count: int) -> FloatArray:
    """The smallest of each `count` consecutive rows (N, B): (N - count + 1, B). The spans compared double."""
    size = 1
    while 2 * size <= count:
        values, size = np.minimum(values[:-size], values[size:]), 2 * size
    rest = count - size
    return np.minimum(values[: len(values) - rest], values[rest:])
