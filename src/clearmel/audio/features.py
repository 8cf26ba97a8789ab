"""MelFeatures: STFT, log-mel, and the gains between two mels.

Shapes: B batch, N samples, T frames, F STFT bins, M mel bands. Leading dimensions may be any, also none.
"""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clearmel.audio import mel_scale
from clearmel.audio.stft import hann, power_of
from clearmel.core.errors import InputError

FLOOR = 1e-12
"""Added to the mel power before the logarithm; silence lands at 1 + ln(1e-12) / 10 = -1.763."""
DECIBELS_PER_UNIT = 100 / math.log(10)
"""1.0 of a log-mel in dB of power."""
PIECE_FRAMES = 8192
"""Frames whose spectrum is held at once."""
LATER: dict[str, float] = {"win_length": 0, "top_db": 0.0, "pre_emphasis": 0.0, "exponent": 2}
"""Numbers that came later than the first weights, with what stands for not using them."""


@dataclass(frozen=True)
class MelFeatures:
    """What a log-mel is, and the way to it and back.

    The value is 1 + ln(1e-12 + mel) / 10, mel being the power spectrogram (Hann window, centred, zeros beyond the
    ends) seen through `n_mels` triangular Slaney bands of equal area. 1.0 is 10 nepers of power, 43.4 dB.

    Args:
        sample_rate: in Hz.
        n_fft: FFT length in samples, even.
        hop_length: samples from frame to frame; for `check_inverse` n_fft must be a multiple of it.
        n_mels: bands.
        fmin: lower edge of the lowest band in Hz.
        fmax: upper edge of the highest band in Hz.
        win_length: samples of the window, in the middle of the n_fft; 0: all of them.
        top_db: above 0 the values count from the recording's loudest one, which becomes 1, and end that far below
            it, so that its level does not matter. 0: values are absolute, which cleaning needs.
        pre_emphasis: this share of the sample before is taken from each; 0 leaves the wave as it is.
        exponent: of the magnitudes that the bands add up: 2 for power, 1 for magnitudes.

    Raises:
        InputError: the numbers contradict each other.
    """

    sample_rate: int = 16000
    n_fft: int = 1024
    hop_length: int = 256
    n_mels: int = 80
    fmin: float = 20.0
    fmax: float = 8000.0
    win_length: int = 0
    top_db: float = 0.0
    pre_emphasis: float = 0.0
    exponent: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.fmin < self.fmax <= self.sample_rate / 2:
            raise InputError(f"features: fmin {self.fmin}, fmax {self.fmax}; expected 0 <= fmin < fmax <= rate / 2")
        if self.n_mels < 1 or self.n_fft < 2 or self.n_fft % 2 or not 1 <= self.hop_length <= self.n_fft:
            raise InputError(
                f"features: n_mels {self.n_mels}, n_fft {self.n_fft}, hop_length {self.hop_length}; expected 1 or more "
                "bands, an even n_fft, and a hop of at most that"
            )
        if self.sample_rate > 1_000_000 or self.n_fft > 1 << 20 or self.n_mels * self.n_fft > 1 << 27:
            raise InputError(
                f"features: sample_rate {self.sample_rate}, n_fft {self.n_fft}, n_mels {self.n_mels}; expected at most "
                f"1000000 Hz, an n_fft of {1 << 20}, and {1 << 27} as the product of the others"
            )
        if not 0 <= self.win_length <= self.n_fft or not 0 <= self.top_db < math.inf:
            raise InputError(
                f"features: win_length {self.win_length}, top_db {self.top_db}; expected 0 to n_fft, and 0 or more"
            )

        if not 0 <= self.pre_emphasis < 1 or self.exponent not in (1, 2):
            raise InputError(
                f"features: pre_emphasis {self.pre_emphasis}, exponent {self.exponent}; expected 0 to below 1, 1 or 2"
            )

    def check_inverse(self) -> None:
        """Raises an InputError if gains between two mels could not be applied to the STFT."""
        own = {key: value for key, value in self.card().items() if key in LATER}
        if self.n_fft % self.hop_length or own:
            given = "".join(f", {key} {value}" for key, value in own.items())
            raise InputError(
                f"features: n_fft {self.n_fft}, hop_length {self.hop_length}{given}; to get back to sound, n_fft must "
                f"be a multiple of the hop, and {', '.join(LATER)} not be used"
            )

    def card(self) -> dict[str, int | float]:
        """The numbers as a plain dict, for the weights' card; those that came later only where they are used."""
        return {key: value for key, value in asdict(self).items() if key not in LATER or value != LATER[key]}

    @property
    def _edges(self) -> tuple[float, float, int]:
        return self.fmin, self.fmax, self.n_mels

    def n_frames(self, n_samples: int) -> int:
        """Frames T of a recording of n_samples."""
        return 1 + n_samples // self.hop_length

    def frames_in(self, seconds: float) -> int:
        """Frames from one moment to another so many seconds later."""
        return round(seconds * self.sample_rate / self.hop_length)

    def stft(self, wave: Tensor) -> Tensor:
        """Complex spectrum (..., T, F) of (..., N)."""
        flat = wave.reshape(-1, wave.shape[-1])
        spectrum = torch.stft(
            flat,
            self.n_fft,
            self.hop_length,
            window=self.window(wave),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )  # (B, F, T)
        return spectrum.transpose(1, 2).reshape(*wave.shape[:-1], -1, self.n_fft // 2 + 1)

    def window(self, like: Tensor) -> Tensor:
        """The window (n_fft,), zeros beside its win_length."""
        length = self.win_length or self.n_fft
        beside = self.n_fft - length
        return functional.pad(hann(length, like.dtype, like.device), (beside // 2, beside - beside // 2))

    def istft(self, spectrum: Tensor, n_samples: int) -> Tensor:
        """Wave (..., n_samples) of a spectrum (..., T, F) by weighted overlap-add."""
        flat = spectrum.reshape(-1, *spectrum.shape[-2:]).transpose(1, 2)
        window = self.window(spectrum.real)
        wave = torch.istft(flat, self.n_fft, self.hop_length, window=window, center=True, length=n_samples)
        return wave.reshape(*spectrum.shape[:-2], n_samples)

    def mel(self, wave: Tensor) -> Tensor:
        """Log-mel (..., T, M) of (..., N); the spectrum of a long wave is made in pieces, to spare memory."""
        if self.pre_emphasis:
            wave = wave - self.pre_emphasis * functional.pad(wave[..., :-1], (1, 0))
        n_frames = self.n_frames(wave.shape[-1])
        if n_frames <= PIECE_FRAMES:
            return self.relative(self.mel_of_power(self._summed(self.stft(wave))))
        padded = functional.pad(wave, (self.n_fft // 2, self.n_fft // 2))
        window = self.window(wave)
        frames = padded.unfold(-1, self.n_fft, self.hop_length)  # (..., T, n_fft), a view
        pieces = [
            self.mel_of_power(self._summed(torch.fft.rfft(piece * window)))
            for piece in torch.split(frames, PIECE_FRAMES, dim=-2)
        ]
        return self.relative(torch.cat(pieces, dim=-2))

    def _summed(self, spectrum: Tensor) -> Tensor:
        """What the bands add up."""
        power = power_of(spectrum)
        return power if self.exponent == 2 else power.sqrt()

    def relative(self, mel: Tensor) -> Tensor:
        """Log-mels (..., T, M) counted from the loudest value, if `top_db` asks for that; else as they are."""
        if not self.top_db:
            return mel
        loudest = mel.amax(dim=(-2, -1), keepdim=True)
        return 1 + (mel - loudest).clamp(min=-self.top_db / DECIBELS_PER_UNIT)

    def mel_of_power(self, power: Tensor) -> Tensor:
        """Absolute log-mel (..., T, M) of a power spectrum (..., T, F)."""
        return 1 + torch.log(FLOOR + power @ self.filters(power).T) / 10

    def cepstrum(self, mel: Tensor, n_coefficients: int = 20) -> Tensor:
        """Cepstral coefficients (..., T, n) of a log-mel (MFCC): its orthonormal DCT-II over the bands, in dB."""
        bands = (torch.arange(self.n_mels, dtype=mel.dtype) + 0.5) * math.pi / self.n_mels
        basis = torch.cos(torch.arange(n_coefficients, dtype=mel.dtype)[:, None] * bands) * math.sqrt(2 / self.n_mels)
        basis[0] /= math.sqrt(2)
        return (mel - 1) * DECIBELS_PER_UNIT @ basis.T.to(mel)

    def power_of_mel(self, mel: Tensor) -> Tensor:
        """Mel power (..., T, M) of a log-mel."""
        return torch.exp((mel - 1) * 10)

    def filters(self, like: Tensor | None = None) -> Tensor:
        """Mel filter bank (M, F), each triangle of area 2 / width (Slaney)."""
        like = torch.zeros(()) if like is None else like
        return mel_scale.filters(self._edges, self.n_fft, self.sample_rate, like.dtype, like.device)

    def spread(self, gain: Tensor, n_fft: int | None = None, sample_rate: int | None = None) -> Tensor:
        """Band gains (..., M) on STFT bins (..., F), weighted by the normalised mel filters.

        Bins below the first band's centre take its gain, bins above the last band's centre take the last one's.

        Args:
            gain: amplitude gains.
            n_fft: of the spectrum to be multiplied; default: the model's own.
            sample_rate: of that spectrum in Hz; default: the model's own.
        """
        return gain @ self.spreading(gain, n_fft, sample_rate)

    def spreading(self, like: Tensor | None = None, n_fft: int | None = None, sample_rate: int | None = None) -> Tensor:
        """Share (M, F) of each band in each bin's gain; arguments as for `spread`."""
        like = torch.zeros(()) if like is None else like
        n_fft, sample_rate = n_fft or self.n_fft, sample_rate or self.sample_rate
        return mel_scale.spreading(self._edges, n_fft, sample_rate, like.dtype, like.device)

    def band_gain(self, noisy: Tensor, estimate: Tensor) -> Tensor:
        """Amplitude gain (..., T, M) in (0, 1] that turns the noisy log-mel into the estimate.

        The estimate minus the noisy mel, times 10, is the gain in nepers of power; half of it is of amplitude.
        """
        return torch.exp(((estimate - noisy) * 5).clamp(max=0.0))

    def fine_structure(self, power: Tensor, mel: Tensor, n_bins: int) -> Tensor:
        """How far each of the lowest bins (..., T, n_bins) lies above its band's mean, in units of the log-mel.

        Args:
            power: power spectrum (..., T, F).
            mel: its log-mel (..., T, M).
            n_bins: how many.
        """
        spreading = self.spreading(mel)[:, :n_bins]
        flat = torch.log(self.filters(mel).sum(dim=1)) / 10  # of a band that holds 1 in every bin
        return 1 + torch.log(FLOOR + power[..., :n_bins]) / 10 - (mel - flat) @ spreading

    def bin_gain(
        self, gain: Tensor, factor: Tensor | None, n_fft: int | None = None, sample_rate: int | None = None
    ) -> Tensor:
        """Gains (..., F) of STFT bins: the band gains spread, times exp(factor) of the lowest bins, at most 1.

        Args:
            gain: amplitude gains of the bands (..., M).
            factor: of the model's lowest bins (..., K), see `Denoiser.forward`; None for ones.
            n_fft: of the spectrum to be multiplied; default: the model's own.
            sample_rate: of that spectrum in Hz; default: the model's own.
        """
        wide = self.spread(gain, n_fft, sample_rate)
        if factor is None:
            return wide
        n_fft, sample_rate = n_fft or self.n_fft, sample_rate or self.sample_rate
        if (n_fft, sample_rate) != (self.n_fft, self.sample_rate):  # bins of about the same width: between neighbours
            step = sample_rate * self.n_fft / (n_fft * self.sample_rate)
            count = min(wide.shape[-1], int((factor.shape[-1] - 1) / step) + 1)
            place = torch.arange(count, device=factor.device) * step
            left = place.long().clamp(max=factor.shape[-1] - 2)
            factor = torch.lerp(factor[..., left], factor[..., left + 1], (place - left).to(factor))
        lowest = (wide[..., : factor.shape[-1]] * factor.exp()).clamp(max=1.0)
        return torch.cat([lowest, wide[..., factor.shape[-1] :]], dim=-1)
