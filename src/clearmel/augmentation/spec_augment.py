"""Augmentation of batches of mels, with random numbers from torch's generator, which the trainer seeds in each step."""

import torch
from torch import Tensor
from torch.nn import functional

from clearmel.audio.features import DECIBELS_PER_UNIT


def mask(mel: Tensor, lengths: Tensor, time_share: float, band_share: float, count: int = 2) -> Tensor:
    """Replaces ranges of frames and of bands by the mean of the recording.

    Source: Park et al., "SpecAugment", Interspeech 2019, without time warping.

    Args:
        mel: (B, T, M).
        lengths: (B,) real frames.
        time_share: longest time mask as a fraction of the real frames.
        band_share: widest band mask as a fraction of the bands.
        count: number of masks of each kind per recording.

    Returns:
        (B, T, M).
    """
    real = torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]  # (B, T)
    mean = (mel.sum(dim=2) * real).sum(dim=1) / (lengths * mel.shape[2])  # (B,)
    bands = torch.full_like(lengths, mel.shape[2])
    masked = torch.zeros_like(mel, dtype=torch.bool)
    for _ in range(count):
        masked |= _random_range(lengths, time_share, mel.shape[1])[:, :, None]
        masked |= _random_range(bands, band_share, mel.shape[2])[:, None, :]
    return torch.where(masked & real[:, :, None], mean[:, None, None], mel)


def _random_range(sizes: Tensor, share: float, longest: int) -> Tensor:
    """(B, longest), True in a random range of at most `share` of each size."""
    width = torch.rand(len(sizes)).to(sizes.device) * share * sizes
    start = torch.rand(len(sizes)).to(sizes.device) * (sizes - width)
    place = torch.arange(longest, device=sizes.device)[None]
    return (place >= start[:, None].round()) & (place < (start + width)[:, None].round())


def mixup(mel: Tensor, lengths: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mixes each recording with another one of the batch.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.

    Args:
        mel: (B, T, M).
        lengths: (B,) real frames.
        alpha: parameter of the beta distribution of the mixing weights.

    Returns:
        The mixtures (B, T, M), each as long as the longer of the two recordings; their lengths (B,); the index of each
        partner (B,); and the weight of the recording itself (B,) in [0.5, 1].
    """
    own = torch.distributions.Beta(alpha, alpha).sample((len(mel),))
    own = torch.maximum(own, 1 - own).to(mel)
    partner = torch.randperm(len(mel)).to(mel.device)
    real = (torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]).to(mel)[..., None]  # (B, T, 1)
    ours, theirs = own[:, None, None] * real, (1 - own)[:, None, None] * real[partner]
    mixture = (ours * mel + theirs * mel[partner]) / (ours + theirs).clamp(min=1e-9)
    return mixture, torch.maximum(lengths, lengths[partner]), partner, own


def blend(mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Adds the power of another recording of the batch to each one, as if their waves were added.

    Source: Tokozume et al., "Learning from Between-class Examples for Deep Sound Recognition", ICLR 2018, eq. 2: the
    amplitude ratio is drawn for two recordings of equal loudness.

    Args:
        mel: log-mels (B, T, M).
        lengths: (B,) real frames.

    Returns:
        As `mixup`, with a weight (B,) in [0, 1].
    """
    partner, own = torch.randperm(len(mel)).to(mel.device), torch.rand(len(mel)).to(mel)
    real = (torch.arange(mel.shape[1], device=mel.device) < lengths[:, None])[..., None]  # (B, T, 1)
    power = torch.exp((mel - 1) * 10) * real
    loudness = (power.sum(dim=(1, 2)) / lengths).clamp(min=1e-12).sqrt()
    part = 1 / (1 + loudness / loudness[partner] * (1 - own) / own.clamp(min=1e-4))
    ours, theirs = part.square()[:, None, None], (1 - part).square()[:, None, None]
    mixture = 1 + torch.log(1e-12 + ours * power + theirs * power[partner]) / 10
    return mixture, torch.maximum(lengths, lengths[partner]), partner, own


def random_filter(mel: Tensor, spread_db: float) -> Tensor:
    """Filters log-mels (B, T, M) at random: gains in dB, interpolated between 3 to 6 points over the bands."""
    n_points = int(torch.randint(3, 7, (1,)))
    points = (torch.rand(len(mel), 1, n_points) * 2 - 1) * spread_db / DECIBELS_PER_UNIT
    gain = functional.interpolate(points, size=mel.shape[2], mode="linear", align_corners=True)
    return mel + gain.to(mel)
