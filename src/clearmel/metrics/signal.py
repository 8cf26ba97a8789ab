"""Signal-to-distortion ratios."""

import torch
from torch import Tensor
from torch.nn import functional


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
    """Signal-to-distortion ratio in dB of (N,): distortion is the part that is no filtered version of the target.

    Source: Vincent, Gribonval and Fevotte, "Performance measurement in blind audio source separation", TASLP 2006,
    with the filter of 512 taps of the BSS Eval toolbox.
    """
    from scipy.linalg import solve_toeplitz  # slow to import

    ours, theirs = estimate.double(), target.double()
    size = 1 << (len(ours) + n_taps).bit_length()
    spectra = torch.fft.rfft(ours, size), torch.fft.rfft(theirs, size)
    auto = torch.fft.irfft(spectra[1].abs().square(), size)[:n_taps]
    cross = torch.fft.irfft(spectra[0] * spectra[1].conj(), size)[:n_taps]
    auto[0] += 1e-10 * auto[0] + 1e-20  # for a pure tone the filter is not unique
    taps = torch.from_numpy(solve_toeplitz(auto.numpy(), cross.numpy()))
    explained = torch.fft.irfft(torch.fft.rfft(taps, size) * spectra[1], size)[: len(ours) + n_taps - 1]
    rest = functional.pad(ours, (0, n_taps - 1)) - explained
    return float(10 * torch.log10(explained.square().sum().clamp(min=1e-20) / rest.square().sum().clamp(min=1e-20)))
