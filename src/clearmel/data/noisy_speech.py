"""Speech and noise mixed on the fly; each mixture depends only on (seed, split, epoch, item)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix, reverb
from clearmel.augmentation.formants import shift_formants, whispered
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.policy import TRAINING, AugmentationPolicy, draw_optional
from clearmel.augmentation.recording_chain import Chain, draw_codec
from clearmel.core.file_io import FloatArray
from clearmel.data.batching import Item
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.noise_sources import TALKERS, NoiseSources
from clearmel.data.speech_pool import SpeechPool
from clearmel.data.splits import Pool
from clearmel.options import MixOptions

N_ROOMS = 128
"""Room impulse responses are computed once; each reverberant mixture uses one of them."""


class NoisySpeech(MelDataset):
    """Pairs of waves (N,), "noisy" and "clean", of `clip_s` seconds each.

    Training mixtures are augmented by `policy`: formants, speed, whispering, level, tilt, band limits, codecs,
    clipping, several noises, babble, crowds and talkers of training speakers, music, synthetic noise, fluctuating, late
    and early ending noise, digital silence, and hiss on both sides. With reverberation, the clean side keeps the direct
    sound and the first 50 ms after it. A few items have no noise.

    Args:
        split: "train", or "val" for mixtures without augmentation that are equal in every epoch.
        pool: the recordings.
        options: mixing options.
        features: defines the sample rate.
        seed: seed of all random draws.
        cache: see `WaveformCache`.

    Raises:
        InputError: a recording cannot be read, or no clean recording has quiet enough pauses.
    """

    policy: AugmentationPolicy = TRAINING

    def __init__(
        self, split: str, pool: Pool, options: MixOptions, features: MelFeatures, seed: int, cache: Path | None = None
    ) -> None:
        self.split, self.options, self.rate, self.seed = split, options, features.sample_rate, seed
        self.n_samples = int(options.clip_s * self.rate)
        self.speech = SpeechPool(
            Path(pool.clean_root), pool.clean, self.rate, self.n_samples, options.min_range_db,
            options.speaker_balance, cache,
        )  # fmt: skip
        self.noise = NoiseSources(pool, self.speech, self.policy, self.n_samples, cache)
        n_segments = max(1, round(self.speech.seconds / options.clip_s))
        items = options.val_items if split == "val" else options.epoch_items or n_segments
        self.lengths = [features.n_frames(self.n_samples)] * items
        rng = np.random.default_rng(seed)
        self.rooms = [(reverb.draw_room(rng), int(rng.integers(2**31))) for _ in range(N_ROOMS)]
        self.measured_rooms: list[str] = []
        if options.reverb > 0:
            for room, number in self.rooms:  # computed here so that worker processes inherit the cache
                reverb.room_response(self.rate, room, number)
            self.measured_rooms = reverb.measured_rooms(options.rir_path, self.rate)

    def __getitem__(self, index: int) -> Item:
        rng = self._generator(index)
        noisy, clean = self._mixture(rng, rng.random() < (self.options.augment if self.split == "train" else 0))
        waves = {"noisy": torch.from_numpy(noisy), "clean": torch.from_numpy(clean)}
        return Item(f"{self.split}_{self.epoch}_{index}", {}, float("nan"), waves)

    def _generator(self, index: int) -> np.random.Generator:
        """The random generator of an item."""
        training = self.split == "train"
        age = self.epoch // self.options.echo if training else 0
        return np.random.default_rng([self.seed, 0 if training else 1, age, index])

    def _mixture(self, rng: np.random.Generator, augment: bool) -> tuple[FloatArray, FloatArray]:
        speech, _ = self._draw_speech(rng, augment)
        recipe = self._draw_recipe(rng, augment)
        return mix.mix(speech, recipe, lambda name: self.noise.wave(name, rng, augment), self.rate)

    def _draw_speech(self, rng: np.random.Generator, augment: bool) -> tuple[FloatArray, int]:
        """The speech of a mixture, and the index of its recording."""
        policy, speed = self.policy, 1.0
        if augment and rng.random() < policy.speech_speed_probability:
            speed = rng.uniform(*policy.speech_speed_range)
        speech, source = self.speech.piece(rng, speed)
        share = self.options.other_voices if self.split == "train" else 0
        if share and rng.random() < share:
            speech = shift_formants(speech, rng.uniform(*policy.formant_ratio_range), self.rate)
        if augment and rng.random() < policy.whisper_probability:
            speech = whispered(speech, rng, self.rate)
        return speech, source

    def _draw_recipe(self, rng: np.random.Generator, augment: bool) -> Recipe:
        options, policy = self.options, self.policy
        noises = self.noise.draw(rng, augment)
        chain, clip_db, span, silence = Chain(), None, None, None
        lowest_db = options.snr_min
        if TALKERS in noises:
            lowest_db = min(max(lowest_db, policy.talkers_snr_min_db), options.snr_max)
        snr_db = policy.draw_snr_db(rng, lowest_db, options.snr_max)
        if augment:
            span, silence = self._draw_spans(rng)
            clip_db = draw_optional(rng, policy.clipping_probability, policy.clipping_range_db)
            chain = Chain(
                level_db=draw_optional(rng, policy.level_probability, policy.level_range_db),
                tilt_db=draw_optional(rng, policy.tilt_probability, policy.tilt_range_db),
                highpass_hz=draw_optional(rng, policy.highpass_probability, policy.highpass_range_hz),
                lowpass_hz=draw_optional(rng, policy.lowpass_probability, policy.lowpass_range_hz),
                codec=draw_codec(rng) if rng.random() < policy.codec_probability else None,
            )
            if rng.random() < policy.band_edge_probability:
                chain = replace(chain, band_edge_hz=float(rng.choice(policy.band_edges_hz)))
        if self.split == "train":  # without hiss, the network would learn that clean pauses are digital silence
            chain = replace(chain, floor_db=draw_optional(rng, policy.hiss_probability, policy.hiss_range_db))
        seed = int(rng.integers(2**31))
        if rng.random() < options.reverb:
            room, seed = self.rooms[rng.integers(N_ROOMS)]
            chain = replace(chain, room=room, early=True)
            if self.measured_rooms and rng.random() < 0.5:
                chain = replace(chain, room=self.measured_rooms[rng.integers(len(self.measured_rooms))])
        tilt = draw_optional(rng, policy.noise_tilt_probability, policy.noise_tilt_range_db) if augment else None
        return Recipe(tuple(noises), float(snr_db), seed, tilt, chain, clip_db, span, silence)

    def _draw_spans(
        self, rng: np.random.Generator
    ) -> tuple[tuple[float, float, float] | None, tuple[float, float] | None]:
        """The span of the noise and the stretch of silence of a mixture, see `Recipe`."""
        span = silence = None
        if rng.random() < self.policy.noise_span_probability:
            start, end = ((-1, 0.7), (0.3, 2), (0.2, 0.8))[rng.integers(3)]
            span = (start + rng.uniform(-0.2, 0.2), end + rng.uniform(-0.2, 0.2), float(rng.choice((0, 0.02, 0.3))))
        if rng.random() < self.policy.silence_probability:
            length = rng.uniform(0.05, 0.5)
            start = rng.choice((0, rng.uniform(0, 1 - length)))
            silence = (start, start + length)
        return span, silence
