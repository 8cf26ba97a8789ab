"""Formant-shift augmentation: more voices from few speakers, against overfitting to these speakers."""

import numpy as np

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
    window = np.sqrt(np.hanning(WINDOW + 1)[:-1]).astype(np.float32)
    padded = np.pad(wave, (WINDOW, WINDOW + -len(wave) % HOP)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * window, axis=1)  # (T, K)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    level = np.log(power + 1e-5 * power.mean() + 1e-20) / 2
    cepstrum = np.fft.irfft(level, axis=1)
    quefrencies = round(0.0018 * sample_rate)  # shorter than the pitch period of the highest voice
    cepstrum[:, quefrencies : WINDOW - quefrencies + 1] = 0
    envelope = np.fft.rfft(cepstrum, axis=1).real
    source_bin = np.minimum(np.arange(WINDOW // 2 + 1) / ratio, WINDOW // 2)
    low = source_bin.astype(np.int64)
    high, part = np.minimum(low + 1, WINDOW // 2), (source_bin - low).astype(np.float32)
    moved = envelope[:, low] * (1 - part) + envelope[:, high] * part
    spectrum *= np.exp(np.clip(moved - envelope, -2.3, 2.3))  # at most 20 dB up or down
    frames = np.fft.irfft(spectrum, axis=1).astype(np.float32) * (window * np.float32(HOP * 2 / WINDOW))
    blocks = frames.reshape(len(frames), WINDOW // HOP, HOP)
    total = np.zeros((len(frames) + WINDOW // HOP - 1, HOP), np.float32)
    for number in range(WINDOW // HOP):
        total[number : number + len(frames)] += blocks[:, number]
    return np.asarray(total.reshape(-1)[WINDOW : WINDOW + len(wave)], dtype=np.float32)
