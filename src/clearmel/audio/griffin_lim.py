"""Inverts a log-mel to magnitudes, and by Griffin-Lim to a wave.

Shapes: T frames, F STFT bins, M mel bands. "..." stands for any number of leading dimensions.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.audio.features import FLOOR, MelFeatures
from clearmel.audio.stft import hann, overlap_add, power_of, spectra, waves
from clearmel.core import arrays
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray


def magnitude_of_mel(features: MelFeatures, mel: FloatArray, n_iterations: int = 16) -> FloatArray:
    """Magnitude spectrum (..., T, F) >= 0 whose mel approximates `mel`; bins outside all bands are zero.

    Each update multiplies every bin by the weighted mean, over its bands, of target power / current power. A smooth
    spectrum stays smooth, whereas a least-squares solution would put the power of each band into a few bins.

    Source: multiplicative updates for the Kullback-Leibler divergence, Lee and Seung, "Algorithms for
    non-negative matrix factorization", NIPS 2000, eq. 5 with a fixed filter bank, from a flat start.
    """
    power = features.power_of_mel(mel)
    bank = features.filters(mel)
    shares = bank / np.maximum(bank.sum(axis=0), FLOOR)  # (M, F), the weights of each bin sum to 1
    estimate: FloatArray = np.ones((*mel.shape[:-1], bank.shape[1]), np.float32)
    for _ in range(n_iterations):
        estimate = estimate * ((power / np.maximum(estimate @ bank.T, FLOOR)) @ shares)
    return np.sqrt(estimate)


def griffin_lim(
    features: MelFeatures, mel: FloatArray, n_iterations: int = 24, momentum: float = 0.9, seed: int = 0
) -> FloatArray:
    """Wave (..., (T - 1) * hop_length) whose mel approximates `mel`.

    A mel does not determine how power is distributed within a band, so the magnitudes are not fixed beforehand: each
    iteration keeps the phases of the spectrum of the last wave and multiplies its magnitudes by one update of
    `magnitude_of_mel`, with amplitudes in place of powers.

    Sources: Perraudin, Balazs and Søndergaard, "A fast Griffin-Lim algorithm", WASPAA 2013. Magnitudes and phases are
    estimated together as in Masuyama, Ueno and Ono, "Signal reconstruction from mel-spectrogram based on bi-level
    consistency of full-band magnitude and phase", WASPAA 2023, but with a different update of the magnitudes.

    Args:
        features: settings of the mel.
        mel: log-mel (..., T, M).
        n_iterations: STFT round trips.
        momentum: of the accelerated algorithm; 0 gives the original one of Griffin and Lim, 1984.
        seed: for the noise in the initial phases; all recordings of a batch share the noise.

    Raises:
        InputError: fewer than two frames.
    """
    if mel.shape[-2] < 2:
        raise InputError(f"Griffin-Lim: the mel has {mel.shape[-2]} frame; expected two or more.")
    n_frames, half, hop = mel.shape[-2], features.n_fft // 2, features.hop_length
    bank = features.filters(mel)
    shares = bank / np.maximum(bank.sum(axis=0), FLOOR)  # (M, F), the weights of each bin sum to 1
    # Inverse STFT and STFT, with window and normalisation computed once. Half a window at each end is padding.
    window = hann(features.n_fft)
    scale = 1 / np.maximum(overlap_add(np.broadcast_to(window**2, (n_frames, features.n_fft)), hop), 1e-8)
    scale.reshape(-1)[:half] = scale.reshape(-1)[-half:] = 0
    wave: FloatArray = np.zeros((*mel.shape[:-2], *scale.shape), np.float32)  # split into hops
    previous = np.zeros((*mel.shape[:-1], half + 1), np.complex64)
    cycles: npt.NDArray[Any] = np.zeros(1, np.float32)
    generator = np.random.default_rng(seed)
    for iteration in range(n_iterations + 1):
        total = np.zeros_like(wave)
        for start in range(0, n_frames, 256):  # a block of this size fits the CPU cache
            block = slice(start, start + 256)
            hops = slice(start, min(start + 256, n_frames) + features.n_fft // hop - 1)
            if iteration == 0:
                spectrum, cycles = _first_spectrum(features, mel[..., block, :], cycles, generator)
            else:
                samples = wave[..., hops, :].reshape(*wave.shape[:-2], -1)
                rebuilt = spectra(arrays.framed(samples, features.n_fft, hop), window)
                spectrum = rebuilt - np.float32(momentum / (1 + momentum)) * previous[..., block, :]
                previous[..., block, :] = rebuilt
                power = power_of(spectrum) @ bank.T
                ratio = np.maximum(features.power_of_mel(mel[..., block, :]), FLOOR) / np.maximum(power, 1e-20)
                spectrum = spectrum * (np.sqrt(ratio) @ shares)
            total[..., hops, :] += overlap_add(waves(spectrum, window), hop)
        wave = total * scale
    return wave.reshape(*wave.shape[:-2], -1)[..., half:-half]


def _first_spectrum(
    features: MelFeatures, mel: FloatArray, cycles: npt.NDArray[Any], generator: np.random.Generator
) -> tuple[npt.NDArray[np.complex64], npt.NDArray[Any]]:
    """Initial spectrum (..., T, F), and the phases (..., 1, F) in cycles for the next block.

    The phase of a bin advances from frame to frame by the centre frequency of the power around it, as that of a tone
    does; noise is added in proportion to the bin's index. Source: after Beauregard, Harish and Wyse, "Single pass
    spectrogram inversion", DSP 2015, who use the frequency of the nearest peak.
    """
    magnitude = magnitude_of_mel(features, mel, n_iterations=3)
    bins = np.arange(magnitude.shape[-1], dtype=np.float32)
    # Sums of power * bin and of power over each bin and three on either side, (..., T, F).
    moment, power = (
        arrays.framed(arrays.padded(values, 3, 3), 7, 1).sum(axis=-1) for values in (magnitude**2 * bins, magnitude**2)
    )
    centre = moment / np.maximum(power, 1e-20)
    cycles = cycles + (centre * (features.hop_length / features.n_fft) % 1).cumsum(axis=-2)
    noise = generator.random(magnitude.shape[-2:], np.float32) * bins / bins[-1]
    # Frames are centred at half a window, so neighbouring bins of one tone differ by half a cycle.
    phase = (cycles + noise + bins / 2) % 1 * np.float32(2 * math.pi)
    return (magnitude * np.exp(1j * phase)).astype(np.complex64), cycles[..., -1:, :] % 1
