"""A differentiable loss based on the perceptual model of PESQ."""

import functools

import torch
from torch import Tensor

N_BANDS = 49
SPEECH_DB = 85.0
"""Assumed sound pressure level of both sounds between 350 and 3250 Hz, averaged over all frames."""
SILENT = 1e7
"""Audible power below which a frame counts as silent."""
FLOOR = 1e-12


def pesq_loss(estimate: Tensor, target: Tensor, sample_rate: int = 16000) -> Tensor:
    """Loss of speech quality in points of a mean opinion score, after the psychoacoustic model of PESQ.

    Both sounds are converted to loudness over time and pitch: power in 49 bands of the Bark scale, the threshold of
    hearing, Zwicker's power law. Linear filtering and slow changes of level are compensated first. Masked differences
    are ignored, added sound weighs more than missing sound, and the worst frames weigh more than the average. Unlike
    PESQ, this does not align in time, and its bands follow formulas instead of tables.

    Source: ITU-T P.862 (2001), clauses 10.2 and 10.3, wide band as in P.862.2; as a loss: Martin-Donas et
    al., "A deep learning loss function based on the perceptual evaluation of the speech quality", IEEE SPL 2018.

    Args:
        estimate: waves (B, N).
        target: waves (B, N), N at least 64 ms.
        sample_rate: in Hz.

    Returns:
        (B,), 0 for equal sounds. An item whose target is silent gives 0.
    """
    ours, theirs = (_bands(wave, sample_rate) for wave in (estimate, target))  # (B, T, K)
    bands = _Bark(sample_rate, estimate.device)
    active = ((theirs * (theirs > 100 * bands.threshold)).sum(dim=2) >= SILENT).to(theirs.dtype)[..., None]  # (B, T, 1)
    with torch.no_grad():  # compensates linear filtering in the target
        ratio = ((ours * active).sum(dim=1) + 1000) / ((theirs * active).sum(dim=1) + 1000)
    theirs = theirs * ratio.clamp(0.01, 100)[:, None]
    with torch.no_grad():  # compensates changes of level in the estimate
        audible, own = ((power * (power > bands.threshold)).sum(dim=2) for power in (theirs, ours))  # (B, T)
        steps = ((audible + 5000) / (own + 5000)).clamp(3e-4, 5)
        smoothed = steps.clone()
        smoothed[:, 1:] = 0.8 * steps[:, 1:] + 0.2 * steps[:, :-1]
    ours = ours * smoothed[..., None]
    loud, wanted = bands.loudness(ours), bands.loudness(theirs)
    difference = loud - wanted
    masked = 0.25 * torch.minimum(loud, wanted)
    difference = (difference.abs() - masked).clamp(min=0)
    more = ((ours + 50) / (theirs + 50)) ** 1.2
    more = torch.where(more < 3, torch.zeros_like(more), more.clamp(max=12))
    weight = ((audible + 1e5) / 1e7) ** 0.04  # quiet frames weigh slightly more
    both = (difference * bands.width).square().sum(dim=2).add(FLOOR).sqrt() * bands.width.sum().sqrt()
    added = (difference * more * bands.width).sum(dim=2)
    both, added = ((kind / weight).clamp(max=45) for kind in (both, added))
    spoken = (target.square().sum(dim=1) > 0).to(theirs.dtype)
    return spoken * (0.1 * _over_time(both) + 0.0309 * _over_time(added))


def _bands(wave: Tensor, sample_rate: int) -> Tensor:
    """Power (B, T, K) in the bands, scaled so that speech is at `SPEECH_DB`."""
    size = round(0.032 * sample_rate)
    window = torch.hann_window(size, device=wave.device)
    spectrum = torch.stft(wave, size, size // 2, window=window, return_complex=True).transpose(1, 2)
    power = spectrum.real.square() + spectrum.imag.square()  # (B, T, F)
    hertz = torch.linspace(0, sample_rate / 2, power.shape[2], device=wave.device)
    voice = (hertz >= 350) & (hertz <= 3250)
    level = power[:, :, voice].sum(dim=2).mean(dim=1)
    scale = 10 ** (SPEECH_DB / 10) / level.clamp(min=1e-9)
    return (power * scale[:, None, None]) @ _Bark(sample_rate, wave.device).spread


class _Bark:
    """Bands of equal width in Bark, with their thresholds of hearing and exponents of loudness."""

    def __init__(self, sample_rate: int, device: torch.device) -> None:
        self.spread, self.width, self.threshold, self.power = (x.to(device) for x in _tables(sample_rate))

    def loudness(self, power: Tensor) -> Tensor:
        """Sones per Bark (B, T, K), Zwicker's law; 0 below the threshold."""
        above = 0.1866 * (self.threshold / 0.5) ** self.power * ((0.5 + 0.5 * power / self.threshold) ** self.power - 1)
        return above.clamp(min=0)


@functools.lru_cache
def _tables(sample_rate: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n_bins = round(0.032 * sample_rate) // 2 + 1
    hertz = torch.linspace(0, sample_rate / 2, n_bins, dtype=torch.float64)
    bark = 6 * torch.asinh(hertz / 600)
    width = float(bark[-1]) / N_BANDS
    band = (bark / width).long().clamp(max=N_BANDS - 1)
    spread = torch.zeros(n_bins, N_BANDS, dtype=torch.float64)
    spread[torch.arange(n_bins), band] = 1
    filled = spread.sum(dim=0) > 0
    spread = spread[:, filled]
    spread[0] = 0  # no DC
    widths = width * torch.diff(torch.nonzero(filled)[:, 0], append=torch.tensor([N_BANDS])).double()
    centre = 600 * torch.sinh((torch.nonzero(filled)[:, 0].double() + 0.5) * width / 6) / 1000
    threshold_db = 3.64 * centre**-0.8 - 6.5 * torch.exp(-0.6 * (centre - 3.3) ** 2) + 1e-3 * centre**4
    low = (torch.nonzero(filled)[:, 0].double() + 0.5) * width
    power = 0.23 * torch.where(low < 4, (6 / (low + 2)).clamp(max=2), torch.ones_like(low)) ** 0.15
    return spread.float(), widths.float(), (10 ** (threshold_db.clamp(max=77) / 10)).float(), power.float()


def _over_time(frames: Tensor) -> Tensor:
    """(B, T) to (B,): L6 norms over half-overlapping segments of 320 ms, then the L2 norm over the segments."""
    length = min(20, frames.shape[1])
    stretches = frames.unfold(1, length, max(1, length // 2))  # (B, stretches, length)
    peaks = ((stretches**6).mean(dim=2) + FLOOR) ** (1 / 6)
    return peaks.square().mean(dim=1).sqrt()
