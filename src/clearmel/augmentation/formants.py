"""Other voices out of the ones there are, so that a network trained on a few speakers does not learn them by heart."""

import numpy as np

from clearmel.core.file_io import FloatArray

WINDOW, HOP = 512, 128


def shift_formants(wave: FloatArray, ratio: float, sample_rate: int = 16000) -> FloatArray:
    """The wave with its resonances moved, as of a shorter or longer throat; pitch and tempo stay.

    In each frame of an STFT the cepstrally smoothed envelope is stretched along frequency, and the spectrum follows by
    the ratio of the two. Source: vocal tract length perturbation (Jaitly and Hinton, ICML 2013 workshop), applied to
    the wave.

    Args:
        wave: (N,).
        ratio: of the new resonances' frequencies to the old ones, 0.7 to 1.4; 1 changes nothing.
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
    quefrencies = round(0.0018 * sample_rate)  # below the period of the highest voice
    cepstrum[:, quefrencies : WINDOW - quefrencies + 1] = 0
    envelope = np.fft.rfft(cepstrum, axis=1).real
    place = np.minimum(np.arange(WINDOW // 2 + 1) / ratio, WINDOW // 2)
    low = place.astype(np.int64)
    high, part = np.minimum(low + 1, WINDOW // 2), (place - low).astype(np.float32)
    moved = envelope[:, low] * (1 - part) + envelope[:, high] * part
    spectrum *= np.exp(np.clip(moved - envelope, -2.3, 2.3))  # 20 dB either way
    frames = np.fft.irfft(spectrum, axis=1).astype(np.float32) * (window * np.float32(HOP * 2 / WINDOW))
    blocks = frames.reshape(len(frames), WINDOW // HOP, HOP)
    total = np.zeros((len(frames) + WINDOW // HOP - 1, HOP), np.float32)
    for number in range(WINDOW // HOP):
        total[number : number + len(frames)] += blocks[:, number]
    return np.asarray(total.reshape(-1)[WINDOW : WINDOW + len(wave)], dtype=np.float32)
