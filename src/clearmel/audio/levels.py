"""Active speech level and dynamic range. Waves are (N,) float32 in [-1, 1]."""

import numpy as np

from clearmel.core.file_io import FloatArray


def active_level_db(wave: FloatArray, sample_rate: int = 16000) -> float:
    """Level in dB re full scale of the parts that are not silent.

    The mean power of the 20 ms frames within 30 dB of the 95th-percentile frame. Pauses are ignored, as in ITU-T P.56,
    and a single click has little effect. -inf for silence.
    """
    size = max(1, sample_rate // 50)
    frames = wave[: len(wave) // size * size] if len(wave) >= size else np.pad(wave, (0, size - len(wave)))
    power = np.square(frames.reshape(-1, size), dtype=np.float64).mean(axis=1)
    active = power[power >= np.percentile(power, 95) * 1e-3]
    return float(10 * np.log10(active.mean())) if active.mean() > 0 else -np.inf


def snr_db(wave: FloatArray, sample_rate: int = 16000) -> float:
    """How far the active level lies above the level of the quietest tenth of the 20 ms frames, in dB.

    The SNR of a recording of speech with pauses; too small without pauses. inf if the pauses are digitally silent.
    """
    size = max(1, sample_rate // 50)
    power = np.square(wave[: len(wave) // size * size].reshape(-1, size), dtype=np.float64).mean(axis=1)
    floor = float(np.percentile(power, 10)) if len(power) else 0.0
    return active_level_db(wave, sample_rate) - 10 * float(np.log10(floor)) if floor else np.inf


def dynamic_range_db(wave: FloatArray, sample_rate: int = 16000) -> float:
    """90th minus 10th percentile of the 20 ms frame levels in dB; small if noise fills the pauses."""
    size = sample_rate // 50
    if len(wave) < 10 * size:
        return np.inf
    power = np.square(wave[: len(wave) // size * size].reshape(-1, size), dtype=np.float64).mean(axis=1)
    low, high = np.percentile(power, (10, 90))
    return float(10 * np.log10((high + 1e-12) / (low + 1e-12)))
