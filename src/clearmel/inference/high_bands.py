"""Stationary noise in the bands above those of a network: recordings of 44.1 or 48 kHz, a network of 16 kHz.

Shapes: T frames, F bins, B bands.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

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
        edges = torch.tensor([above_hz * RATIO**k for k in range(count + 1)])
        edges[-1:] = sample_rate / 2
        bins = (edges * n_fft / sample_rate).ceil().long()
        self.first = int(bins[0])
        n_bins = n_fft // 2 + 1
        self.shares = torch.zeros(count, n_bins)
        for band in range(count):
            last = n_bins if band == count - 1 else int(bins[band + 1])
            self.shares[band, int(bins[band]) : last] = 1 / (last - int(bins[band]))
        # Gains in dB are interpolated between the centres of the bands.
        centres = (edges[1:] * edges[:-1]).sqrt() * n_fft / sample_rate
        place = torch.arange(self.first, n_bins)
        self.spread = torch.ones(len(place), count)
        if count > 1:
            right = torch.searchsorted(centres, place.float()).clamp(1, count - 1)
            part = ((place - centres[right - 1]) / (centres[right] - centres[right - 1])).clamp(0, 1)
            self.spread = functional.one_hot(right - 1, count) * (1 - part)[:, None]
            self.spread += functional.one_hot(right, count) * part[:, None]
        self.n_window, self.n_least = (round(seconds * sample_rate / hop_length) for seconds in (WINDOW_S, LEAST_S))
        self.seen = torch.zeros(0, count)

    def observe(self, power: Tensor) -> None:
        """Takes frames (T, F) into account without computing gains."""
        self.seen = torch.cat([self.seen, power @ self.shares.T])[1 - self.n_window :]

    def gains(self, power: Tensor) -> Tensor:
        """Amplitude gains (T, F - first) of the bins from `first` on.

        Args:
            power: power spectrum of the next frames (T, F), the mean of the channels.
        """
        own = power @ self.shares.T  # (T, B)
        known = torch.cat([self.seen, own])
        self.seen = known[1 - self.n_window :]
        known = functional.pad(known, (0, 0, max(0, self.n_window - 1 - len(known) + len(own)), 0))
        before = known.unfold(0, self.n_window, 1)  # (T, B, n_window): each frame and those before it
        sounding = before > SILENT
        least = before.masked_fill(~sounding, math.inf).amin(dim=2)
        left = (1 - EXCESS * BIAS * least / own.clamp(min=SILENT)).clamp(min=10 ** (FLOOR_DB / 10))
        unknown = (sounding.sum(dim=2) < self.n_least) | (own <= SILENT)
        return torch.exp(left.sqrt().masked_fill(unknown, 1.0).log() @ self.spread.T)
