"""Figures of merit as pure functions."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def masked_mse(estimate: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of each item over its real frames.

    Args:
        estimate: (B, T, M).
        target: (B, T, M).
        mask: (B, T), True on real frames; each item has at least one.

    Returns:
        (B,), in the units of the values squared.
    """
    error = (estimate - target).square().mean(dim=-1) * mask  # (B, T)
    return error.sum(dim=1) / mask.sum(dim=1)


class CompressedSpectra:
    """Noisy and clean spectra, their magnitudes compressed by a power law, to hold gains against.

    Source: Braun and Tashev, "A consolidated view of loss functions for supervised deep learning-based speech
    enhancement", TSP 2021, eq. 13; for a real gain the products of phases are constants, made here once.

    Args:
        noisy: complex (B, T, F).
        clean: complex (B, T, F).
        complex_share: how much of the error is between complex values (the noisy phase against the clean one), 0 to
            1; the rest is between magnitudes.
        exponent: of the magnitudes.
    """

    def __init__(self, noisy: Tensor, clean: Tensor, complex_share: float = 0.3, exponent: float = 0.3) -> None:
        heard, wanted = ((x.real.square() + x.imag.square()).clamp(min=1e-14).sqrt() for x in (noisy, clean))
        alike = (noisy.real * clean.real + noisy.imag * clean.imag) / (heard * wanted)  # cosine of the phases' angle
        heard, wanted = heard**exponent, wanted**exponent
        self.exponent, self.square = exponent, heard.square()
        self.product = heard * wanted * (1 - complex_share + complex_share * alike)
        self.constant = wanted.square().mean(dim=(1, 2))
        self.energy = self.constant + 0.1 * self.square.mean(dim=(1, 2))  # of an item without speech the noise decides

    def error(self, gain: Tensor) -> Tensor:
        """Squared error (B,) of the gained noisy spectrum re the clean one's energy; gain (B, T, F) in (0, 1]."""
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


def confusion(predicted: Tensor, target: Tensor, n_classes: int) -> Tensor:
    """Counts (n_classes, n_classes) of class numbers (B,): a row for each true class, a column for each called one."""
    return torch.bincount(target * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def class_figures(counts: Tensor) -> dict[str, Tensor]:
    """Precision, recall and F1 (C,) of each class from `confusion`; 0 where nothing was called or is true."""
    right, called, true = counts.diagonal().double(), counts.sum(dim=0), counts.sum(dim=1)
    precision, recall = right / called.clamp(min=1), right / true.clamp(min=1)
    return {"precision": precision, "recall": recall, "f1": 2 * right / (called + true).clamp(min=1)}


def roc_auc(scores: Tensor, positive: Tensor) -> float:
    """Probability that a positive item scores higher than a negative one (ties count half); nan without both.

    Args:
        scores: (B,).
        positive: (B,) booleans.
    """
    values, places = torch.unique(scores.double(), return_inverse=True)
    n_positive = torch.bincount(places[positive], minlength=len(values)).double()
    n_negative = torch.bincount(places[~positive], minlength=len(values)).double()
    below = n_negative.cumsum(0) - n_negative / 2
    total = float(n_positive.sum() * n_negative.sum())
    return float((n_positive * below).sum()) / total if total else float("nan")


def equal_error_rate(scores: Tensor, positive: Tensor) -> float:
    """Where as many positives fall below a threshold as negatives reach it: the rate of both; nan without both."""
    if not positive.any() or positive.all():
        return float("nan")
    thresholds = torch.cat([torch.unique(scores), scores.max()[None] + 1]).double()
    wanted, other = (scores.double()[chosen].sort().values for chosen in (positive, ~positive))
    missed = torch.searchsorted(wanted, thresholds) / len(wanted)
    alarms = 1 - torch.searchsorted(other, thresholds) / len(other)
    nearest = int((missed - alarms).abs().argmin())
    return float(missed[nearest] + alarms[nearest]) / 2


def probabilities(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Probabilities (B, C) of the classes from logits (B, C), or of two classes from the second one's logit (B, 1)."""
    logits = logits.float() / temperature
    if logits.shape[1] == 1:
        clean = logits.sigmoid()
        return torch.cat([1 - clean, clean], dim=1)
    return logits.softmax(dim=1)


def fitted_temperature(logits: Tensor, target: Tensor) -> float:
    """The number to divide logits by, so that probabilities are as sure as they are right.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: the least cross-entropy.

    Args:
        logits: (B, C) as for `probabilities`.
        target: (B,) class numbers.

    Returns:
        From 0.05 to 20.
    """
    low, high = math.log(0.05), math.log(20.0)
    for _ in range(40):  # the cross-entropy has one minimum in the logarithm's range
        left, right = low + (high - low) / 3, high - (high - low) / 3
        losses = [cross_entropy(logits.double() / math.exp(x), target).mean() for x in (left, right)]
        low, high = (low, right) if losses[0] < losses[1] else (left, high)
    return math.exp((low + high) / 2)


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy (B,) of logits (B, C), or of the second class's logit (B, 1), and class numbers (B,).

    Args:
        logits: of the classes; of several members (B, K, C) the mean of theirs is given.
        target: numbers of the classes.
        smoothing: share of the target that is spread evenly over all classes.
    """
    if logits.ndim == 3:
        each = cross_entropy(logits.flatten(0, 1), target.repeat_interleave(logits.shape[1]), smoothing)
        return each.reshape(logits.shape[:2]).mean(dim=1)
    if logits.shape[1] == 1:
        wanted = target.to(logits) * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits[:, 0], wanted, reduction="none")
    return functional.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB of (B, N), after removing the means.

    Source: Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019, eq. 5.

    Returns:
        (B,).
    """
    estimate = estimate - estimate.mean(dim=-1, keepdim=True)
    target = target - target.mean(dim=-1, keepdim=True)
    tiny = torch.finfo(estimate.dtype).tiny
    scale = (estimate * target).sum(-1, keepdim=True) / target.square().sum(-1, keepdim=True).clamp(min=tiny)
    wanted = scale * target
    power, rest = wanted.square().sum(-1), (estimate - wanted).square().sum(-1)
    return 10 * torch.log10(power.clamp(min=tiny) / rest.clamp(min=tiny))


def sdr(estimate: Tensor, target: Tensor, n_taps: int = 512) -> float:
    """Signal-to-distortion ratio in dB of (N,): what a filter of the target cannot explain counts as distortion.

    Source: Vincent, Gribonval and Fevotte, "Performance measurement in blind audio source separation", TASLP 2006,
    with the filter of 512 taps of the BSS Eval toolbox.
    """
    from scipy.linalg import solve_toeplitz  # here: it takes time to import

    ours, theirs = estimate.double(), target.double()
    size = 1 << (len(ours) + n_taps).bit_length()
    spectra = torch.fft.rfft(ours, size), torch.fft.rfft(theirs, size)
    auto = torch.fft.irfft(spectra[1].abs().square(), size)[:n_taps]
    cross = torch.fft.irfft(spectra[0] * spectra[1].conj(), size)[:n_taps]
    auto[0] += 1e-10 * auto[0] + 1e-20  # a pure tone leaves the filter undecided
    taps = torch.from_numpy(solve_toeplitz(auto.numpy(), cross.numpy()))
    explained = torch.fft.irfft(torch.fft.rfft(taps, size) * spectra[1], size)[: len(ours) + n_taps - 1]
    rest = functional.pad(ours, (0, n_taps - 1)) - explained
    return float(10 * torch.log10(explained.square().sum().clamp(min=1e-20) / rest.square().sum().clamp(min=1e-20)))
