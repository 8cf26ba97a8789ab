"""Errors of spectra and of mels."""

from collections.abc import Sequence

import torch
from torch import Tensor


def masked_mse(estimate: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of each item over its frames without padding.

    Args:
        estimate: (B, T, M).
        target: (B, T, M).
        mask: (B, T), False in the padding; each item has at least one frame.

    Returns:
        (B,), in the units of the values squared.
    """
    error = (estimate - target).square().mean(dim=-1) * mask  # (B, T)
    return error.sum(dim=1) / mask.sum(dim=1)


class CompressedSpectra:
    """Noisy and clean spectra with power-law compressed magnitudes, for the error of gains.

    Source: Braun and Tashev, "A consolidated view of loss functions for supervised deep learning-based speech
    enhancement", TSP 2021, eq. 13; for a real gain the products of phases are constants, computed here once.

    Args:
        noisy: complex (B, T, F).
        clean: complex (B, T, F).
        complex_share: weight of the error between complex values, which includes the phase, 0 to 1; the rest is the
            weight of the error between magnitudes.
        exponent: of the magnitudes.
    """

    def __init__(self, noisy: Tensor, clean: Tensor, complex_share: float = 0.3, exponent: float = 0.3) -> None:
        distorted, wanted = ((x.real.square() + x.imag.square()).clamp(min=1e-14).sqrt() for x in (noisy, clean))
        alike = (noisy.real * clean.real + noisy.imag * clean.imag) / (distorted * wanted)  # cosine of the angle
        distorted, wanted = distorted**exponent, wanted**exponent
        self.exponent, self.square = exponent, distorted.square()
        self.product = distorted * wanted * (1 - complex_share + complex_share * alike)
        self.constant = wanted.square().mean(dim=(1, 2))
        self.energy = self.constant + 0.1 * self.square.mean(dim=(1, 2))  # the noise term serves items without speech

    def error(self, gain: Tensor) -> Tensor:
        """Squared error (B,) of the noisy spectrum times gain (B, T, F) in (0, 1], relative to the clean energy."""
        kept = gain**self.exponent
        return ((kept * (kept * self.square - 2 * self.product)).mean(dim=(1, 2)) + self.constant) / self.energy


def resolution_error(estimate: Tensor, target: Tensor, sizes: Sequence[int] = (256, 512, 2048)) -> Tensor:
    """Multi-resolution STFT error of waves (B, N): spectral convergence plus log-magnitude distance.

    Source: Yamamoto, Song and Kim, "Parallel WaveGAN", ICASSP 2020, eq. 5 to 7; windows of `sizes`, hops of a quarter.

    Returns:
        (B,), the mean over the sizes.
    """
    total = estimate.new_zeros(len(estimate))
    for size in sizes:
        window = torch.hann_window(size, device=estimate.device)
        ours, theirs = (
            torch.stft(wave, size, size // 4, window=window, return_complex=True).abs().clamp(min=1e-5)
            for wave in (estimate, target)
        )
        convergence = (ours - theirs).norm(dim=(1, 2)) / theirs.norm(dim=(1, 2))
        total = total + convergence + (ours.log() - theirs.log()).abs().mean(dim=(1, 2))
    return total / len(sizes)
