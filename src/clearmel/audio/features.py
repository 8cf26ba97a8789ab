"""STFT and log-mel of a wave, of numpy arrays in inference and of torch tensors in training.

Shapes: B batch, N samples, T frames, F STFT bins, M mel bands. "..." stands for any number of leading dimensions.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clearmel.audio import mel_scale
from clearmel.audio.stft import hann, overlap_add, power_of, spectra, waves
from clearmel.core import arrays
from clearmel.core.arrays import Array
from clearmel.core.errors import InputError

FLOOR = 1e-12
"""Added to the mel power before the logarithm; silence has the value 1 + ln(1e-12) / 10 = -1.763."""
DECIBELS_PER_UNIT = 100 / math.log(10)
"""dB of power per 1.0 of a log-mel."""
PIECE_FRAMES = 8192
"""Number of frames whose spectrum is in memory at once."""
OPTIONAL: dict[str, float] = {"win_length": 0, "top_db": 0.0, "pre_emphasis": 0.0, "exponent": 2}
"""Settings that the first weights did not have yet, with the values that disable them."""


@dataclass(frozen=True)
class MelFeatures:
    """Settings of a log-mel, and its computation.

    The value is 1 + ln(1e-12 + mel) / 10, where mel is the power spectrogram (Hann window, centred, zero padding)
    weighted by `n_mels` triangular Slaney bands of equal area. A difference of 1.0 is 10 nepers of power, 43.4 dB.

    Args:
        sample_rate: in Hz.
        n_fft: FFT length in samples, even.
        hop_length: samples between frames; for `check_inverse` n_fft must be a multiple of it.
        n_mels: number of bands.
        fmin: lower edge of the lowest band in Hz.
        fmax: upper edge of the highest band in Hz.
        win_length: samples of the window, centred in n_fft; 0 means n_fft.
        top_db: if above 0, the maximum of the recording becomes 1 and all values lower than this below it are
            clamped, so the level of the recording has no effect. 0 gives absolute values, which denoising needs.
        pre_emphasis: this fraction of the previous sample is subtracted from each sample; 0 disables it.
        exponent: of the magnitudes that the bands sum up: 2 for power, 1 for magnitudes.

    Raises:
        InputError: a value is out of range or contradicts another.
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
        """Raises an InputError if gains between two mels cannot be applied to the STFT."""
        changed = {key: value for key, value in self.card().items() if key in OPTIONAL}
        if self.n_fft % self.hop_length or changed:
            given = "".join(f", {key} {value}" for key, value in changed.items())
            raise InputError(
                f"features: n_fft {self.n_fft}, hop_length {self.hop_length}{given}; to invert the mel, n_fft must "
                f"be a multiple of the hop, and {', '.join(OPTIONAL)} must keep their defaults"
            )

    def card(self) -> dict[str, int | float]:
        """The settings as a dict for the card of the weights; those in OPTIONAL only if they differ from it."""
        return {key: value for key, value in asdict(self).items() if key not in OPTIONAL or value != OPTIONAL[key]}

    @property
    def edges(self) -> tuple[float, float, int]:
        """The lowest and the highest edge of the bands in Hz, and their number."""
        return self.fmin, self.fmax, self.n_mels

    def n_frames(self, n_samples: int) -> int:
        """Number of frames T of a recording of n_samples."""
        return 1 + n_samples // self.hop_length

    def frames_in(self, seconds: float) -> int:
        """Number of frames that span the given seconds."""
        return round(seconds * self.sample_rate / self.hop_length)

    def stft(self, wave: Array) -> Array:
        """Complex spectrum (..., T, F) of (..., N)."""
        if isinstance(wave, np.ndarray):
            return spectra(self._frames(wave), self.window(wave))
        flat = wave.reshape(-1, wave.shape[-1])
        spectrum = arrays.module_of(wave).stft(
            flat,
            self.n_fft,
            self.hop_length,
            window=self.window(wave),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )  # (B, F, T)
        return spectrum.transpose(1, 2).reshape(*wave.shape[:-1], -1, self.n_fft // 2 + 1)

    def _frames(self, wave: Array) -> Array:
        """Centred frames (..., T, n_fft) of a wave (..., N), a view."""
        return arrays.framed(arrays.padded(wave, self.n_fft // 2, self.n_fft // 2), self.n_fft, self.hop_length)

    def window(self, like: Array) -> Array:
        """The window (n_fft,), zero outside its win_length."""
        length = self.win_length or self.n_fft
        padding = self.n_fft - length
        return arrays.padded(hann(length, arrays.kind(like)), padding // 2, padding - padding // 2)

    def istft(self, spectrum: Array, n_samples: int) -> Array:
        """Wave (..., n_samples) of a spectrum (..., T, F) by weighted overlap-add."""
        window: Any = self.window(spectrum.real)
        if isinstance(spectrum, np.ndarray):
            rest = -self.n_fft % self.hop_length
            squares = np.broadcast_to(arrays.padded(window**2, 0, rest), (spectrum.shape[-2], self.n_fft + rest))
            weight = overlap_add(squares, self.hop_length)
            total = overlap_add(arrays.padded(waves(spectrum, window), 0, rest), self.hop_length)
            wave = (total / np.maximum(weight, 1e-11)).reshape(*spectrum.shape[:-2], -1)[..., self.n_fft // 2 :]
            return arrays.padded(wave[..., :n_samples], 0, max(0, n_samples - wave.shape[-1]))
        flat = spectrum.reshape(-1, *spectrum.shape[-2:]).transpose(1, 2)
        made = arrays.module_of(spectrum).istft(
            flat, self.n_fft, self.hop_length, window=window, center=True, length=n_samples
        )
        return made.reshape(*spectrum.shape[:-2], n_samples)

    def mel(self, wave: Array) -> Array:
        """Log-mel (..., T, M) of (..., N); computes the spectrum of a long wave in pieces to save memory."""
        if self.pre_emphasis:
            wave = wave - self.pre_emphasis * arrays.padded(wave[..., :-1], 1, 0)
        n_frames = self.n_frames(wave.shape[-1])
        if n_frames <= PIECE_FRAMES:
            return self.relative(self.mel_of_power(self._powers(self.stft(wave))))
        frames, window = self._frames(wave), self.window(wave)
        pieces = [
            self.mel_of_power(self._powers(spectra(frames[..., start : start + PIECE_FRAMES, :], window)))
            for start in range(0, n_frames, PIECE_FRAMES)
        ]
        return self.relative(arrays.joined(pieces, -2))

    def _powers(self, spectrum: Array) -> Array:
        """The power or the magnitudes that the bands sum up, see `exponent`."""
        power: Array = power_of(spectrum)
        return power if self.exponent == 2 else power**0.5

    def relative(self, mel: Array) -> Array:
        """Log-mels (..., T, M) relative to their maximum if `top_db` is set; otherwise unchanged."""
        if not self.top_db:
            return mel
        math_of = arrays.module_of(mel)
        loudest = math_of.amax(mel, (-2, -1), keepdims=True)
        return 1 + math_of.clip(mel - loudest, -self.top_db / DECIBELS_PER_UNIT, None)

    def mel_of_power(self, power: Array) -> Array:
        """Absolute log-mel (..., T, M) of a power spectrum (..., T, F)."""
        return 1 + arrays.module_of(power).log(FLOOR + power @ self.filters(power).T) / 10

    def cepstrum(self, mel: Array, n_coefficients: int = 20) -> Array:
        """MFCCs (..., T, n) of a log-mel: its orthonormal DCT-II over the bands, in dB."""
        bands = (np.arange(self.n_mels) + 0.5) * math.pi / self.n_mels
        basis = np.cos(np.arange(n_coefficients)[:, None] * bands) * math.sqrt(2 / self.n_mels)
        basis[0] /= math.sqrt(2)
        return (mel - 1) * DECIBELS_PER_UNIT @ arrays.like(basis.T, mel)

    def power_of_mel(self, mel: Array) -> Array:
        """Mel power (..., T, M) of a log-mel."""
        return arrays.module_of(mel).exp((mel - 1) * 10)

    def filters(self, like: Any = np.float32()) -> Any:  # noqa: B008  a constant
        """Mel filter bank (M, F), each triangle of area 2 / width (Slaney).

        Args:
            like: an array whose kind, type and device the filters get.
        """
        return mel_scale.filters(self.edges, self.n_fft, self.sample_rate, arrays.kind(like))
