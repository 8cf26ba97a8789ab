"""Noisy or clean by the SNR, and estimates of the SNR.

A recording is noisy below `NOISY_BELOW_DB` and clean above `CLEAN_ABOVE_DB`; between them either answer is right. A
network that is trained to estimate the SNR has one logit, whose sign decides between noisy and clean and whose size
stands for the SNR: SNR in dB = `BOUNDARY_DB` + `DB_PER_LOGIT` * logit.
"""

import math
from collections.abc import Mapping
from typing import Any

from clearmel.core.arrays import Array

NOISY_BELOW_DB, CLEAN_ABOVE_DB = 25.0, 30.0
BOUNDARY_DB = 27.5
DB_PER_LOGIT = 2.0
RANGE_DB = (-10.0, 35.0)
"""Lowest and highest estimate; an SNR above it is not told from the highest."""


def total_db(*parts_db: float) -> float:
    """SNR in dB of speech with several uncorrelated noises, from the SNR of each; inf without any."""
    power = sum(10 ** (-part / 10) for part in parts_db)
    return -10 * math.log10(power) if power else math.inf


def decided(snr_db: Array) -> Array:
    """Whether only one answer is right, (B,); also where the SNR is not known (nan)."""
    return ~((snr_db >= NOISY_BELOW_DB) & (snr_db <= CLEAN_ABOVE_DB))


def is_estimated(card: Mapping[str, Any]) -> bool:
    """Whether the logit of weights with this card estimates the SNR."""
    return bool(card.get("training", {}).get("snr_weight"))


def estimate_db(logits: Array) -> Array:
    """SNRs (B,) in dB, within `RANGE_DB`, from the logits (B, 1) of a network that estimates them."""
    return (BOUNDARY_DB + DB_PER_LOGIT * logits[:, 0]).clip(*RANGE_DB)


def error(logits: Array, snr_db: Array) -> Array:
    """Smooth absolute error (B,) of the estimated SNRs in units of 10 dB; beyond the highest estimate it is 0.

    Args:
        logits: (B, 1); of members (B, K, 1), the mean of their errors is returned.
        snr_db: (B,); both are tensors.
    """
    from torch.nn import functional  # inference, which only calls the other functions, does without torch

    if logits.ndim == 3:
        return error(logits.flatten(0, 1), snr_db.repeat_interleave(logits.shape[1])).reshape(logits.shape[:2]).mean(1)
    estimate = BOUNDARY_DB + DB_PER_LOGIT * logits[:, 0]
    reached, wanted = (value.clamp(max=RANGE_DB[1]) / 10 for value in (estimate, snr_db.to(estimate)))
    return functional.smooth_l1_loss(reached, wanted, reduction="none", beta=0.2)
