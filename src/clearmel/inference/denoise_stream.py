"""Block-by-block denoising: applies the network's gains to the STFT of a recording at its own rate.

Shapes: C channels, N samples, T frames, F bins, M mel bands, K bins of the later stages.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.audio import gains
from clearmel.audio.stft import hann, overlap_add, power_of, spectra, waves
from clearmel.core import arrays
from clearmel.core.file_io import FloatArray
from clearmel.inference import high_bands
from clearmel.inference.frame_gains import FrameGains
from clearmel.inference.high_bands import HighBands
from clearmel.inference.music import Music
from clearmel.inference.two_pass_gains import TwoPassGains
from clearmel.options import DenoiseOptions
from clearmel.runtime.model import as_model

FULL = DenoiseOptions()
PIECE_FRAMES = 128
"""Frames that are pushed at once, so that their spectra and activations fit into the processor's cache."""
MOST_FRAMES = 2 * PIECE_FRAMES
"""Frames that are multiplied at once, where the gains of many come together."""
LARGEST_FACTOR = 11
"""Largest prime factor of a hop; FFTs of lengths with larger ones are several times as slow."""


def nearest_hop(samples: float) -> int:
    """The whole number of samples nearest to a length whose prime factors are at most `LARGEST_FACTOR`."""

    def smooth(number: int) -> bool:
        for factor in range(2, LARGEST_FACTOR + 1):
            while number % factor == 0:
                number //= factor
        return number == 1

    near = range(max(1, int(samples * 0.9)), int(samples * 1.1) + 2)
    return min(filter(smooth, near), key=lambda number: abs(number - samples))


class DenoiseStream:
    """Denoises a recording of any rate and any number of channels, block by block.

    One gain for all channels (`FrameGains`) is interpolated in time between the model's frames and multiplies the STFT
    of each original channel, so the stereo image is unchanged; its window has the duration of the model's window. Above
    the model's highest band, the gain is that band's or the one that removes stationary noise (`HighBands`), whichever
    is lower.

    Args:
        network: a denoiser, as a model or a network of torch; its card gives the features.
        sample_rate: of the recording in Hz.
        n_channels: C.
        options: strength and attenuation limit.
        gain: brings the recording to the network's working level, see `clearmel.audio.working_level`; None: from the
            level of what has come in so far.
        music: stretches that are not denoised, see `clearmel.inference.music`.
        whole: whether the samples may come half a minute late; a network with two passes then uses both.
    """

    def __init__(
        self,
        network: Any,
        sample_rate: int,
        n_channels: int,
        options: DenoiseOptions = FULL,
        gain: float | None = None,
        music: Music | None = None,
        whole: bool = False,
    ) -> None:
        self.network, self.options, self.gain, self.music = as_model(network), options, gain, music
        self.frame_gains = FrameGains(self.network, sample_rate, n_channels, gain)
        if whole and self.network.two_passes:
            closing_s = self.network.warm_up_s if options.warm_up_s is None else options.warm_up_s
            self.frame_gains = TwoPassGains(self.network, sample_rate, n_channels, gain, closing_s)
        self.features = features = self.frame_gains.features
        self.rate, self.overlap = sample_rate, features.n_fft // features.hop_length
        self.hop = nearest_hop(features.hop_length * sample_rate / features.sample_rate)
        self.n_fft = self.hop * self.overlap
        self.window = hann(self.n_fft)
        self.high = None
        if sample_rate / 2 > features.fmax * high_bands.RATIO:
            self.high = HighBands(features.fmax, sample_rate, self.n_fft, self.hop)
        self.own = _zeros(n_channels, self.n_fft // 2)  # frames are centred
        self.tail = _zeros(n_channels, self.overlap - 1, self.hop)  # overlap-add of unfinished samples
        self.tail_weight = _zeros(self.overlap - 1, self.hop)
        self.gains = _zeros(0, features.n_mels + self.network.fine_bins)  # rows of `FrameGains` from `first_gain` on
        self.first_gain = 0
        self.n_own_frames = self.n_in = self.n_out = 0

    def prime(self, sound: FloatArray) -> None:
        """Runs the network over an opening (C, N) and keeps only its final state as the initial state."""
        opening = FrameGains(self.network, self.rate, len(sound), self.gain)
        opening.prime(sound)
        self.frame_gains.state = opening.state
        if self.high is not None and sound.shape[1] >= self.n_fft:
            own = spectra(arrays.framed(sound, self.n_fft, self.hop), self.window)
            self.high.observe(power_of(own).mean(axis=0))

    def push(self, block: FloatArray) -> FloatArray:
        """Takes a block (C, N) and returns the samples (C, K) that are complete, K >= 0."""
        self.n_in += block.shape[1]
        size = PIECE_FRAMES * self.hop
        pieces = [block[:, start : start + size] for start in range(0, max(1, block.shape[1]), size)]
        found = [self._advance(piece, last=False) for piece in pieces]
        return found[0] if len(found) == 1 else np.concatenate(found, axis=1)

    def finish(self) -> FloatArray:
        """Returns the remaining samples (C, K). All outputs together are as long as the input."""
        return self._advance(_zeros(len(self.own), 0), last=True)

    def n_covered(self, known: int) -> int:
        """Number of frames at the recording's rate whose gain is determined by `known` frames of the model.

        Frame k is at k * hop / rate seconds. Unless a model frame is at that very time, it also needs the next one.
        """
        return (known - 1) * self.rate * self.features.hop_length // (self.hop * self.features.sample_rate) + 1

    def _advance(self, block: FloatArray, last: bool) -> FloatArray:
        self.gains = np.concatenate([self.gains, self.frame_gains.push(block, last=last)])
        self.own = np.concatenate([self.own, block], axis=1)
        if last:
            self.own = arrays.padded(self.own, 0, self.n_fft // 2)
        n_frames = (self.own.shape[1] - self.n_fft) // self.hop + 1
        if not last:
            n_frames = min(n_frames, self.n_covered(self.first_gain + len(self.gains)) - self.n_own_frames)
        found = []
        while n_frames > MOST_FRAMES:
            found.append(self._apply(MOST_FRAMES, last=False))
            n_frames -= MOST_FRAMES
        found.append(self._apply(n_frames, last))
        return found[0] if len(found) == 1 else np.concatenate(found, axis=1)

    def _apply(self, n_frames: int, last: bool) -> FloatArray:
        """Multiplies the next frames of `self.own` by their gains, and overlap-adds them."""
        done = _zeros(len(self.own), 0)
        if n_frames > 0:
            # Frame k lies between the model's frames `position` and `position` + 1.
            numerator, denominator = self.hop * self.features.sample_rate, self.rate * self.features.hop_length
            ticks = np.arange(self.n_own_frames, self.n_own_frames + n_frames) * numerator
            position, rest = ticks // denominator, ((ticks % denominator) / np.float32(denominator))[:, None]
            places = (np.minimum(position + side - self.first_gain, len(self.gains) - 1) for side in (0, 1))
            before, after = (self.gains[place] for place in places)
            frames = arrays.framed(self.own, self.n_fft, self.hop)[:, :n_frames]  # (C, T, n_fft)
            spectrum = spectra(frames, self.window)
            spectrum *= self._controlled(before + rest.astype(np.float32) * (after - before), spectrum)
            done = self._overlap_add(waves(spectrum, self.window))
            self.own = self.own[:, n_frames * self.hop :]
            self.n_own_frames += n_frames
            used = min(int(position[-1]) - self.first_gain, len(self.gains) - 1)
            self.gains, self.first_gain = self.gains[used:], self.first_gain + used
        if last:
            rest_of_tail = self.tail / np.maximum(self.tail_weight, 1e-8)
            done = np.concatenate([done, rest_of_tail.reshape(len(done), -1)], axis=1)
        return self._trimmed(done, last)

    def _controlled(self, found: FloatArray, spectrum: npt.NDArray[np.complex64]) -> FloatArray:
        """Bin gains (T, F) for a spectrum (C, T, F) from rows of `self.gains`, with strength and limit applied."""
        bands, options = self.features.n_mels, self.options
        factor = found[:, bands:] if found.shape[1] > bands else None
        gain: FloatArray = gains.bin_gain(self.features, found[:, :bands], factor, self.n_fft, self.rate)
        if self.high is not None:
            high = gain[:, self.high.first :]
            np.minimum(high, self.high.gains(power_of(spectrum).mean(axis=0)), out=high)
        if options.strength != 1:
            gain = gain**options.strength
        if options.max_suppression_db is not None:
            gain = np.maximum(gain, np.float32(10 ** (-options.max_suppression_db / 20)))
        if self.music is not None:
            times_s = (self.n_own_frames + np.arange(len(gain))) * np.float32(self.hop / self.rate)
            share = self.music.share(times_s)
            if share.any():
                gain = gain ** (1 - share)[:, None]
        return gain

    def _overlap_add(self, frames: FloatArray) -> FloatArray:
        """Overlap-adds frames (C, T, n_fft) and returns the T * hop samples that no later frame overlaps."""
        n_frames = frames.shape[1]
        total = overlap_add(frames, self.hop)  # (C, T + overlap - 1, hop)
        weight = overlap_add(np.broadcast_to(self.window**2, (n_frames, self.n_fft)), self.hop)
        total[:, : self.overlap - 1] += self.tail
        weight[: self.overlap - 1] += self.tail_weight
        self.tail, self.tail_weight = total[:, n_frames:], weight[n_frames:]
        found: FloatArray = (total[:, :n_frames] / np.maximum(weight[:n_frames], 1e-8)).reshape(len(frames), -1)
        return found

    def _trimmed(self, done: FloatArray, last: bool) -> FloatArray:
        """Removes the half window of padding before the first sample and everything after the last one."""
        start = self.n_out
        self.n_out += done.shape[1]
        skip = max(0, self.n_fft // 2 - start)
        stop = self.n_fft // 2 + self.n_in - start if last else done.shape[1]
        return np.ascontiguousarray(done[:, skip : max(skip, stop)])


def _zeros(*shape: int) -> FloatArray:
    return np.zeros(shape, np.float32)
