"""Separates the voices of a recording of any length, block by block.

Shapes: S voices, C channels, N samples, T frames. The recording is processed in overlapping windows. A network may
number the voices differently in each window. The voices of a window are therefore reordered to match those of the
previous window in the samples that both cover, and then cross-faded. If this overlap is nearly silent, the order
follows from the mean spectra of the voices so far.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.audio import working_level
from clearmel.audio.channels import downmix
from clearmel.audio.face_embeddings import FACE_DIM, crop_embeddings
from clearmel.audio.features import MelFeatures
from clearmel.audio.stft import power_of
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray
from clearmel.core.progress import Advance
from clearmel.inference import single_voice
from clearmel.inference.denoise import denoise_blocks
from clearmel.inference.speaker_count import ONE
from clearmel.inference.turns import Piece, Turns
from clearmel.options import DenoiseOptions
from clearmel.runtime import load
from clearmel.runtime.model import Model, as_model

WINDOW_S, HOP_S = 16.0, 8.0
"""Length of a window and distance from window to window: half of every window is processed twice."""
FAINT = 1e-3
"""Fraction of the voices' mean power so far, below which an overlap counts as silent."""


class VoiceSeparator:
    """Separates recordings with a trained network.

    Args:
        network: a separator with its card, as a model or a network of torch.
        faces: embeddings (S, P, 512) of the speakers' faces, 25 per second, from the start of the recording; required
            by networks with faces, refused by others.
        passes: passes over each piece, whose frames are offset by equal parts of a hop; the tracks are their mean.
        strength: share of the attenuation in dB with which `denoiser.pth` then denoises each track, see `_denoised`.
        encoder: embeds speakers, see `Turns`; by default `models/speakers.pth`, loaded when it is needed.
    """

    def __init__(
        self,
        network: Any,
        faces: FloatArray | None = None,
        passes: int = 1,
        strength: float = 0.0,
        encoder: Any | None = None,
    ) -> None:
        network = as_model(network)
        if network.faces != (faces is not None):
            raise InputError(
                "these weights need the speakers' faces; give --faces_path."
                if network.faces
                else "these weights need no faces; leave --faces_path out."
            )
        if faces is not None and (faces.ndim, faces.shape[0], faces.shape[-1]) != (3, network.n_voices, FACE_DIM):
            raise InputError(
                f"the faces have shape {faces.shape}; expected ({network.n_voices}, frames at 25 a second, {FACE_DIM})."
            )
        self.network, self.features, self.faces = network, MelFeatures(**network.card["features"]), faces
        self.rate, self.passes, self.strength = self.features.sample_rate, passes, strength
        self._encoder = encoder
        self._turns: Turns | None = None  # of the last recording given to `tracks`
        self._short: FloatArray | None = None  # or its voices (S, C, N), if it is no longer than a window

    @classmethod
    def load(
        cls,
        model_filename: str,
        faces: FloatArray | None = None,
        passes: int = 1,
        device: str = "cpu",
        strength: float = 0.0,
    ) -> "VoiceSeparator":
        """Loads `models/<model_filename>`."""
        return cls(load.by_name(model_filename, "separation", device), faces, passes, strength)

    def separate(self, wave: FloatArray, start_s: float = 0.0) -> FloatArray:
        """Voices (S, C, N) of a piece (C, N) at the network's rate, the mean of all passes, without the denoiser.

        Args:
            wave: the piece.
            start_s: its start in the recording, which selects the faces.
        """
        phases = [number * self.features.hop_length // self.passes for number in range(self.passes)]
        in_row = 1 if self.faces is not None else max(1, int(WINDOW_S * self.rate) // max(1, wave.shape[1]))
        rows = (phases[first : first + in_row] for first in range(0, self.passes, in_row))
        first_take, *takes = itertools.chain.from_iterable(self._pass(wave, row, start_s) for row in rows)
        total = first_take.copy()
        for take in takes:
            if self.faces is None:
                take = take[_order(*(voices.reshape(len(voices), -1) for voices in (first_take, take)))]
            total += take
        return np.asarray(total / np.float32(self.passes), np.float32)

    def _denoised(self, voices: FloatArray) -> FloatArray:
        """Voices (S, C, N) with less of what a separator leaves in them: noise, reverberation, and the other voices.

        One pass of the denoiser gains as much SI-SDR as two, and a part of its attenuation more than all of it.
        """
        if not self.strength:
            return voices
        options, tracks = DenoiseOptions(strength=self.strength, passes=1), list[FloatArray]()
        for voice in voices:
            gain = working_level.measure([voice], self.rate).gain()
            pieces = denoise_blocks(self._denoiser, [voice], self.rate, len(voice), options, gain=gain)
            tracks.append(np.concatenate(list(pieces), axis=1)[:, : voice.shape[1]])
        return np.stack(tracks)

    @functools.cached_property
    def _denoiser(self) -> Model:
        return load.by_name("denoiser.pth", "denoising", self.network.device)

    def _pass(self, wave: FloatArray, phases: Sequence[int], start_s: float) -> list[FloatArray]:
        """Voices (S, C, N) of a piece (C, N) for each phase, the offset in samples of the piece from a frame.

        The repetitions are concatenated into one input: the network separates a repetition better, since it has
        already received the voices. All channels have the same masks.
        """
        begins, end = list[int](), 0
        for phase in phases:
            begins.append(end + (phase - end) % self.features.hop_length)
            end = begins[-1] + wave.shape[1]
        row = np.zeros((len(wave), end), np.float32)
        for begin in begins:
            row[:, begin : begin + wave.shape[1]] = wave
        faces = None if self.faces is None else crop_embeddings(self.faces, start_s, end / self.rate)
        masks = self.network.masks(self.features.stft(downmix(row)), faces)  # (S, T, F)
        tracks = self.features.istft(self.features.stft(row)[None] * masks[:, None], end)
        return [tracks[..., begin : begin + wave.shape[1]] for begin in begins]

    def tracks(self, blocks: Iterator[FloatArray], progress: Advance | None = None) -> Iterator[FloatArray]:
        """Voices in blocks (S, C, N) of a recording in blocks (C, N) at the network's rate, in a constant order.

        Windows are ordered by their overlap. In recordings longer than a window, embeddings of the speakers then order
        the turns between pauses, see `Turns`.

        Args:
            blocks: the recording.
            progress: called with the seconds of each window, before its turn is complete.
        """
        self._turns, self._short, pieces = None, None, self._joined(blocks, progress)
        first, second = next(pieces), next(pieces, None)
        every = itertools.chain([first], () if second is None else [second], pieces)
        if second is None:
            self._short = first.voices
        if second is None or self.faces is not None:
            yield from (piece.denoised for piece in every)
        else:
            self._turns = Turns(self.features, self.network.n_voices, self.encoder)
            yield from self._turns.apply(every)

    @property
    def one_voice(self) -> bool | None:
        """Whether the recording that `tracks` has been through holds a single voice; None with faces, which decide."""
        if self.faces is not None:
            return None
        if self._turns is not None:
            return self._turns.one_voice
        if self._short is None:
            return False
        return single_voice.logit(self.encoder, np.stack([downmix(voice) for voice in self._short])) > ONE

    @property
    def further_voice(self) -> bool:
        """Whether that recording certainly holds more voices than there are tracks."""
        return self._turns is not None and self._turns.further_voice

    @functools.cached_property
    def encoder(self) -> Model:
        """Embeds speakers."""
        return load.by_name("speakers.pth", "speakers") if self._encoder is None else as_model(self._encoder)

    def _joined(self, blocks: Iterator[FloatArray], progress: Advance | None) -> Iterator[Piece]:
        """The windows, whose voices are each in the order of the window before, and cross-faded."""
        window, hop = int(WINDOW_S * self.rate), int(HOP_S * self.rate)
        overlap = window - hop
        fade = np.sin(np.linspace(0, np.pi / 2, overlap, dtype=np.float32)) ** 2  # both sides are alike
        tail: FloatArray | None = None  # (2, S, C, N): the last window's voices where the next begins, and denoised
        profile = np.zeros((self.network.n_voices, self.features.n_mels))  # power of the voices so far, by band
        n_done = 0
        for number, (wave, last) in enumerate(_windows(blocks, window, hop)):
            voices = self.separate(wave, number * HOP_S)
            both = np.stack([voices, self._denoised(voices)])
            if tail is not None:
                shared = min(overlap, voices.shape[2], tail.shape[3])
                if self.faces is None:
                    meeting = tail[0, ..., :shared], voices[..., :shared]
                    if np.square(meeting[1]).mean(axis=2).sum() > FAINT * profile.sum() / n_done:
                        order = _order(*(piece.reshape(len(piece), -1) for piece in meeting))
                    else:
                        order = _order(np.sqrt(profile), np.sqrt(self._profile(voices)))
                    both = both[:, order]
                ramp = fade if shared == overlap else np.linspace(0, 1, shared, dtype=np.float32)
                both[..., :shared] = both[..., :shared] * ramp + tail[..., :shared] * (1 - ramp)
            profile, n_done = profile + self._profile(both[0]), n_done + both.shape[3]
            ready = both if last else both[..., :hop]
            if progress is not None:
                progress(ready.shape[3] / self.rate)
            yield Piece(ready[0], ready[1], wave[:, : ready.shape[3]])
            if not last:
                tail = both[..., hop:].copy()

    def _profile(self, voices: FloatArray) -> npt.NDArray[np.float64]:
        """Power (S, M) of voices (S, C, N) in the mel bands, scaled so that its sum is the energy of the voice."""
        power = (power_of(self.features.stft(voices)) @ self.features.filters().T).sum(axis=(1, 2)).astype(np.float64)
        energy = np.square(voices, dtype=np.float64).sum(axis=(1, 2))
        return np.asarray(power / np.maximum(power.sum(axis=1, keepdims=True), 1e-30) * energy[:, None])


def _windows(blocks: Iterator[FloatArray], window: int, hop: int) -> Iterator[tuple[FloatArray, bool]]:
    """Windows (C, N), and whether each is the last, which may be shorter."""
    held = next(blocks)
    for block in blocks:
        held = np.concatenate([held, block], axis=1)
        while held.shape[1] > window:
            yield held[:, :window], False
            held = held[:, hop:]
    while held.shape[1] > window:  # a single long block
        yield held[:, :window], False
        held = held[:, hop:]
    yield held, True


def _order(before: npt.NDArray[np.floating], now: npt.NDArray[np.floating]) -> list[int]:
    """The order of the rows of `now` (S, N) with the largest sum of inner products with the rows of `before`.

    The rows are not normalised, so that loud passages, where the order is clearest, have the most weight.
    """
    alike = before.astype(np.float64) @ now.astype(np.float64).T  # (S, S)
    orders = itertools.permutations(range(len(alike)))
    return list(max(orders, key=lambda order: sum(float(alike[voice, place]) for voice, place in enumerate(order))))
