"""Masks that turn the spectrum of a mixture into that of one voice, and their compression.

Source: Williamson, Wang and Wang, "Complex Ratio Masking for Monaural Speech Separation", TASLP 2016; as used by
Ephrat et al., "Looking to Listen at the Cocktail Party", SIGGRAPH 2018.
"""

import torch
from torch import Tensor

K, C = 10.0, 0.1
"""Bound and steepness of the compression by the hyperbolic tangent."""
TINY = 1e-8


def ideal_complex(voice: Tensor, mixture: Tensor) -> Tensor:
    """The complex mask that gives the voice back where the mixture is not silent.

    Args:
        voice: complex spectrum of any shape.
        mixture: complex, of the same shape or one that broadcasts.
    """
    power = mixture.real.square() + mixture.imag.square()
    return voice * mixture.conj() / (power + TINY)


def ideal_ratio(voices: Tensor) -> Tensor:
    """Each voice's share (B, S, T, F) of the sum of all magnitudes, from complex spectra (B, S, T, F)."""
    magnitudes = voices.abs()
    return magnitudes / (magnitudes.sum(dim=1, keepdim=True) + TINY)


def compress(mask: Tensor, k: float = K, c: float = C) -> Tensor:
    """Real and imaginary part each by k (1 - exp(-c x)) / (1 + exp(-c x)), within (-k, k); complex in and out."""
    return torch.complex(k * torch.tanh(mask.real * c / 2), k * torch.tanh(mask.imag * c / 2))


def expand(mask: Tensor, k: float = K, c: float = C) -> Tensor:
    """The inverse of `compress`: -ln((k - x) / (k + x)) / c of both parts; what reaches the bound is taken just below.

    A mask that was compressed in float32 comes back with four digits up to parts of about 100.
    """
    bound = k * (1 - 1e-6)
    parts = [2 / c * torch.atanh(part.clamp(-bound, bound) / k) for part in (mask.real, mask.imag)]
    return torch.complex(*parts)


def compress_sigmoid(mask: Tensor) -> Tensor:
    """Real and imaginary part each by 1 / (1 + exp(-x)), within (0, 1)."""
    return torch.complex(mask.real.sigmoid(), mask.imag.sigmoid())


def expand_sigmoid(mask: Tensor) -> Tensor:
    """The inverse of `compress_sigmoid`: ln(x / (1 - x)) of both parts; what reaches 0 or 1 is taken just inside."""
    return torch.complex(mask.real.logit(eps=TINY), mask.imag.logit(eps=TINY))
