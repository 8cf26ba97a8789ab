"""Slaney's mel scale, and triangular bands of equal width on it, as filter bank and as gain weights."""

import functools
import math

import torch
from torch import Tensor


def hz_to_mel(frequency: Tensor) -> Tensor:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear to 1 kHz, then logarithmic."""
    linear = frequency * 3 / 200
    return torch.where(frequency < 1000, linear, 15 + torch.log(frequency.clamp(min=1) / 1000) * 27 / math.log(6.4))


def mel_to_hz(mel: Tensor) -> Tensor:
    """The inverse of `hz_to_mel`."""
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))


def triangles(fmin: float, fmax: float, n_mels: int, n_fft: int, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Triangles of height 1 (M, F) in float64 and the band edges (M + 2,) in Hz."""
    limits = hz_to_mel(torch.tensor([fmin, fmax], dtype=torch.float64))
    edges = mel_to_hz(torch.linspace(float(limits[0]), float(limits[1]), n_mels + 2, dtype=torch.float64))
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sample_rate / n_fft
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp(min=0), edges


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # cached: training may use it after inference
def filters(
    edges: tuple[float, float, int], n_fft: int, sample_rate: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Filter bank (M, F), each triangle of area 2 / width. Cached.

    Args:
        edges: fmin and fmax in Hz, n_mels M.
        n_fft: of the spectrum.
        sample_rate: of the spectrum in Hz.
        dtype: of the result.
        device: of the result.
    """
    heights, corners = triangles(*edges, n_fft, sample_rate)
    return (heights * (2 / (corners[2:] - corners[:-2]))[:, None]).to(device, dtype)


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # cached: training may use it after inference
def spreading(
    edges: tuple[float, float, int], n_fft: int, sample_rate: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Weights (M, F) of the bands in the gain of each bin, of sum 1 in every bin; arguments as in `filters`. Cached."""
    heights, corners = triangles(*edges, n_fft, sample_rate)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sample_rate / n_fft
    heights[0, bins <= corners[1]] = 1
    heights[-1, bins >= corners[-2]] = 1
    # If bands are narrower than a bin, a bin may lie in no triangle: it takes the gain of the nearest centre.
    uncovered = heights.sum(dim=0) == 0
    nearest = (bins[uncovered, None] - corners[None, 1:-1]).abs().argmin(dim=1)
    heights[nearest, uncovered.nonzero()[:, 0]] = 1
    return (heights / heights.sum(dim=0)).to(device, dtype)
