"""ESTOI as a differentiable loss."""

import functools

import torch
from torch import Tensor

N_BANDS, LOWEST_HZ = 15, 150.0
"""Bands of a third of an octave, and the centre of the first of them."""
FRAME_S, HOP_S, SEGMENT = 0.0256, 0.0128, 30
"""Length and hop of the frames of the spectrum, and frames per segment (0.4 s)."""
RANGE_DB = 40.0
"""Frames of the target further below its loudest frame are ignored."""
TINY = 1e-6


def estoi(estimate: Tensor, target: Tensor, sample_rate: int = 16000) -> Tensor:
    """Extended short-time objective intelligibility (ESTOI) in a differentiable form.

    Magnitudes in third-octave bands are divided into segments of 0.4 s. In both sounds each band is normalised over
    time, then each frame over the bands; their correlations are averaged. Unlike the original, this does not resample
    to 10 kHz.

    Source: Jensen and Taal, "An algorithm for predicting the intelligibility of speech masked by modulated noise
    maskers", IEEE TASLP 2016.

    Args:
        estimate: waves (B, N).
        target: waves (B, N).
        sample_rate: in Hz, 10 kHz or more.

    Returns:
        (B,), 1 for equal sounds; 0 if the target has less than 0.4 s of speech.
    """
    theirs, power = _bands(target, sample_rate)  # (B, T, K), (B, T)
    ours, _ = _bands(estimate, sample_rate)
    loudest = power.amax(dim=1, keepdim=True)
    spoken = (power > loudest * 10 ** (-RANGE_DB / 10)) & (loudest > 0)
    if spoken.shape[1] < SEGMENT:
        return estimate.sum(dim=1) * 0
    order = torch.argsort((~spoken).to(torch.int8), dim=1, stable=True)[..., None].expand_as(theirs)
    ours, theirs = (
        _normalised(bands.gather(1, order).unfold(1, SEGMENT, 1)) for bands in (ours, theirs)
    )  # (B, segments, K, SEGMENT)
    found = (ours * theirs).sum(dim=(2, 3)) / SEGMENT
    counts = spoken.sum(dim=1) - SEGMENT + 1
    whole = torch.arange(found.shape[1], device=found.device) < counts[:, None]
    return (found * whole).sum(dim=1) / counts.clamp(min=1)


def _bands(wave: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Magnitudes in the bands (B, T, K), and the power of each frame (B, T)."""
    size, hop = round(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    n_fft = 1 << (2 * size - 1).bit_length()
    window = torch.hann_window(size, device=wave.device)
    spectrum = torch.stft(wave, n_fft, hop, size, window, center=False, return_complex=True)
    power = (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)  # (B, T, F)
    bands = power @ _third_octaves(sample_rate, n_fft).to(power.device)
    return (bands + TINY**2).sqrt(), power.sum(dim=2)


@functools.cache
def _third_octaves(sample_rate: int, n_fft: int) -> Tensor:
    """Membership (F, K) of bins in bands, 0 or 1."""
    centres = LOWEST_HZ * 2 ** (torch.arange(N_BANDS) / 3)
    bins = torch.arange(n_fft // 2 + 1)[:, None]
    low, high = ((centres * factor * n_fft / sample_rate).round() for factor in (2 ** (-1 / 6), 2 ** (1 / 6)))
    return ((bins >= low) & (bins < high)).float()


def _normalised(segments: Tensor) -> Tensor:
    """Normalises to mean 0 and norm 1 over time (last dimension), then over the bands (second to last)."""
    for dim in (3, 2):
        segments = segments - segments.mean(dim=dim, keepdim=True)
        segments = segments / (segments.square().sum(dim=dim, keepdim=True) + TINY**2).sqrt()
    return segments
