"""From a log-mel back to magnitudes, and to a wave by Griffin-Lim.

Shapes: T frames, F STFT bins, M mel bands. Leading dimensions may be any, also none.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from clearmel.audio.features import FLOOR, MelFeatures
from clearmel.audio.stft import hann, overlap_add, power_of
from clearmel.core.errors import InputError


def magnitude_of_mel(features: MelFeatures, mel: Tensor, n_iterations: int = 16) -> Tensor:
    """Magnitude spectrum (..., T, F) >= 0 whose mels approach `mel`; bins that no band sees are zero.

    Each update multiplies every bin by the mean of its bands' ratios of wanted to present power: what is smooth
    stays smooth, where a least-squares solution would put each band's power into a few bins.

    Source: multiplicative updates for the Kullback-Leibler divergence, Lee and Seung, "Algorithms for
    non-negative matrix factorization", NIPS 2000, eq. 5 with the filter bank held fixed; begun flat.
    """
    power = features.power_of_mel(mel)
    bank = features.filters(mel)
    shares = bank / bank.sum(dim=0).clamp(min=FLOOR)  # (M, F), each bin's bands add up to 1
    estimate = mel.new_ones(*mel.shape[:-1], bank.shape[1])
    for _ in range(n_iterations):
        estimate = estimate * ((power / (estimate @ bank.T).clamp(min=FLOOR)) @ shares)
    return estimate.sqrt()


def griffin_lim(
    features: MelFeatures, mel: Tensor, n_iterations: int = 24, momentum: float = 0.9, seed: int = 0
) -> Tensor:
    """Wave (..., (T - 1) * hop_length) whose mel approaches `mel`.

    A mel leaves open how a band's power lies within the band, so no magnitudes are fixed beforehand: each round
    trip keeps the phases of the last wave's spectrum and multiplies its magnitudes by one update of
    `magnitude_of_mel`, with amplitudes in place of powers.

    Sources: Perraudin, Balazs and Søndergaard, "A fast Griffin-Lim algorithm", WASPAA 2013; for finding magnitudes
    and phases together Masuyama, Ueno and Ono, "Signal reconstruction from mel-spectrogram based on bi-level
    consistency of full-band magnitude and phase", WASPAA 2023, whose update of the magnitudes is another one.

    Args:
        features: what the mel is.
        mel: log-mel (..., T, M).
        n_iterations: STFT round trips.
        momentum: of the acceleration; 0 for none, as Griffin and Lim had it in 1984.
        seed: of the noise in the first phases, the same for all recordings of a batch.

    Raises:
        InputError: fewer than two frames.
    """
    if mel.shape[-2] < 2:
        raise InputError(f"Griffin-Lim: the mel has {mel.shape[-2]} frame; expected two or more.")
    n_frames, half, hop = mel.shape[-2], features.n_fft // 2, features.hop_length
    bank = features.filters(mel)
    shares = bank / bank.sum(dim=0).clamp(min=FLOOR)  # (M, F), each bin's bands add up to 1
    # The round trip is the STFT's, with the window and its sum made once; half a window at each end is padding.
    window = hann(features.n_fft, mel.dtype, mel.device)
    scale = 1 / overlap_add(window.square().expand(n_frames, -1), hop).clamp(min=1e-8)
    scale.view(-1)[:half] = scale.view(-1)[-half:] = 0
    wave = mel.new_zeros(*mel.shape[:-2], *scale.shape)  # cut into hops
    previous = mel.new_zeros(*mel.shape[:-1], half + 1, dtype=mel.dtype.to_complex())
    turns, generator = mel.new_zeros(1), torch.Generator().manual_seed(seed)
    for iteration in range(n_iterations + 1):
        total = torch.zeros_like(wave)
        for start in range(0, n_frames, 256):  # so many frames stay in the processor's cache
            block = slice(start, start + 256)
            hops = slice(start, min(start + 256, n_frames) + features.n_fft // hop - 1)
            if iteration == 0:
                spectrum, turns = _first_spectrum(features, mel[..., block, :], turns, generator)
            else:
                frames = wave[..., hops, :].flatten(-2).unfold(-1, features.n_fft, hop) * window
                rebuilt = torch.fft.rfft(frames)
                spectrum = torch.sub(rebuilt, previous[..., block, :], alpha=momentum / (1 + momentum))
                previous[..., block, :] = rebuilt
                power = power_of(spectrum) @ bank.T
                lack = features.power_of_mel(mel[..., block, :]).clamp(min=FLOOR) / power.clamp(min=1e-20)
                spectrum = spectrum * (lack.sqrt() @ shares)
            total[..., hops, :] += overlap_add(torch.fft.irfft(spectrum, features.n_fft) * window, hop)
        wave = total * scale
    return wave.flatten(-2)[..., half:-half]


def _first_spectrum(
    features: MelFeatures, mel: Tensor, turns: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Spectrum (..., T, F) to begin Griffin-Lim with, and phases (..., 1, F) in turns to go on with.

    From frame to frame a bin's phase turns with the centre frequency of the power around it, as a tone's does; the
    higher the bin, the more noise is added. Source: after Beauregard, Harish and Wyse, "Single pass spectrogram
    inversion", DSP 2015, who take the nearest peak's frequency.
    """
    magnitude = magnitude_of_mel(features, mel, n_iterations=3)
    bins = torch.arange(magnitude.shape[-1]).to(magnitude)
    # Of each bin and three on either side, (..., T, F): the sum of power * bin, and of power.
    moment, power = (
        functional.pad(values, (3, 3)).unfold(-1, 7, 1).sum(dim=-1)
        for values in (magnitude.square() * bins, magnitude.square())
    )
    centre = moment / power.clamp(min=1e-20)
    turns = turns + (centre * features.hop_length / features.n_fft).frac().cumsum(dim=-2)
    noise = torch.rand(magnitude.shape[-2:], generator=generator).to(magnitude) * bins / bins[-1]
    # A frame is centred at half a window: neighbouring bins of one tone are half a turn apart.
    return torch.polar(magnitude, (turns + noise + bins / 2).frac() * (2 * math.pi)), turns[..., -1:, :].frac()
