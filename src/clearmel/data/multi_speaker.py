"""Mixtures of several speakers, made on the fly; each mixture depends only on (seed, split, epoch, item)."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from clearmel.audio import levels
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix, reverb
from clearmel.augmentation.formants import shift_formants
from clearmel.augmentation.policy import MULTI_SPEAKER, AugmentationPolicy
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted
from clearmel.data.batching import Item
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.speech_pool import SpeechPool
from clearmel.data.splits import Pool
from clearmel.data.waveform_cache import WaveformCache
from clearmel.options import MultiSpeakerOptions

N_ROOMS = 64
"""Rooms are drawn once; each reverberant mixture uses one of them."""
LEVEL_DB = -26.0
"""Active level of the first voice in dB re full scale, before the random offset of the policy."""


def role(number: int) -> str:
    """Name of a voice's wave; `number` counts from 1."""
    return f"voice_{number}"


class Mixture(NamedTuple):
    """A mixture (N,), its voices (N,) at their levels in it, their speakers, and the first recording of each voice."""

    mixture: FloatArray
    voices: list[FloatArray]
    speakers: list[str]
    names: list[str]


class MultiSpeakerMixtures(MelDataset):
    """Waves (N,) of `clip_s` seconds: "mixture", and "voice_1", "voice_2" ... at their levels in it.

    Each voice has a different speaker. The first voice fills the mixture; the others may start later or end earlier.

    Args:
        split: "train", or "val" for mixtures that are equal in every epoch and every run.
        pool: the recordings; noise is optional.
        options: mixing options.
        features: defines the sample rate.
        seed: seed of all random draws.
        cache: see `WaveformCache`.
        from_start: every voice is the unmodified start of a recording, so that it stays aligned with its video.

    Raises:
        InputError: a recording cannot be read, or there are fewer speakers than voices.
    """

    policy: AugmentationPolicy = MULTI_SPEAKER

    def __init__(
        self,
        split: str,
        pool: Pool,
        options: MultiSpeakerOptions,
        features: MelFeatures,
        seed: int,
        cache: Path | None = None,
        *,
        from_start: bool = False,
    ) -> None:
        self.from_start = from_start
        self.split, self.options, self.rate, self.seed = split, options, features.sample_rate, seed
        self.n_samples = int(options.clip_s * self.rate)
        root = Path(pool.clean_root)
        self.speech = SpeechPool(root, pool.clean, self.rate, self.n_samples, 0.0, options.speaker_balance, cache)
        if len(self.speech.speakers) < options.n_voices:
            raise InputError(
                f"{quoted(root)} holds {len(self.speech.speakers)} speaker(s) for {split}; expected a sub-folder for "
                f"each of {options.n_voices} or more."
            )
        self.noise = WaveformCache(Path(pool.noise_root), pool.noise, self.rate, cache) if pool.noise else None
        n_segments = max(1, round(self.speech.seconds / options.clip_s))
        items = options.val_items if split == "val" else options.epoch_items or n_segments
        self.lengths = [features.n_frames(self.n_samples)] * items
        rng = np.random.default_rng(seed)
        self.rooms = [(reverb.draw_room(rng), int(rng.integers(2**31))) for _ in range(N_ROOMS)]

    def __getitem__(self, index: int) -> Item:
        drawn = self.drawn(index)
        waves = {role(number): torch.from_numpy(voice) for number, voice in enumerate(drawn.voices, 1)}
        waves |= {"mixture": torch.from_numpy(drawn.mixture)}
        return Item(f"{self.split}_{self.epoch}_{index}", {}, float("nan"), waves)

    def drawn(self, index: int) -> Mixture:
        """The mixture of an item."""
        training = self.split == "train"
        rng = np.random.default_rng([self.seed, 2 if training else 3, self.epoch if training else 0, index])
        options, policy = self.options, self.policy
        room = self.rooms[rng.integers(N_ROOMS)][0] if rng.random() < options.reverb else None
        voices, speakers, names = list[FloatArray](), list[str](), list[str]()
        base_db = LEVEL_DB + (rng.uniform(*policy.mixture_level_range_db) if training else 0.0)
        for number in range(options.n_voices):
            wave, first = self._draw_voice(rng, speakers)
            if number:
                wave = self._shorten(wave, rng)
            if room is not None:  # each voice at its own distance
                place = (*room[:4], round(rng.uniform(*policy.microphone_distance_range_m), 2))
                wave = reverb.reverberated(wave, self.rate, place, int(rng.integers(2**31)))
            level = base_db + (rng.uniform(-options.level_db, options.level_db) if number else 0.0)
            own = levels.active_level_db(wave, self.rate)
            voices.append(np.asarray(wave * np.float32(10 ** ((level - own) / 20)), np.float32))
            speakers.append(self.speech.speaker(first))
            names.append(self.speech.recordings.names[first])
        mixture = np.asarray(np.sum([*voices, self._draw_noise(rng, voices)], axis=0), np.float32)
        return Mixture(mixture, voices, speakers, names)

    def _draw_voice(self, rng: np.random.Generator, taken: list[str]) -> tuple[FloatArray, int]:
        """A voice (N,) of a speaker who is not in `taken`, and the index of its first recording."""
        if self.from_start:
            return self.speech.head(rng, taken)
        augment = self.options.augment if self.split == "train" else 0.0
        speed = rng.uniform(*self.policy.speech_speed_range) if rng.random() < augment else 1.0
        wave, first = self.speech.piece(rng, speed, taken)
        if rng.random() < augment:
            wave = shift_formants(wave, rng.uniform(*self.policy.formant_ratio_range), self.rate)
        return wave, first

    def _shorten(self, wave: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Silences the start or the end of a voice with a fade of 20 ms, with the probability of the policy."""
        share = rng.uniform(self.options.overlap, 1.0)
        late = rng.random() < self.policy.late_start_probability
        if rng.random() < 1 - self.policy.partial_speech_probability:
            return wave
        length, fade = int(share * len(wave)), int(0.02 * self.rate)
        gain = np.zeros(len(wave), np.float32)
        gain[:length] = 1
        gain[length - fade : length] = np.linspace(1, 0, fade)
        shortened = wave * (gain[::-1] if late else gain)
        return shortened if np.isfinite(levels.active_level_db(shortened, self.rate)) else wave

    def _draw_noise(self, rng: np.random.Generator, voices: list[FloatArray]) -> FloatArray:
        if self.noise is None or rng.random() >= self.options.noise_share:
            return np.zeros(self.n_samples, np.float32)
        noise = mix.audible_segment(self.noise[int(rng.integers(len(self.noise)))], self.n_samples, rng)
        snr_db = rng.uniform(self.options.snr_min, self.options.snr_max)
        level = (
            levels.active_level_db(np.sum(voices, axis=0), self.rate)
            - levels.active_level_db(noise, self.rate)
            - snr_db
        )
        return np.asarray(noise * np.float32(10 ** (level / 20)), np.float32)
