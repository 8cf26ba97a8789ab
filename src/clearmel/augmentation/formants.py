"""Other voices out of recorded ones, against overfitting to few speakers: shifted formants, and whispering."""

import numpy as np
import numpy.typing as npt

from clearmel.augmentation.synthetic_noise import Rng
from clearmel.core.file_io import FloatArray

WINDOW, HOP = 512, 128


def shift_formants(wave: FloatArray, ratio: float, sample_rate: int = 16000) -> FloatArray:
    """Shifts the formants of a voice, as a shorter or longer vocal tract would; pitch and tempo stay.

    In each STFT frame the cepstrally smoothed envelope is stretched along frequency, and the spectrum is multiplied by
    the ratio of the new to the old envelope. Source: vocal tract length perturbation (Jaitly and Hinton, ICML 2013
    workshop), applied to the wave.

    Args:
        wave: (N,).
        ratio: new formant frequencies divided by old ones, 0.7 to 1.4; 1 changes nothing.
        sample_rate: in Hz, 8000 or more.

    Returns:
        (N,) float32.
    """
    if ratio == 1.0 or not wave.any():
        return wave
    spectrum = _spectrum(wave)
    envelope = _log_envelope(spectrum, sample_rate)
    source_bin = np.minimum(np.arange(WINDOW // 2 + 1) / ratio, WINDOW // 2)
    low = source_bin.astype(np.int64)
    high, part = np.minimum(low + 1, WINDOW // 2), (source_bin - low).astype(np.float32)
    moved = envelope[:, low] * (1 - part) + envelope[:, high] * part
    spectrum *= np.exp(np.clip(moved - envelope, -2.3, 2.3))  # at most 20 dB up or down
    return _wave(spectrum, len(wave))


def whispered(wave: FloatArray, rng: Rng, sample_rate: int = 16000) -> FloatArray:
    """Whispers what a voice says: noise excites the cepstrally smoothed envelope of each STFT frame.

    Below 500 Hz, where voicing adds power that a whisper lacks, the envelope falls by 6 dB per octave.

    Args:
        wave: (N,), not silent.
        rng: random generator.
        sample_rate: in Hz, 8000 or more.

    Returns:
        (N,) float32 with the power of the wave.
    """
    envelope = np.exp(_log_envelope(_spectrum(wave), sample_rate))
    envelope *= np.clip(np.fft.rfftfreq(WINDOW, 1 / sample_rate) / 500, 0.06, 1)
    whisper = _wave(_spectrum(rng.standard_normal(len(wave)).astype(np.float32)) * envelope, len(wave))
    power = np.square(wave).mean() / max(1e-12, np.square(whisper).mean())
    return np.asarray(whisper * np.float32(np.sqrt(power)), dtype=np.float32)


def _window() -> FloatArray:
    return np.sqrt(np.hanning(WINDOW + 1)[:-1]).astype(np.float32)


def _spectrum(wave: FloatArray) -> npt.NDArray[np.complexfloating]:
    """STFT frames (T, K) of a wave (N,)."""
    padded = np.pad(wave, (WINDOW, WINDOW + -len(wave) % HOP)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.fft.rfft(frames * _window(), axis=1)


def _log_envelope(spectrum: npt.NDArray[np.complexfloating], sample_rate: int) -> npt.NDArray[np.floating]:
    """Logarithm of the cepstrally smoothed magnitudes (T, K)."""
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    level = np.log(power + 1e-5 * power.mean() + 1e-20) / 2
    cepstrum = np.fft.irfft(level, axis=1)
    quefrencies = round(0.0018 * sample_rate)  # shorter than the pitch period of the highest voice
    cepstrum[:, quefrencies : WINDOW - quefrencies + 1] = 0
    return np.fft.rfft(cepstrum, axis=1).real


def _wave(spectrum: npt.NDArray[np.complexfloating], n_samples: int) -> FloatArray:
    """The wave (n_samples,) of STFT frames (T, K)."""
    frames = np.fft.irfft(spectrum, axis=1).astype(np.float32) * (_window() * np.float32(HOP * 2 / WINDOW))
    blocks = frames.reshape(len(frames), WINDOW // HOP, HOP)
    total = np.zeros((len(frames) + WINDOW // HOP - 1, HOP), np.float32)
    for number in range(WINDOW // HOP):
        total[number : number + len(frames)] += blocks[:, number]
    return np.asarray(total.reshape(-1)[WINDOW : WINDOW + n_samples], dtype=np.float32)
