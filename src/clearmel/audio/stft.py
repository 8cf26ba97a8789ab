"""Power, overlap-add and the window of short-time spectra, of numpy arrays and torch tensors alike."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.core import arrays
from clearmel.core.arrays import Array

CACHED_FRAMES = 64
"""Frames of numpy that are transformed at once; more would leave the processor's cache."""


def power_of(spectrum: Any) -> Any:
    """Squared magnitudes; several times faster than abs(), which guards against overflow."""
    return spectrum.real**2 + spectrum.imag**2


def overlap_add(frames: Array, hop_length: int) -> Array:
    """Overlap-adds frames (..., T, n_fft) every `hop_length` samples; n_fft is a multiple of it.

    Returns:
        (..., T + n_fft / hop_length - 1, hop_length): the sum, split into hops.
    """
    n_frames, overlap = frames.shape[-2], frames.shape[-1] // hop_length
    parts = frames.reshape(*frames.shape[:-1], overlap, hop_length)
    shape = (*frames.shape[:-2], n_frames + overlap - 1, hop_length)
    total: Any = np.zeros(shape, frames.dtype) if isinstance(frames, np.ndarray) else frames.new_zeros(shape)
    for part in range(overlap):
        total[..., part : part + n_frames, :] += parts[..., part, :]
    return total


def spectra(frames: Array, window: Array) -> Array:
    """Complex spectra (..., T, F) of frames (..., T, n_fft) under a window (n_fft,)."""
    if not isinstance(frames, np.ndarray):
        return arrays.module_of(frames).fft.rfft(frames * window)
    n_frames, n_fft = frames.shape[-2:]
    result = np.empty((*frames.shape[:-1], n_fft // 2 + 1), np.result_type(frames.dtype, np.complex64))
    for start in range(0, n_frames, CACHED_FRAMES):
        piece = slice(start, start + CACHED_FRAMES)
        np.fft.rfft(frames[..., piece, :] * window, out=result[..., piece, :])
    return result


def waves(spectrum: Array, window: Array) -> Array:
    """The inverse of `spectra`, times the window once more: frames (..., T, n_fft)."""
    n_fft = window.shape[0]
    if not isinstance(spectrum, np.ndarray):
        return arrays.module_of(spectrum).fft.irfft(spectrum, n_fft) * window
    result = np.empty((*spectrum.shape[:-1], n_fft), spectrum.real.dtype)
    for start in range(0, spectrum.shape[-2], CACHED_FRAMES):
        piece = slice(start, start + CACHED_FRAMES)
        np.multiply(np.fft.irfft(spectrum[..., piece, :], n_fft), window, out=result[..., piece, :])
    return result


@functools.lru_cache(maxsize=16)
def hann(n_fft: int, kind: tuple[Any, Any] = (np.dtype(np.float32), None)) -> Any:
    """Periodic Hann window (n_fft,) of a kind of array, see `clearmel.core.arrays.kind`. Cached."""
    values: npt.NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return arrays.of_kind(values, kind)
