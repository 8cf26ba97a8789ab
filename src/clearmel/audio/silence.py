"""Silence at the ends of recordings."""

import numpy as np

from clearmel.core.file_io import FloatArray

SILENCE = 1e-4
"""Relative to the loudest sample: anything below it at the ends is digital silence."""


def trim_digital_silence(wave: FloatArray) -> FloatArray:
    """The wave (N,) without the digital silence at its ends; all of it, if it is silent."""
    loud = np.flatnonzero(np.abs(wave) > SILENCE * np.abs(wave).max(initial=0.0))
    return wave[loud[0] : loud[-1] + 1] if len(loud) else wave


SILENCE_DB = 60.0


def audible_range(wave: FloatArray, sample_rate: int) -> tuple[int, int]:
    """First sample, and one past the last, of the range within 60 dB of the loudest window."""
    window, hop = round(2048 * sample_rate / 22050), round(512 * sample_rate / 22050)
    padded = np.pad(wave, window // 2)
    powers = np.array([np.square(padded[i : i + window]).mean() for i in range(0, len(wave) + 1, hop)])
    loud = np.flatnonzero(powers > powers.max() * 10 ** (-SILENCE_DB / 10))
    return (int(loud[0]) * hop, min(len(wave), int(loud[-1] + 1) * hop)) if len(loud) else (0, len(wave))
