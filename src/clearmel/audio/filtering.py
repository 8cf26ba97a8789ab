"""Long filters of numpy alone: convolution by FFT, and the minimum over a sliding window. Shapes: N samples."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


def convolved(wave: Floats, kernel: Floats) -> Floats:
    """Convolution (..., N - K + 1) of a wave (..., N) with a kernel (K,) where both overlap in full, in float64.

    Source: overlap-save, Oppenheim and Schafer, "Discrete-Time Signal Processing", section 8.7.
    """
    n_fft = 1 << max(10, (4 * len(kernel) - 1).bit_length())
    step, n_found = n_fft - len(kernel) + 1, max(0, wave.shape[-1] - len(kernel) + 1)
    spectrum = np.fft.rfft(kernel.astype(np.float64), n_fft)
    found = np.empty((*wave.shape[:-1], n_found))
    for start in range(0, n_found, step):
        piece = np.fft.rfft(wave[..., start : start + n_fft].astype(np.float64), n_fft)
        done = np.fft.irfft(piece * spectrum, n_fft)[..., len(kernel) - 1 :]
        found[..., start : start + step] = done[..., : min(step, n_found - start)]
    return found


def sliding_minimum(values: Floats, length: int) -> Floats:
    """Minimum (N - length + 1,) of each window of `length` values (N,).

    Source: van Herk, Pattern Recognition Letters 13, 1992: the end of one block and the beginning of the next.
    """
    n_found = len(values) - length + 1
    blocks = np.pad(values, (0, -len(values) % length), constant_values=np.inf).reshape(-1, length)
    from_start = np.minimum.accumulate(blocks, axis=1).reshape(-1)
    to_end = np.minimum.accumulate(blocks[:, ::-1], axis=1)[:, ::-1].reshape(-1)
    found: Floats = np.minimum(to_end[:n_found], from_start[length - 1 : length - 1 + n_found])
    return found
