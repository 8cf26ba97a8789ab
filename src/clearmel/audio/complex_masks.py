"""Complex masks that extract one voice from the spectrum of a mixture, and their compression.

Source: Williamson, Wang and Wang, "Complex Ratio Masking for Monaural Speech Separation", TASLP 2016; as used by
Ephrat et al., "Looking to Listen at the Cocktail Party", SIGGRAPH 2018.
"""

import torch
from torch import Tensor

K, C = 10.0, 0.1
"""Bound and steepness of the compression by the hyperbolic tangent."""
TINY = 1e-8


def ideal_complex(voice: Tensor, mixture: Tensor) -> Tensor:
    """The complex ratio mask: mixture times mask is the voice wherever the mixture is not silent.

    Args:
        voice: complex spectrum of any shape.
        mixture: complex spectrum of a shape that broadcasts to it.
    """
    power = mixture.real.square() + mixture.imag.square()
    return voice * mixture.conj() / (power + TINY)


def ideal_ratio(voices: Tensor) -> Tensor:
    """Ratio masks (B, S, T, F): the magnitude of each voice over the sum of all, from complex spectra (B, S, T, F)."""
    magnitudes = voices.abs()
    return magnitudes / (magnitudes.sum(dim=1, keepdim=True) + TINY)


def compress(mask: Tensor, k: float = K, c: float = C) -> Tensor:
    """Maps the real and the imaginary part x to k (1 - exp(-c x)) / (1 + exp(-c x)), which lies in (-k, k)."""
    return torch.complex(k * torch.tanh(mask.real * c / 2), k * torch.tanh(mask.imag * c / 2))


def expand(mask: Tensor, k: float = K, c: float = C) -> Tensor:
    """The inverse of `compress`: -ln((k - x) / (k + x)) / c of both parts, clamped to just below the bound k.

    In float32 the round trip keeps four digits for parts up to about 100.
    """
    bound = k * (1 - 1e-6)
    parts = [2 / c * torch.atanh(part.clamp(-bound, bound) / k) for part in (mask.real, mask.imag)]
    return torch.complex(*parts)


def compress_sigmoid(mask: Tensor) -> Tensor:
    """Maps the real and the imaginary part x to 1 / (1 + exp(-x)), which lies in (0, 1)."""
    return torch.complex(mask.real.sigmoid(), mask.imag.sigmoid())


def expand_sigmoid(mask: Tensor) -> Tensor:
    """The inverse of `compress_sigmoid`: ln(x / (1 - x)) of both parts, clamped to just inside (0, 1)."""
    return torch.complex(mask.real.logit(eps=TINY), mask.imag.logit(eps=TINY))
