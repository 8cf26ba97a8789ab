"""The gains of a recording, frame by frame at the network's rate, block by block.

Shapes: C channels, N samples, T frames, M mel bands, K bins of the later stages.
"""

from typing import Any

import numpy as np
import soxr

from clearmel.audio import gains
from clearmel.audio.features import MelFeatures
from clearmel.audio.stft import hann, power_of, spectra
from clearmel.audio.working_level import RunningGain, spectrum_powers
from clearmel.core import arrays
from clearmel.core.file_io import FloatArray
from clearmel.runtime.model import Model


class FrameGains:
    """Gains of one frame after another.

    The channels are resampled to the model's rate. Their mean power gives one mel, and the network one gain per frame
    and band.

    Args:
        model: a denoiser; its card gives the features.
        sample_rate: of the recording in Hz.
        n_channels: C.
        level: brings the recording to the model's working level; None: from the level of what has come in so far.
    """

    def __init__(self, model: Model, sample_rate: int, n_channels: int, level: float | None) -> None:
        self.model, self.level = model, level
        self.features = features = MelFeatures(**model.card["features"])
        self.running = RunningGain(features.hop_length / features.sample_rate)
        self.resampler = None
        if sample_rate != features.sample_rate:
            self.resampler = soxr.ResampleStream(sample_rate, features.sample_rate, n_channels, dtype="float32")
        # Half a window of zeros before the first sample: frames are centred.
        self.sound: FloatArray = np.zeros((n_channels, features.n_fft // 2), np.float32)
        self.state: Any = None
        self.waiting: FloatArray = np.zeros((0, features.n_mels), np.float32)  # mels whose gains are yet to come

    def prime(self, sound: FloatArray) -> None:
        """Runs the network over an opening (C, N) and keeps only its final state."""
        frames = self._frames(sound, last=False)
        if frames is not None:
            self.state = self.model.primed(*frames)

    def push(self, block: FloatArray, *, last: bool) -> FloatArray:
        """Rows (T, M + K) of the frames that a block (C, N) completes: band gains, then log-factors of the lowest bins.

        A network that looks ahead holds frames back until the `last` block.
        """
        frames = self._frames(block, last=last)
        if frames is None:
            return np.zeros((0, self.features.n_mels + self.model.fine_bins), np.float32)
        noisy, fine = frames
        known = np.concatenate([self.waiting, noisy[0]])
        estimate, factor, self.state = self.model.denoised(noisy, fine, self.state, last)
        bands = gains.band_gain(known[: estimate.shape[1]], estimate[0])
        self.waiting = known[estimate.shape[1] :]
        found: FloatArray = bands if factor is None else np.concatenate([bands, factor[0]], axis=1)
        return found

    def _frames(self, block: FloatArray, *, last: bool) -> tuple[FloatArray, FloatArray | None] | None:
        """Log-mel (1, T, M) and fine structure (1, T, K) of frames completed by a block (C, N), or None."""
        features, low = self.features, block
        if self.resampler is not None:
            low = self.resampler.resample_chunk(np.ascontiguousarray(block.T), last=last)
            low = low.reshape(-1, len(block)).T
        self.sound = np.concatenate([self.sound, low], axis=1)
        if last:
            self.sound = arrays.padded(self.sound, 0, features.n_fft // 2)
        n_frames = (self.sound.shape[1] - features.n_fft) // features.hop_length + 1
        if n_frames < 1:
            return None
        frames = arrays.framed(self.sound, features.n_fft, features.hop_length)[:, :n_frames]  # (C, T, n_fft)
        power = power_of(spectra(frames, hann(features.n_fft))).mean(axis=0)[None]  # (1, T, F)
        self.sound = self.sound[:, n_frames * features.hop_length :]
        power = self._at_working_level(power)
        noisy, fine = features.mel_of_power(power), None
        if self.model.fine_bins:
            fine = gains.fine_structure(features, power, noisy, self.model.fine_bins)
        return noisy, fine

    def _at_working_level(self, power: FloatArray) -> FloatArray:
        """The next frames' power (1, T, F) as the network receives it."""
        if self.level is not None:
            return power if self.level == 1 else power * np.float32(self.level**2)
        found = self.running.gains(spectrum_powers(power[0]))
        return power if (found == 1).all() else power * np.square(found, dtype=np.float32)[None, :, None]
