"""Figures of merit as pure functions."""

import torch
from torch import Tensor


def masked_mse(estimate: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of each item over its real frames.

    Args:
        estimate: (B, T, M).
        target: (B, T, M).
        mask: (B, T), True on real frames; each item has at least one.

    Returns:
        (B,), in the units of the values squared.
    """
    error = (estimate - target).square().mean(dim=-1) * mask  # (B, T)
    return error.sum(dim=1) / mask.sum(dim=1)


def binary_counts(predicted: Tensor, target: Tensor) -> dict[str, int]:
    """Confusion counts of booleans (B,), "clean" being the positive class."""
    return {
        "true_clean": int((predicted & target).sum()),
        "false_clean": int((predicted & ~target).sum()),
        "true_noisy": int((~predicted & ~target).sum()),
        "false_noisy": int((~predicted & target).sum()),
    }


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB of (B, N), after removing the means.

    Source: Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019, eq. 5.

    Returns:
        (B,).
    """
    estimate = estimate - estimate.mean(dim=-1, keepdim=True)
    target = target - target.mean(dim=-1, keepdim=True)
    tiny = torch.finfo(estimate.dtype).tiny
    scale = (estimate * target).sum(-1, keepdim=True) / target.square().sum(-1, keepdim=True).clamp(min=tiny)
    wanted = scale * target
    power, rest = wanted.square().sum(-1), (estimate - wanted).square().sum(-1)
    return 10 * torch.log10(power.clamp(min=tiny) / rest.clamp(min=tiny))
