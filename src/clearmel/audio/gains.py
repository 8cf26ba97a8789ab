"""Gains that turn one log-mel into another, by mel band and by STFT bin.

Shapes: T frames, F STFT bins, M mel bands, K lowest bins. "..." stands for any number of leading dimensions.
"""

from typing import Any

import numpy as np

from clearmel.audio import mel_scale
from clearmel.audio.features import FLOOR, MelFeatures
from clearmel.core import arrays
from clearmel.core.arrays import Array


def band_gain(noisy: Array, estimate: Array) -> Array:
    """Amplitude gain (..., T, M) in (0, 1] that turns the noisy log-mel into the estimate.

    The difference of the two times 10 is the logarithm of the power gain; half of that is the amplitude gain's.
    """
    math_of = arrays.module_of(noisy)
    return math_of.exp(math_of.clip((estimate - noisy) * 5, None, 0.0))


def spreading(
    features: MelFeatures,
    like: Any = np.float32(),  # noqa: B008  a constant
    n_fft: int | None = None,
    sample_rate: int | None = None,
) -> Any:
    """Weights (M, F) of the bands in the gain of each bin: the mel filters, normalised in each bin.

    A bin below the centre of the first band has the gain of that band; a bin above the centre of the last band, that
    of the last.

    Args:
        features: the mel bands.
        like: an array whose kind, type and device the weights get.
        n_fft: FFT length of the spectrum that the gains multiply; default: that of the features.
        sample_rate: of that spectrum in Hz; default: that of the features.
    """
    n_fft, sample_rate = n_fft or features.n_fft, sample_rate or features.sample_rate
    return mel_scale.spreading(features.edges, n_fft, sample_rate, arrays.kind(like))


def spread(features: MelFeatures, gain: Array, n_fft: int | None = None, sample_rate: int | None = None) -> Array:
    """Gains (..., F) of STFT bins, interpolated from amplitude gains (..., M) of the bands; see `spreading`."""
    return gain @ spreading(features, gain, n_fft, sample_rate)


def fine_structure(features: MelFeatures, power: Array, mel: Array, n_bins: int) -> Array:
    """Level of each of the lowest bins (..., T, n_bins) above the mean of its band, in units of the log-mel.

    Args:
        features: the settings of the mel.
        power: power spectrum (..., T, F).
        mel: its log-mel (..., T, M).
        n_bins: number of bins.
    """
    log = arrays.module_of(mel).log
    weights = spreading(features, mel)[:, :n_bins]
    flat = log(features.filters(mel).sum(**arrays.axis(1, mel))) / 10  # log-mel of a spectrum that is 1 in every bin
    return 1 + log(FLOOR + power[..., :n_bins]) / 10 - (mel - flat) @ weights


def bin_gain(
    features: MelFeatures,
    gain: Array,
    factor: Array | None,
    n_fft: int | None = None,
    sample_rate: int | None = None,
) -> Array:
    """Gains (..., F) of STFT bins: `spread` of the band gains, in the lowest bins times exp(factor), at most 1.

    Args:
        features: the mel bands and the STFT that `factor` belongs to.
        gain: amplitude gains of the bands (..., M).
        factor: for the lowest bins of the features' STFT (..., K), see `Denoiser.forward`; None for zeros.
        n_fft: of the spectrum to be multiplied; default: that of the features.
        sample_rate: of that spectrum in Hz; default: that of the features.
    """
    wide = spread(features, gain, n_fft, sample_rate)
    if factor is None:
        return wide
    n_fft, sample_rate = n_fft or features.n_fft, sample_rate or features.sample_rate
    if (n_fft, sample_rate) != (features.n_fft, features.sample_rate):  # interpolate; bins must be of similar width
        step = sample_rate * features.n_fft / (n_fft * features.sample_rate)
        count = min(wide.shape[-1], int((factor.shape[-1] - 1) / step) + 1)
        place = np.arange(count) * step
        left = place.astype(np.int64).clip(max=factor.shape[-1] - 2)
        part = arrays.like(place - left, factor)
        before, after = factor[..., left], factor[..., left + 1]
        factor = before + part * (after - before)
    math_of = arrays.module_of(wide)
    lowest = math_of.clip(wide[..., : factor.shape[-1]] * math_of.exp(factor), None, 1.0)
    return arrays.joined([lowest, wide[..., factor.shape[-1] :]], -1)
