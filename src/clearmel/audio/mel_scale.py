"""Slaney's mel scale, and triangular bands of equal width on it, as filter bank and as gain weights."""

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.core import arrays
from clearmel.core.arrays import Array

Float64s = npt.NDArray[np.float64]


def hz_to_mel(frequency: Array) -> Array:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear to 1 kHz, then logarithmic."""
    math_of = arrays.module_of(frequency)
    above = 15 + math_of.log(math_of.clip(frequency, 1, None) / 1000) * (27 / math.log(6.4))
    return math_of.where(frequency < 1000, frequency * 3 / 200, above)


def mel_to_hz(mel: Array) -> Array:
    """The inverse of `hz_to_mel`."""
    math_of = arrays.module_of(mel)
    return math_of.where(mel < 15, mel * 200 / 3, 1000 * math_of.exp((mel - 15) * (math.log(6.4) / 27)))


def triangles(fmin: float, fmax: float, n_mels: int, n_fft: int, sample_rate: int) -> tuple[Float64s, Float64s]:
    """Triangles of height 1 (M, F) and the band edges (M + 2,) in Hz."""
    limits = hz_to_mel(np.array([fmin, fmax], np.float64))
    edges = mel_to_hz(np.linspace(limits[0], limits[1], n_mels + 2))
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(np.minimum(rising, falling), 0), edges


@functools.lru_cache(maxsize=16)
def filters(edges: tuple[float, float, int], n_fft: int, sample_rate: int, kind: tuple[Any, Any]) -> Any:
    """Filter bank (M, F), each triangle of area 2 / width. Cached.

    Args:
        edges: fmin and fmax in Hz, n_mels M.
        n_fft: of the spectrum.
        sample_rate: of the spectrum in Hz.
        kind: of the result, see `clearmel.core.arrays.kind`.
    """
    heights, corners = triangles(*edges, n_fft, sample_rate)
    return arrays.of_kind(heights * (2 / (corners[2:] - corners[:-2]))[:, None], kind)


@functools.lru_cache(maxsize=16)
def spreading(edges: tuple[float, float, int], n_fft: int, sample_rate: int, kind: tuple[Any, Any]) -> Any:
    """Weights (M, F) of the bands in the gain of each bin, of sum 1 in every bin; arguments as in `filters`. Cached."""
    heights, corners = triangles(*edges, n_fft, sample_rate)
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    heights[0, bins <= corners[1]] = 1
    heights[-1, bins >= corners[-2]] = 1
    # If bands are narrower than a bin, a bin may lie in no triangle: it takes the gain of the nearest centre.
    uncovered = np.flatnonzero(heights.sum(axis=0) == 0)
    nearest = np.abs(bins[uncovered, None] - corners[None, 1:-1]).argmin(axis=1)
    heights[nearest, uncovered] = 1
    return arrays.of_kind(heights / heights.sum(axis=0), kind)
