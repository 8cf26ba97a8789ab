"""Speech and noise mixed anew for every item and epoch, drawn by (seed, split, epoch, item) alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clearmel.audio import levels
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix, recording_chain, reverb
from clearmel.augmentation.formants import shift_formants
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.recording_chain import Chain
from clearmel.augmentation.synthetic_noise import synthetic_noise
from clearmel.core.file_io import FloatArray
from clearmel.data.batching import Item
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.speech_pool import SpeechPool, change_speed
from clearmel.data.splits import Pool
from clearmel.data.waveform_cache import WaveformCache
from clearmel.options import MixOptions

N_ROOMS = 128
"""Rooms are made once; a mixture takes one of them."""


class NoisySpeech(MelDataset):
    """Pairs of waves (N,), "noisy" and "clean", of `clip_s` seconds each.

    In training most mixtures are augmented: another voice, speed, level and tilt, band limits, codecs, clipping,
    several noises, babble of training speakers, noises made by rule or of wavering level; most have a hiss on both
    sides. In a room the clean side keeps the direct sound and the first 50 ms after it. A few items are speech without
    noise.

    Args:
        split: "train", or "val" for plain mixtures that are the same in every epoch.
        pool: the recordings.
        options: how to mix.
        features: gives the sample rate.
        seed: of everything that is drawn.
        cache: see `WaveformCache`.

    Raises:
        InputError: a recording cannot be read, or no clean one is clean enough.
    """

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
        whole = max(1, round(self.speech.seconds / options.clip_s))
        items = options.val_items if split == "val" else options.epoch_items or whole
        self.lengths = [features.n_frames(self.n_samples)] * items
        rng = np.random.default_rng(seed)
        self.rooms = [(reverb.draw_room(rng), int(rng.integers(2**31))) for _ in range(N_ROOMS)]
        if options.reverb > 0:
            for room, number in self.rooms:  # now, so that worker processes inherit them
                reverb.room_response(self.rate, room, number)

    def __getitem__(self, index: int) -> Item:
        rng = self._generator(index)
        noisy, clean = self._mixture(rng, rng.random() < (self.options.augment if self.split == "train" else 0))
        waves = {"noisy": torch.from_numpy(noisy), "clean": torch.from_numpy(clean)}
        return Item(f"{self.split}_{self.epoch}_{index}", {}, float("nan"), waves)

    def _generator(self, index: int) -> np.random.Generator:
        """Of everything that is drawn for an item."""
        training = self.split == "train"
        return np.random.default_rng([self.seed, 0 if training else 1, self.epoch if training else 0, index])

    def _mixture(self, rng: np.random.Generator, augment: bool) -> tuple[FloatArray, FloatArray]:
        speech = self._voice(rng, augment)
        recipe = self._recipe(rng, augment)
        return mix.mix(speech, recipe, lambda name: self._sound(name, rng, augment), self.rate)

    def _voice(self, rng: np.random.Generator, augment: bool) -> FloatArray:
        speech, _ = self.speech.piece(rng, rng.uniform(0.86, 1.16) if augment and rng.random() < 0.5 else 1.0)
        share = self.options.other_voices if self.split == "train" else 0
        if share and rng.random() < share:
            speech = shift_formants(speech, rng.uniform(0.82, 1.2), self.rate)
        return speech

    def _recipe(self, rng: np.random.Generator, augment: bool) -> Recipe:
        options = self.options
        noises = [f"noise/{rng.integers(len(self.noise))}"]
        kind = rng.random() if augment else 1.0
        if kind < 0.06:
            noises = []
        elif kind < 0.22:
            noises = ["coloured" if kind < 0.1 else "made"]
        elif kind < 0.3:
            noises = ["babble"]
        elif kind < 0.6:
            others = ("coloured", "made", "babble", f"noise/{rng.integers(len(self.noise))}")
            noises.append(str(rng.choice(others, p=(0.2, 0.25, 0.15, 0.4))))
            if rng.random() < 0.2:
                noises.append(f"noise/{rng.integers(len(self.noise))}")
        chain, clip_db = Chain(), None
        snr_db = options.snr_min + (options.snr_max - options.snr_min) * rng.beta(1.5, 2.0)
        if augment:
            clip_db = rng.uniform(3, 12) if rng.random() < 0.05 else None
            chain = Chain(
                level_db=rng.uniform(-45, -12) if rng.random() < 0.8 else None,
                tilt_db=rng.uniform(-9, 9) if rng.random() < 0.5 else None,
                highpass_hz=rng.uniform(40, 350) if rng.random() < 0.3 else None,
                lowpass_hz=rng.uniform(2800, 7800) if rng.random() < 0.2 else None,
                codec=str(rng.choice(list(recording_chain.CODECS))) if rng.random() < 0.06 else None,
            )
        if self.split == "train" and rng.random() < 0.7:  # or it would learn that clean pauses are digital silence
            chain = replace(chain, floor_db=rng.uniform(36, 70))
        seed = int(rng.integers(2**31))
        if rng.random() < options.reverb:
            room, seed = self.rooms[rng.integers(N_ROOMS)]
            chain = replace(chain, room=room, early=True)
        tilt = rng.uniform(-12, 12) if augment and rng.random() < 0.5 else None
        return Recipe(tuple(noises), float(snr_db), seed, tilt, chain, clip_db)

    def _sound(self, name: str, rng: np.random.Generator, augment: bool) -> FloatArray:
        if name == "babble":
            voices = [self.speech.piece(rng)[0] for _ in range(rng.integers(5, 12))]
            loud = [levels.active_level_db(voice, self.rate) + rng.uniform(0, 9) for voice in voices]
            wave = sum(v * np.float32(10 ** (-level / 20)) for v, level in zip(voices, loud, strict=True))
            return np.asarray(wave, dtype=np.float32)
        if name == "made":
            return synthetic_noise(self.n_samples, self.rate, rng)
        wave = self.noise[int(name.split("/")[1])]
        if augment and rng.random() < 0.4:
            longest = self.n_samples * 2
            if len(wave) > longest:
                wave = mix.audible_segment(wave, longest, rng)
            wave = change_speed(wave, rng.uniform(0.7, 1.4))
        if augment and rng.random() < 0.3:
            knots = np.arange(0, len(wave) + self.rate, self.rate // 2)  # a new level every half second
            gain = np.interp(np.arange(len(wave)), knots, 10 ** (rng.uniform(-12, 6, len(knots)) / 20))
            wave = np.asarray(wave * gain, dtype=np.float32)
        return wave
