"""Other voices: resonances move, pitch and loudness stay."""

import numpy as np
import pytest
from scipy.signal import lfilter

from clearmel.augmentation.formants import shift_formants, whispered

RATE = 16000


def vowel(resonance_hz: float, pitch_hz: float = 110.0) -> np.ndarray:
    """A pulse train through one resonance."""
    pulses = (np.diff(np.floor(np.arange(2 * RATE) * pitch_hz / RATE), prepend=0) > 0).astype(np.float64)
    radius, angle = 0.97, 2 * np.pi * resonance_hz / RATE
    wave = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], pulses)
    return (wave / np.abs(wave).max() / 2).astype(np.float32)


def resonance(wave: np.ndarray) -> float:
    """Frequency of the highest point of the smoothed spectrum in Hz."""
    power = np.square(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))))
    smooth = np.convolve(power, np.hanning(601), "same")
    return float(smooth.argmax() * RATE / len(wave))


def pitch(wave: np.ndarray) -> float:
    """Frequency of the strongest autocorrelation between 60 and 400 Hz."""
    power = np.square(np.abs(np.fft.rfft(wave, 2 * len(wave))))
    return RATE / (40 + int(np.fft.irfft(power)[40:266].argmax()))


@pytest.mark.parametrize("ratio", [0.85, 1.2])
def test_the_resonance_moves_and_the_pitch_stays(ratio: float) -> None:
    wave = vowel(1500.0)
    moved = shift_formants(wave, ratio)
    assert resonance(moved) == pytest.approx(ratio * resonance(wave), rel=0.04)
    assert pitch(moved) == pytest.approx(pitch(wave), rel=0.01)
    assert np.std(moved) == pytest.approx(np.std(wave), rel=0.5)


@pytest.mark.parametrize("n_samples", [1, 100, 16001])
def test_length_stays_and_a_ratio_near_one_changes_nothing(n_samples: int, rng: np.random.Generator) -> None:
    wave = rng.normal(0, 0.1, n_samples).astype(np.float32)
    np.testing.assert_allclose(shift_formants(wave, 1 + 1e-9), wave, atol=1e-5)
    assert len(shift_formants(wave, 1.1)) == n_samples


def test_silence_stays_silent() -> None:
    assert not shift_formants(np.zeros(1000, np.float32), 1.1).any()


def test_a_whisper_keeps_the_resonance_and_the_power_and_loses_the_pitch(rng: np.random.Generator) -> None:
    def periodicity(wave: np.ndarray) -> float:
        """Autocorrelation at the pitch period of 110 Hz; 1 for a periodic wave."""
        product = np.fft.irfft(np.square(np.abs(np.fft.rfft(wave, 2 * len(wave)))))
        return float(product[round(RATE / 110)] / product[0])

    wave = vowel(1500.0)
    whisper = whispered(wave, rng)
    assert periodicity(wave) > 0.9
    assert abs(periodicity(whisper)) < 0.2
    assert resonance(whisper) == pytest.approx(1500, rel=0.06)
    assert np.std(whisper) == pytest.approx(np.sqrt(np.square(wave).mean()), rel=0.01)
    assert len(whisper) == len(wave)
