"""Speech and noise mixed on the fly; each mixture depends only on (seed, split, epoch, item)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clearmel.audio import levels, sound_file
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix, reverb, scenes
from clearmel.augmentation.formants import shift_formants, whispered
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.policy import TRAINING, AugmentationPolicy, draw_optional
from clearmel.augmentation.recording_chain import Chain, draw_codec
from clearmel.augmentation.synthetic_noise import synthetic_noise
from clearmel.core.file_io import FloatArray, list_files
from clearmel.data.batching import Item
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.speech_pool import SpeechPool, change_speed
from clearmel.data.splits import Pool
from clearmel.data.waveform_cache import WaveformCache
from clearmel.options import MixOptions

N_ROOMS = 128
"""Room impulse responses are computed once; each reverberant mixture uses one of them."""
SYNTHETIC = "made"
"""Name of synthetic noise in recipes and reports."""
CROWD, TALKERS, MUSIC = "crowd", "talkers", "music"
"""Names of built scenes."""


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
        self.noise = WaveformCache(Path(pool.noise_root), pool.noise, self.rate, cache)
        n_segments = max(1, round(self.speech.seconds / options.clip_s))
        items = options.val_items if split == "val" else options.epoch_items or n_segments
        self.lengths = [features.n_frames(self.n_samples)] * items
        rng = np.random.default_rng(seed)
        self.rooms = [(reverb.draw_room(rng), int(rng.integers(2**31))) for _ in range(N_ROOMS)]
        self.measured_rooms: list[str] = []
        if options.reverb > 0:
            for room, number in self.rooms:  # computed here so that worker processes inherit the cache
                reverb.room_response(self.rate, room, number)
            if options.rir_path:
                self.measured_rooms = [
                    str(Path(options.rir_path, name)) for name in list_files(options.rir_path, sound_file.SUFFIXES)
                ]
                for path in self.measured_rooms:
                    reverb.measured_response(self.rate, path)

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
        return mix.mix(speech, recipe, lambda name: self._load_noise(name, rng, augment), self.rate)

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
        noises = self._draw_noises(rng, augment)
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

    def _draw_noises(self, rng: np.random.Generator, augment: bool) -> list[str]:
        """Names of the noises of a mixture, as `_load_noise` takes them."""
        policy, recorded = self.policy, f"noise/{rng.integers(len(self.noise))}"
        kind = policy.noise_kind(rng.random()) if augment else "recorded"
        if kind == "recorded":
            return [recorded]
        if kind == CROWD and rng.random() < 0.5:
            return [CROWD, recorded]
        if kind != "several":
            return {"none": [], "synthetic": [SYNTHETIC]}.get(kind, [kind])
        kinds = ("coloured", SYNTHETIC, "babble", f"noise/{rng.integers(len(self.noise))}")
        noises = [recorded, str(rng.choice(kinds, p=policy.second_noise_probabilities()))]
        if rng.random() < policy.third_noise_probability:
            noises.append(f"noise/{rng.integers(len(self.noise))}")
        return noises

    def _load_noise(self, name: str, rng: np.random.Generator, augment: bool) -> FloatArray:
        """The wave of a noise: scenes, babble and synthetic noise are made, recorded noise may be augmented."""
        policy = self.policy
        if name in (CROWD, TALKERS):
            n_voices = scenes.draw_crowd_size(rng) if name == CROWD else int(rng.integers(1, 3))
            scene = scenes.crowd if name == CROWD else scenes.talkers
            return scene([self.speech.piece(rng)[0] for _ in range(n_voices)], self.rate, rng)
        if name == MUSIC:
            return scenes.music(self.n_samples, self.rate, rng)
        if name == "babble":
            low, high = policy.babble_voices
            voices = [self.speech.piece(rng)[0] for _ in range(rng.integers(low, high + 1))]
            attenuation_db = [
                levels.active_level_db(voice, self.rate) + rng.uniform(*policy.babble_attenuation_range_db)
                for voice in voices
            ]
            wave = sum(v * np.float32(10 ** (-level / 20)) for v, level in zip(voices, attenuation_db, strict=True))
            return np.asarray(wave, dtype=np.float32)
        if name == SYNTHETIC:
            return synthetic_noise(self.n_samples, self.rate, rng)
        wave = self.noise[int(name.split("/")[1])]
        if augment and rng.random() < policy.noise_speed_probability:
            longest = self.n_samples * 2
            if len(wave) > longest:
                wave = mix.audible_segment(wave, longest, rng)
            wave = change_speed(wave, rng.uniform(*policy.noise_speed_range))
        if augment and rng.random() < policy.noise_gain_probability:
            knots = np.arange(0, len(wave) + self.rate, int(policy.noise_gain_step_s * self.rate))
            gain_db = rng.uniform(*policy.noise_gain_range_db, len(knots))
            gain = np.interp(np.arange(len(wave)), knots, 10 ** (gain_db / 20))
            wave = np.asarray(wave * gain, dtype=np.float32)
        return wave
