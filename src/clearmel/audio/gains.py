"""Gains that turn one log-mel into another, by mel band and by STFT bin.

Shapes: T frames, F STFT bins, M mel bands, K lowest bins. "..." stands for any number of leading dimensions.
"""

import torch
from torch import Tensor

from clearmel.audio import mel_scale
from clearmel.audio.features import FLOOR, MelFeatures


def band_gain(noisy: Tensor, estimate: Tensor) -> Tensor:
    """Amplitude gain (..., T, M) in (0, 1] that turns the noisy log-mel into the estimate.

    The difference of the two times 10 is the logarithm of the power gain; half of that is the amplitude gain's.
    """
    return torch.exp(((estimate - noisy) * 5).clamp(max=0.0))


def spreading(
    features: MelFeatures, like: Tensor | None = None, n_fft: int | None = None, sample_rate: int | None = None
) -> Tensor:
    """Weights (M, F) of the bands in the gain of each bin: the mel filters, normalised in each bin.

    A bin below the centre of the first band has the gain of that band; a bin above the centre of the last band, that
    of the last.

    Args:
        features: the mel bands.
        like: a tensor whose type and device the weights get.
        n_fft: FFT length of the spectrum that the gains multiply; default: that of the features.
        sample_rate: of that spectrum in Hz; default: that of the features.
    """
    like = torch.zeros(()) if like is None else like
    n_fft, sample_rate = n_fft or features.n_fft, sample_rate or features.sample_rate
    return mel_scale.spreading(features.edges, n_fft, sample_rate, like.dtype, like.device)


def spread(features: MelFeatures, gain: Tensor, n_fft: int | None = None, sample_rate: int | None = None) -> Tensor:
    """Gains (..., F) of STFT bins, interpolated from amplitude gains (..., M) of the bands; see `spreading`."""
    return gain @ spreading(features, gain, n_fft, sample_rate)


def fine_structure(features: MelFeatures, power: Tensor, mel: Tensor, n_bins: int) -> Tensor:
    """Level of each of the lowest bins (..., T, n_bins) above the mean of its band, in units of the log-mel.

    Args:
        features: the settings of the mel.
        power: power spectrum (..., T, F).
        mel: its log-mel (..., T, M).
        n_bins: number of bins.
    """
    weights = spreading(features, mel)[:, :n_bins]
    flat = torch.log(features.filters(mel).sum(dim=1)) / 10  # log-mel of a spectrum that is 1 in every bin
    return 1 + torch.log(FLOOR + power[..., :n_bins]) / 10 - (mel - flat) @ weights


def bin_gain(
    features: MelFeatures,
    gain: Tensor,
    factor: Tensor | None,
    n_fft: int | None = None,
    sample_rate: int | None = None,
) -> Tensor:
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
        place = torch.arange(count, device=factor.device) * step
        left = place.long().clamp(max=factor.shape[-1] - 2)
        factor = torch.lerp(factor[..., left], factor[..., left + 1], (place - left).to(factor))
    lowest = (wide[..., : factor.shape[-1]] * factor.exp()).clamp(max=1.0)
    return torch.cat([lowest, wide[..., factor.shape[-1] :]], dim=-1)
