"""Mixtures of several speakers, made on the fly; each mixture depends only on (seed, split, epoch, item)."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from clearmel.audio import levels
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix, reverb
from clearmel.augmentation.formants import shift_formants
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.policy import MULTI_SPEAKER, AugmentationPolicy, draw_optional
from clearmel.augmentation.recording_chain import Chain, apply_codec, draw_chain, filter_bands
from clearmel.augmentation.synthetic_noise import coloured_noise
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted
from clearmel.data.batching import Item
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.noise_sources import NoiseSources
from clearmel.data.speech_pool import SpeechPool
from clearmel.data.splits import Pool
from clearmel.options import MultiSpeakerOptions

N_ROOMS, N_PLACES = 48, 4
"""Rooms and the places of speakers in them are drawn once; each reverberant mixture uses one room."""
LEVEL_DB = -26.0
"""Active level of the first voice in dB re full scale, before the random offset of the policy."""


def role(number: int) -> str:
    """Name of a voice's wave; `number` counts from 1."""
    return f"voice_{number}"


class Mixture(NamedTuple):
    """A mixture (N,), its voices (N,) at their levels in it, their speakers, and the first recording of each voice.

    Voices that do not speak are zeros at the end, without a speaker and a name.
    In a room, a voice is its direct sound and the reflections of the next 50 ms.
    """

    mixture: FloatArray
    voices: list[FloatArray]
    speakers: list[str]
    names: list[str]


class MultiSpeakerMixtures(MelDataset):
    """Waves (N,) of `clip_s` seconds: "mixture", and "voice_1", "voice_2" ... at their levels in it.

    Each voice has a different speaker. The first voice fills the mixture; the others may start later or end earlier.
    In a room each voice has its own impulse response, and the early part of the reverberation is wanted. Noise may lie
    under the voices: in validation one recorded noise, in training any kind of the policy. Training mixtures of a pool
    with noise may also pass a recording chain: tilt and band limits apply to the voices, too, codec and hiss do not.

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
        self.noise = NoiseSources(pool, self.speech, self.policy, self.n_samples, cache) if pool.noise else None
        n_segments = max(1, round(self.speech.seconds / options.clip_s))
        items = options.val_items if split == "val" else options.epoch_items or n_segments
        self.lengths = [features.n_frames(self.n_samples)] * items
        rng = np.random.default_rng(seed)
        self.rooms = [self._draw_places(rng) for _ in range(N_ROOMS)] if options.reverb else []
        self.measured_rooms = reverb.measured_rooms(options.rir_path if options.reverb else None, self.rate)

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
        augment = training and self.noise is not None and rng.random() < options.augment
        chain = draw_chain(rng, augment, 0.0, policy) if augment else Chain()
        places = self._places(rng) if rng.random() < options.reverb else None
        voices, wet, speakers, names = list[FloatArray](), list[FloatArray](), list[str](), list[str]()
        base_db = LEVEL_DB + (rng.uniform(*policy.mixture_level_range_db) if training else 0.0)
        alone = training and options.one_voice > 0 and rng.random() < options.one_voice
        for number in range(1 if alone else options.n_voices):
            wave, first = self._draw_voice(rng, speakers, index)
            if number:
                wave = self._shorten(wave, rng)
            level = base_db + (rng.uniform(-options.level_db, options.level_db) if number else 0.0)
            sides = [wave]
            if places is not None:
                room, seed = places[number]
                sides = [reverb.reverberated(wave, self.rate, room, seed, early) for early in (False, True)]
            sides = [filter_bands(side, self.rate, chain) for side in sides]
            gain = np.float32(10 ** ((level - levels.active_level_db(sides[0], self.rate)) / 20))
            wet.append(np.asarray(sides[0] * gain, np.float32))
            voices.append(np.asarray(sides[-1] * gain, np.float32))
            speakers.append(self.speech.speaker(first))
            names.append(self.speech.recordings.names[first])
        voices += [np.zeros(self.n_samples, np.float32)] * (options.n_voices - len(voices))
        heard = np.asarray(np.sum(wet, axis=0), np.float32)
        mixture = heard + filter_bands(self._draw_noise(rng, heard, augment), self.rate, chain)
        if chain.floor_db is not None:
            mixture = mixture + self._levelled(coloured_noise(self.n_samples, rng), heard, chain.floor_db)
        if chain.codec is not None:  # codecs take full scale at most
            peak = np.float32(max(1.0, np.abs(mixture).max() / 0.99))
            mixture = apply_codec(mixture / peak, self.rate, chain.codec) * peak
        return Mixture(np.asarray(mixture, np.float32), voices, speakers, names)

    def _draw_places(self, rng: np.random.Generator) -> list[tuple[reverb.Room, int]]:
        """Places of speakers in one simulated room, whose responses are computed here, so that workers inherit them."""
        size, places = reverb.draw_room(rng), []
        for _ in range(N_PLACES):
            distance = round(rng.uniform(*self.policy.microphone_distance_range_m), 2)
            room, seed = (*size[:4], distance), int(rng.integers(2**31))
            reverb.room_response(self.rate, room, seed)
            places.append((room, seed))
        return places

    def _places(self, rng: np.random.Generator) -> list[tuple[reverb.Room | str, int]]:
        """A room or measured response for each voice."""
        if self.measured_rooms and rng.random() < 0.5:
            chosen = rng.choice(len(self.measured_rooms), self.options.n_voices, replace=len(self.measured_rooms) < 3)
            return [(self.measured_rooms[number], 0) for number in chosen]
        room = self.rooms[rng.integers(N_ROOMS)]
        return [room[number] for number in rng.permutation(N_PLACES)[: self.options.n_voices]]

    def _draw_voice(self, rng: np.random.Generator, taken: list[str], index: int) -> tuple[FloatArray, int]:
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

    def _draw_noise(self, rng: np.random.Generator, voices: FloatArray, augment: bool) -> FloatArray:
        """Noise (N,) at a drawn SNR below the sum of the voices (N,); zeros for a mixture without noise."""
        noise, options, policy = self.noise, self.options, self.policy
        if noise is None or rng.random() >= options.noise_share:
            return np.zeros(self.n_samples, np.float32)
        tilt_db = draw_optional(rng, policy.noise_tilt_probability, policy.noise_tilt_range_db) if augment else None
        snr_db = policy.draw_snr_db(rng, options.snr_min, options.snr_max)
        recipe = Recipe(tuple(noise.draw(rng, augment)), snr_db, seed=0, noise_tilt_db=tilt_db)
        wave = mix.summed_noise(recipe, self.n_samples, lambda name: noise.wave(name, rng, augment), self.rate, rng)
        return self._levelled(wave, voices, snr_db)

    def _levelled(self, noise: FloatArray, voices: FloatArray, snr_db: float) -> FloatArray:
        """Noise (N,) so many dB below the voices (N,), between active levels."""
        own = levels.active_level_db(noise, self.rate)
        if not np.isfinite(own):
            return np.zeros_like(noise)
        return np.asarray(noise * np.float32(10 ** ((levels.active_level_db(voices, self.rate) - own - snr_db) / 20)))
