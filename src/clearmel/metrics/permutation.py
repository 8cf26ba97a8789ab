"""Permutation-invariant scores of separated voices."""

import itertools

import torch
from torch import Tensor

from clearmel.metrics import signal

SMALLEST = 1e-4
"""Share of the mixture's power below which an estimate counts as silent: the ratio of a silent voice ends at 40 dB."""


def best_order(estimates: Tensor, voices: Tensor, mixture: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """SI-SDR in dB (B, S) of each voice in the order with the highest mean, and that order (B, S).

    order[b, s] is the index of the estimate of voice s.

    Args:
        estimates: (B, S, N).
        voices: (B, S, N).
        mixture: (B, N); where it is given, voices may be silent, see `ratio`.
    """
    count = voices.shape[1]
    pairs = estimates[:, None].expand(-1, count, -1, -1), voices[:, :, None].expand(-1, -1, count, -1)
    each = signal.si_sdr(*pairs) if mixture is None else ratio(*pairs, mixture[:, None, None])
    orders = torch.tensor(list(itertools.permutations(range(count))), device=voices.device)  # (P, S)
    ratios = each[:, torch.arange(count), orders]  # (B, P, S): of voice s the estimate orders[p, s]
    best = ratios.mean(dim=2).argmax(dim=1)
    return ratios[torch.arange(len(best)), best], orders[best]


def ratio(estimate: Tensor, voice: Tensor, mixture: Tensor) -> Tensor:
    """SI-SDR in dB; for a silent voice, how far the estimate lies below the mixture instead.

    Source: a loss for silent sources after Wisdom et al., "What's all the fuss about free universal sound separation
    data?", ICASSP 2021, eq. 2.

    Args:
        estimate: (..., N).
        voice: (..., N).
        mixture: (..., N), not silent.

    Returns:
        (...).
    """
    power, whole = estimate.square().mean(dim=-1), mixture.square().mean(dim=-1)
    below = -10 * torch.log10(power / whole.clamp(min=torch.finfo(power.dtype).tiny) + SMALLEST)
    return torch.where(voice.any(dim=-1), signal.si_sdr(estimate, voice), below)


def swapped(estimates: Tensor, voices: Tensor, size: int) -> float:
    """Share of the segments in which another order of the estimates has a smaller squared error.

    Only segments in which the voices have at least a thousandth of their mean power count.

    Args:
        estimates: (S, N), in the best order for the whole, at the level of the voices.
        voices: (S, N).
        size: of a segment in samples.
    """
    count, n_segments = len(voices), voices.shape[1] // size
    ours, wanted = (waves[:, : n_segments * size].reshape(count, -1, size) for waves in (estimates, voices))
    errors = (ours[:, None] - wanted).square().sum(dim=3)  # (S, S, segments): of each estimate for each voice
    orders = torch.tensor(list(itertools.permutations(range(count))))  # the first is the order as it is
    totals = errors[orders, torch.arange(count)].sum(dim=1)  # (P, segments)
    level = wanted.square().sum(dim=(0, 2))
    spoken = level > 1e-3 * level.mean()
    return float((totals[1:, spoken].min(dim=0).values < totals[0, spoken]).float().mean()) if spoken.any() else 0.0
