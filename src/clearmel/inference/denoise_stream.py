"""Block-by-block denoising: applies the network's gains to the STFT of a recording at its own rate.

Shapes: C channels, N samples, T frames, F bins, M mel bands, K bins of the later stages.
"""

from typing import Any

import numpy as np
import soxr
import torch
from torch import Tensor

from clearmel.audio import gains
from clearmel.audio.features import MelFeatures
from clearmel.audio.stft import overlap_add, power_of
from clearmel.audio.working_level import RunningGain, spectrum_powers
from clearmel.core.file_io import FloatArray
from clearmel.inference import high_bands
from clearmel.inference.high_bands import HighBands
from clearmel.networks import Denoiser
from clearmel.options import DenoiseOptions

FULL = DenoiseOptions()


class DenoiseStream:
    """Denoises a recording of any rate and any number of channels, block by block.

    The channels are resampled to the model's rate. Their mean power gives one mel, and the network one gain per frame
    and band, so the stereo image is unchanged. The gain is interpolated in time between the model's frames and
    multiplies the STFT of each original channel; its window has the duration of the model's window. Above the model's
    highest band, the gain is that band's or the one that removes stationary noise (`HighBands`), whichever is lower.

    Args:
        network: a denoiser; its card gives the features.
        sample_rate: of the recording in Hz.
        n_channels: C.
        options: strength and attenuation limit.
        gain: brings the recording to the network's working level, see `clearmel.audio.working_level`; None: from the
            level of what has come in so far.
    """

    def __init__(
        self,
        network: Denoiser,
        sample_rate: int,
        n_channels: int,
        options: DenoiseOptions = FULL,
        gain: float | None = None,
    ) -> None:
        self.network, self.options, self.gain = network, options, gain
        self.features = features = MelFeatures(**network.card["features"])
        self.rate, self.overlap = sample_rate, features.n_fft // features.hop_length
        self.running = RunningGain(features.hop_length / features.sample_rate)
        self.hop = max(1, round(features.hop_length * sample_rate / features.sample_rate))
        self.n_fft = self.hop * self.overlap
        self.resampler = None
        if sample_rate != features.sample_rate:
            self.resampler = soxr.ResampleStream(sample_rate, features.sample_rate, n_channels, dtype="float32")
        self.window = torch.hann_window(self.n_fft)
        self.high = None
        if sample_rate / 2 > features.fmax * high_bands.RATIO:
            self.high = HighBands(features.fmax, sample_rate, self.n_fft, self.hop)
        # Half a window of zeros before the first sample: frames are centred.
        self.low = torch.zeros(n_channels, features.n_fft // 2)
        self.own = torch.zeros(n_channels, self.n_fft // 2)
        self.tail = torch.zeros(n_channels, self.overlap - 1, self.hop)  # overlap-add of unfinished samples
        self.tail_weight = torch.zeros(self.overlap - 1, self.hop)
        self.state: Any = None
        # One row per frame from `self.first_gain` on: band gains (M), then log-factors of the lowest bins (K).
        self.gains = torch.zeros(0, features.n_mels + network.fine_bins)
        self.waiting = torch.zeros(0, features.n_mels)  # mels whose gains are yet to come
        self.first_gain = 0
        self.n_own_frames = self.n_in = self.n_out = 0

    @torch.inference_mode()
    def prime(self, sound: FloatArray) -> None:
        """Runs the network over an opening (C, N) and keeps only its final state as the initial state."""
        frames = DenoiseStream(self.network, self.rate, len(sound), self.options, self.gain)._frames(sound, last=False)
        if frames is not None:
            self.state = self.network.prime(*self._on_device(*frames))
        if self.high is not None and sound.shape[1] >= self.n_fft:
            own = torch.from_numpy(sound).unfold(1, self.n_fft, self.hop)
            self.high.observe(power_of(torch.fft.rfft(own * self.window)).mean(dim=0))

    def push(self, block: FloatArray) -> FloatArray:
        """Takes a block (C, N) and returns the samples (C, K) that are complete, K >= 0."""
        self.n_in += block.shape[1]
        return self._advance(block, last=False)

    def finish(self) -> FloatArray:
        """Returns the remaining samples (C, K). All outputs together are as long as the input."""
        return self._advance(np.zeros((len(self.own), 0), np.float32), last=True)

    def n_covered(self, known: int) -> int:
        """Number of frames at the recording's rate whose gain is determined by `known` frames of the model.

        Frame k is at k * hop / rate seconds. Unless a model frame is at that very time, it also needs the next one.
        """
        return (known - 1) * self.rate * self.features.hop_length // (self.hop * self.features.sample_rate) + 1

    @torch.inference_mode()
    def _advance(self, block: FloatArray, last: bool) -> FloatArray:
        frames = self._frames(block, last)
        if frames is not None:
            self._estimate(*frames, last)
        self.own = torch.cat([self.own, torch.from_numpy(block)], dim=1)
        return self._apply(last)

    def _frames(self, block: FloatArray, last: bool) -> tuple[Tensor, Tensor | None] | None:
        """Log-mel (1, T, M) and fine structure (1, T, K) of frames completed by a block (C, N), or None."""
        features, low = self.features, block
        if self.resampler is not None:
            low = self.resampler.resample_chunk(np.ascontiguousarray(block.T), last=last)
            low = low.reshape(-1, len(block)).T
        self.low = torch.cat([self.low, torch.from_numpy(np.ascontiguousarray(low))], dim=1)
        if last:
            self.low = torch.cat([self.low, torch.zeros(len(self.low), features.n_fft // 2)], dim=1)
        n_frames = (self.low.shape[1] - features.n_fft) // features.hop_length + 1
        if n_frames < 1:
            return None
        frames = self.low.unfold(1, features.n_fft, features.hop_length)[:, :n_frames]  # (C, T, n_fft)
        power = power_of(torch.fft.rfft(frames * torch.hann_window(features.n_fft))).mean(dim=0)[None]  # (1, T, F)
        self.low = self.low[:, n_frames * features.hop_length :]
        power = self._at_working_level(power)
        noisy, fine = features.mel_of_power(power), None
        if self.network.fine_bins:
            fine = gains.fine_structure(features, power, noisy, self.network.fine_bins)
        return noisy, fine

    def _at_working_level(self, power: Tensor) -> Tensor:
        """The next frames' power (1, T, F) as the network receives it."""
        if self.gain is not None:
            return power if self.gain == 1 else power * self.gain**2
        gains = self.running.gains(spectrum_powers(power[0]))
        return power if (gains == 1).all() else power * torch.from_numpy(gains).to(power)[None, :, None].square()

    def _estimate(self, noisy: Tensor, fine: Tensor | None, last: bool) -> None:
        """Appends the gains of the next frames to `self.gains`."""
        frames = torch.cat([self.waiting, noisy[0]])  # a network that looks ahead holds frames back
        estimate, factor, self.state = self.network(*self._on_device(noisy, fine), self.state, last)
        estimate, factor = estimate.cpu(), None if factor is None else factor.cpu()
        bands = gains.band_gain(frames[: estimate.shape[1]], estimate[0])
        self.waiting = frames[estimate.shape[1] :]
        self.gains = torch.cat([self.gains, bands if factor is None else torch.cat([bands, factor[0]], dim=1)])

    def _on_device(self, noisy: Tensor, fine: Tensor | None) -> tuple[Tensor, Tensor | None]:
        device = self.network.device
        return noisy.to(device), None if fine is None else fine.to(device)

    def _apply(self, last: bool) -> FloatArray:
        """Multiplies the frames of `self.own` by the gains known so far, and overlap-adds them."""
        if last:
            self.own = torch.cat([self.own, torch.zeros(len(self.own), self.n_fft // 2)], dim=1)
        n_frames = (self.own.shape[1] - self.n_fft) // self.hop + 1
        known = self.first_gain + len(self.gains)
        if not last:
            n_frames = min(n_frames, self.n_covered(known) - self.n_own_frames)
        if n_frames > 0:
            # Frame k lies between the model's frames `position` and `position` + 1.
            numerator, denominator = self.hop * self.features.sample_rate, self.rate * self.features.hop_length
            ticks = torch.arange(self.n_own_frames, self.n_own_frames + n_frames) * numerator
            position, rest = ticks // denominator, (ticks % denominator / denominator)[:, None]
            before = self.gains[(position - self.first_gain).clamp(max=len(self.gains) - 1)]
            after = self.gains[(position + 1 - self.first_gain).clamp(max=len(self.gains) - 1)]
            frames = self.own.unfold(1, self.n_fft, self.hop)[:, :n_frames]  # (C, T, n_fft)
            spectrum = torch.fft.rfft(frames * self.window)
            gain = self._controlled(before + rest * (after - before), spectrum)
            cleaned = torch.fft.irfft(spectrum * gain, self.n_fft) * self.window
            done = self._overlap_add(cleaned)
            self.own = self.own[:, n_frames * self.hop :]
            self.n_own_frames += n_frames
            used = min(int(position[-1]) - self.first_gain, len(self.gains) - 1)
            self.gains, self.first_gain = self.gains[used:], self.first_gain + used
        else:
            done = torch.zeros(len(self.own), 0)
        if last:
            rest_of_tail = self.tail / self.tail_weight.clamp(min=1e-8)
            done = torch.cat([done, rest_of_tail.reshape(len(done), -1)], dim=1)
        return self._trimmed(done, last)

    def _controlled(self, found: Tensor, spectrum: Tensor) -> Tensor:
        """Bin gains (T, F) for a spectrum (C, T, F) from rows of `self.gains`, with strength and limit applied."""
        bands, options = self.features.n_mels, self.options
        factor = found[:, bands:] if found.shape[1] > bands else None
        gain = gains.bin_gain(self.features, found[:, :bands], factor, self.n_fft, self.rate)
        if self.high is not None:
            high = self.high.gains(power_of(spectrum).mean(dim=0))
            gain = torch.cat([gain[:, : self.high.first], gain[:, self.high.first :].minimum(high)], dim=1)
        if options.strength != 1:
            gain = gain**options.strength
        if options.max_suppression_db is not None:
            gain = gain.clamp(min=10 ** (-options.max_suppression_db / 20))
        return gain

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """Overlap-adds frames (C, T, n_fft) and returns the T * hop samples that no later frame overlaps."""
        n_frames = frames.shape[1]
        total = overlap_add(frames, self.hop)  # (C, T + overlap - 1, hop)
        weight = overlap_add(self.window.square().expand(n_frames, -1), self.hop)
        total[:, : self.overlap - 1] += self.tail
        weight[: self.overlap - 1] += self.tail_weight
        self.tail, self.tail_weight = total[:, n_frames:], weight[n_frames:]
        return (total[:, :n_frames] / weight[:n_frames].clamp(min=1e-8)).flatten(1)

    def _trimmed(self, done: Tensor, last: bool) -> FloatArray:
        """Removes the half window of padding before the first sample and everything after the last one."""
        start = self.n_out
        self.n_out += done.shape[1]
        skip = max(0, self.n_fft // 2 - start)
        stop = self.n_fft // 2 + self.n_in - start if last else done.shape[1]
        return np.ascontiguousarray(done[:, skip : max(skip, stop)].numpy())
