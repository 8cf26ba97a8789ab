"""Units of the gain denoiser: its standardised inputs, and the attenuations and factors that its logits stand for."""

import torch
from torch import Tensor

MEAN, SPREAD = 0.25, 0.5
"""Mean and standard deviation of log-mels of noisy speech at usual levels; they standardise the input of the LSTM."""
FINE_SPREAD = 0.15
"""Standard deviation of the fine structure, whose mean is 0."""
LOWEST, RANGE = -3.0, 3.7
"""Log-factors of bins lie between -3 and 0.7 nepers of amplitude (-26 to 6 dB): the peaks of a band carry its power."""
EDGE = 1e-4
"""Distance from the ends of a range at which the inverse of its logit stops."""


def lowered(logit: Tensor, least: float, knee: float) -> Tensor:
    """Attenuation in nepers of amplitude, from logits of the gain.

    Args:
        logit: any shape, float32 for the logarithm of small gains.
        least: the smallest gain.
        knee: see `GainDenoiser`, in nepers; 0 for none.
    """
    nepers = -(least + (1 - least) * torch.sigmoid(logit)).log()
    return nepers.square() / (nepers + knee) if knee else nepers


def logit_of_lowered(nepers: Tensor, least: float, knee: float) -> Tensor:
    """The inverse of `lowered`, at most 9.2: an attenuation of 0 has no logit."""
    if knee:
        nepers = (nepers + (nepers.square() + 4 * knee * nepers).sqrt()) / 2
    return _inverse_sigmoid((torch.exp(-nepers) - least) / (1 - least))


def factor(logit: Tensor) -> Tensor:
    """Log-factors of bins from their logits; the larger the logit, the smaller the factor."""
    return LOWEST + RANGE - RANGE * torch.sigmoid(logit)


def logit_of_factor(found: Tensor) -> Tensor:
    """The inverse of `factor`."""
    return _inverse_sigmoid((LOWEST + RANGE - found) / RANGE)


def _inverse_sigmoid(share: Tensor) -> Tensor:
    share = share.clamp(EDGE, 1 - EDGE)
    return torch.log(share / (1 - share))
