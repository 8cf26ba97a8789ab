"""Permutation-invariant scores of separated voices."""

import itertools

import torch
from torch import Tensor

from clearmel.metrics import signal


def best_order(estimates: Tensor, voices: Tensor) -> tuple[Tensor, Tensor]:
    """SI-SDR in dB (B, S) of each voice in the order with the highest mean, and that order (B, S).

    order[b, s] is the index of the estimate of voice s.

    Args:
        estimates: (B, S, N).
        voices: (B, S, N).
    """
    count = voices.shape[1]
    each = signal.si_sdr(estimates[:, None].expand(-1, count, -1, -1), voices[:, :, None].expand(-1, -1, count, -1))
    orders = torch.tensor(list(itertools.permutations(range(count))), device=voices.device)  # (P, S)
    ratios = each[:, torch.arange(count), orders]  # (B, P, S): of voice s the estimate orders[p, s]
    best = ratios.mean(dim=2).argmax(dim=1)
    return ratios[torch.arange(len(best)), best], orders[best]
