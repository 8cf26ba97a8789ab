"""Power, overlap-add and the window of short-time spectra."""

import functools

import torch
from torch import Tensor


def power_of(spectrum: Tensor) -> Tensor:
    """Squared magnitudes; several times faster than abs(), which guards against overflow."""
    return spectrum.real.square() + spectrum.imag.square()


def overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """Overlap-adds frames (..., T, n_fft) every `hop_length` samples; n_fft is a multiple of it.

    Returns:
        (..., T + n_fft / hop_length - 1, hop_length): the sum, split into hops.
    """
    n_frames, overlap = frames.shape[-2], frames.shape[-1] // hop_length
    parts = frames.reshape(*frames.shape[:-1], overlap, hop_length)
    total = frames.new_zeros(*frames.shape[:-2], n_frames + overlap - 1, hop_length)
    for part in range(overlap):
        total[..., part : part + n_frames, :] += parts[..., part, :]
    return total


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # cached: training may use it after inference
def hann(n_fft: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Periodic Hann window (n_fft,). Cached."""
    return torch.hann_window(n_fft, dtype=dtype, device=device)
