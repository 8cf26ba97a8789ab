"""Waves of callers: checked, as channels first, and back in their own layout."""

from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.core.file_io import FloatArray

Wave = npt.NDArray[Any]
"""(N,) or (N, C), floats in about [-1, 1], or int16 / int32 of full scale, as soundfile gives them."""

RATES_HZ = (1000, 384000)
MOST_CHANNELS = 64


def channels_first(wave: Wave, sample_rate: int) -> FloatArray:
    """A caller's wave as (C, N) float32.

    Args:
        wave: see `Wave`.
        sample_rate: in Hz.

    Raises:
        ValueError: a wrong shape, type or rate, no sample, or one that is not finite.
    """
    check_rate(sample_rate)
    array = np.asarray(wave)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MOST_CHANNELS):
        hint = " Transpose it." if array.ndim == 2 and array.shape[0] <= MOST_CHANNELS else ""
        raise ValueError(
            f"wave has shape {array.shape}; expected (samples,) or (samples, channels) of at most "
            f"{MOST_CHANNELS} channels.{hint}"
        )
    if not array.size:
        raise ValueError(f"wave has shape {array.shape}; expected one sample or more.")
    if array.dtype in (np.int16, np.int32):
        array = array.astype(np.float64) / -float(np.iinfo(array.dtype).min)
    elif not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"wave has type {array.dtype}; expected floats, int16 or int32.")
    if not np.isfinite(array).all():
        raise ValueError("wave holds NaN or infinite samples; expected finite sound.")
    return np.ascontiguousarray(np.atleast_2d(array.T), dtype=np.float32)


def as_given(sound: FloatArray, wave: Wave) -> Wave:
    """Sound (C, N) in the layout and type of the caller's wave; integers are clipped at full scale."""
    given = np.asarray(wave)
    result: Wave = sound[0] if given.ndim == 1 else np.ascontiguousarray(sound.T)
    if given.dtype in (np.int16, np.int32):
        limits = np.iinfo(given.dtype)
        return np.round(result * -float(limits.min)).clip(limits.min, limits.max).astype(given.dtype)
    return result.astype(given.dtype)


def check_rate(sample_rate: int) -> None:
    """Raises a ValueError unless the rate is a whole number of Hz in `RATES_HZ`."""
    if int(sample_rate) != sample_rate or not RATES_HZ[0] <= sample_rate <= RATES_HZ[1]:
        raise ValueError(f"sample_rate is {sample_rate!r}; expected Hz, {RATES_HZ[0]} to {RATES_HZ[1]}.")
