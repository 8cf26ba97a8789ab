"""Changes of a batch of mels in training, drawn from torch's own generator, which the engine seeds for every step."""

import torch
from torch import Tensor
from torch.nn import functional

from clearmel.audio.features import DECIBELS_PER_UNIT


def mask(mel: Tensor, lengths: Tensor, time_share: float, band_share: float, count: int = 2) -> Tensor:
    """Blanks stretches of frames and ranges of bands with the recording's mean.

    Source: Park et al., "SpecAugment", Interspeech 2019, without time warping.

    Args:
        mel: (B, T, M).
        lengths: (B,) real frames.
        time_share: longest stretch as a share of the real frames.
        band_share: widest range as a share of the bands.
        count: of both kinds for each recording.

    Returns:
        (B, T, M).
    """
    real = torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]  # (B, T)
    mean = (mel.sum(dim=2) * real).sum(dim=1) / (lengths * mel.shape[2])  # (B,)
    bands = torch.full_like(lengths, mel.shape[2])
    hidden = torch.zeros_like(mel, dtype=torch.bool)
    for _ in range(count):
        hidden |= _stretch(lengths, time_share, mel.shape[1])[:, :, None]
        hidden |= _stretch(bands, band_share, mel.shape[2])[:, None, :]
    return torch.where(hidden & real[:, :, None], mean[:, None, None], mel)


def _stretch(sizes: Tensor, share: float, longest: int) -> Tensor:
    """(B, longest), True on a random stretch of at most `share` of each size."""
    width = torch.rand(len(sizes)).to(sizes.device) * share * sizes
    start = torch.rand(len(sizes)).to(sizes.device) * (sizes - width)
    place = torch.arange(longest, device=sizes.device)[None]
    return (place >= start[:, None].round()) & (place < (start + width)[:, None].round())


def mixup(mel: Tensor, lengths: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each recording mixed with another one of the batch.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.

    Args:
        mel: (B, T, M).
        lengths: (B,) real frames.
        alpha: of the beta distribution that the shares are drawn from.

    Returns:
        The mixtures (B, T, M), each as long as the longer of the two; their lengths (B,); the number of the partner
        (B,); and the own share (B,) in [0.5, 1].
    """
    own = torch.distributions.Beta(alpha, alpha).sample((len(mel),))
    own = torch.maximum(own, 1 - own).to(mel)
    partner = torch.randperm(len(mel)).to(mel.device)
    real = (torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]).to(mel)[..., None]  # (B, T, 1)
    ours, theirs = own[:, None, None] * real, (1 - own)[:, None, None] * real[partner]
    mixture = (ours * mel + theirs * mel[partner]) / (ours + theirs).clamp(min=1e-9)
    return mixture, torch.maximum(lengths, lengths[partner]), partner, own


def blend(mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each recording sounding together with another one of the batch, as powers add where waves do.

    Source: Tokozume et al., "Learning from Between-class Examples for Deep Sound Recognition", ICLR 2018, eq. 2: the
    ratio of amplitudes is drawn after both have been brought to the same loudness.

    Args:
        mel: log-mels (B, T, M).
        lengths: (B,) real frames.

    Returns:
        As `mixed`, the own share (B,) in [0, 1].
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
    """Log-mels (B, T, M) through random filters: straight lines in dB between 3 to 6 points over the bands."""
    n_points = int(torch.randint(3, 7, (1,)))
    points = (torch.rand(len(mel), 1, n_points) * 2 - 1) * spread_db / DECIBELS_PER_UNIT
    gain = functional.interpolate(points, size=mel.shape[2], mode="linear", align_corners=True)
    return mel + gain.to(mel)
