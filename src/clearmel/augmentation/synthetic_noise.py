"""Generated noises (filtered and fluctuating noise, hum, knocks), for more variety than recordings have."""

import numpy as np
import numpy.typing as npt

from clearmel.core.file_io import FloatArray

Rng = np.random.Generator


def synthetic_noise(n_samples: int, sample_rate: int, rng: Rng) -> FloatArray:
    """Noise of one random kind, or a sum of two; (n_samples,), at most 1 in magnitude."""
    kinds = (_noise, _hum, knocks)
    wave = kinds[rng.choice(3, p=(0.5, 0.25, 0.25))](n_samples, sample_rate, rng)
    if rng.random() < 0.3:
        wave = wave / _rms(wave) + rng.uniform(0.2, 1.0) * (other := _noise(n_samples, sample_rate, rng)) / _rms(other)
    return np.asarray(wave / max(1e-9, float(np.abs(wave).max())), dtype=np.float32)


def _rms(wave: FloatArray) -> float:
    return max(1e-9, float(np.sqrt(np.square(wave).mean())))


def _noise(n_samples: int, sample_rate: int, rng: Rng) -> FloatArray:
    """Noise with a random spectral envelope, in most cases with a level that fluctuates up to 8 times a second."""
    wave = _filtered(rng.standard_normal(n_samples), sample_rate, rng, rng.uniform(4, 14))
    return wave * _fluctuating_gain(n_samples, sample_rate, rng) if rng.random() < 0.6 else wave


def _filtered(wave: npt.NDArray[np.floating], sample_rate: int, rng: Rng, spread_db: float) -> FloatArray:
    """Applies a random spectral envelope: gains in dB, interpolated between 12 points on a logarithmic axis."""
    frequency = np.fft.rfftfreq(len(wave), 1 / sample_rate)
    knots = np.geomspace(40, sample_rate / 2, 12)
    gain_db = np.interp(np.log(np.maximum(frequency, 1)), np.log(knots), rng.normal(0, spread_db, 12))
    spectrum = np.fft.rfft(wave) * 10 ** (gain_db / 20)
    return np.asarray(np.fft.irfft(spectrum, len(wave)), dtype=np.float32)


def _fluctuating_gain(n_samples: int, sample_rate: int, rng: Rng) -> FloatArray:
    """A slow random gain (n_samples,) with a standard deviation of 2 to 12 dB."""
    n_knots = max(2, round(n_samples / sample_rate * rng.uniform(0.5, 8)) + 2)
    gain_db = np.interp(np.linspace(0, n_knots - 1, n_samples), np.arange(n_knots), rng.normal(0, 1, n_knots))
    return np.asarray(10 ** (rng.uniform(2, 12) * gain_db / 20), dtype=np.float32)


def _hum(n_samples: int, sample_rate: int, rng: Rng) -> FloatArray:
    """Harmonics of a drifting tone of 30 to 500 Hz, like motors, mains hum and fans."""
    base = np.exp(rng.uniform(np.log(30), np.log(500)))
    drift = np.interp(np.arange(n_samples), np.linspace(0, n_samples, 9), rng.normal(0, rng.uniform(0, 0.03), 9))
    phase = 2 * np.pi * np.cumsum(base * (1 + drift)) / sample_rate
    n_harmonics = min(int(rng.integers(1, 30)), int(0.45 * sample_rate / base))
    slope_db = rng.uniform(0, 12)
    wave = np.zeros(n_samples)
    for number in range(1, max(1, n_harmonics) + 1):
        level_db = -slope_db * np.log2(number) + rng.normal(0, 5)
        wave += 10 ** (level_db / 20) * np.sin(number * phase + rng.uniform(0, 2 * np.pi))
    return np.asarray(wave, dtype=np.float32)


def knocks(n_samples: int, sample_rate: int, rng: Rng) -> FloatArray:
    """Noise bursts, 1 to 12 a second, with decay times of 2 to 80 ms, like keyboards, dishes and footsteps."""
    wave = np.zeros(n_samples + sample_rate // 2)
    nknocks = max(1, rng.poisson(rng.uniform(1, 12) * n_samples / sample_rate))
    decay_s = rng.uniform(0.002, 0.08)
    length = min(sample_rate // 2, int(6 * decay_s * sample_rate) + 8)
    envelope = np.exp(-np.arange(length) / (decay_s * sample_rate))
    for start in rng.integers(n_samples, size=nknocks):
        wave[start : start + length] += np.exp(rng.normal(0, 0.6)) * envelope * rng.standard_normal(length)
    return _filtered(np.asarray(wave[:n_samples], dtype=np.float32), sample_rate, rng, 10)


def coloured_noise(n_samples: int, rng: Rng) -> FloatArray:
    """White noise with a random tilt, from brown (-6 dB per octave) to slightly blue (+1.5)."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    octaves = np.log2(np.maximum(np.arange(len(spectrum)), 1) / len(spectrum))
    spectrum *= 10 ** (rng.uniform(-6.0, 1.5) * octaves / 20)
    wave = np.fft.irfft(spectrum, n_samples)
    return (wave / max(1e-9, float(np.abs(wave).max()))).astype(np.float32)
