"""Items for the classifier of noise behind speech, mixed from waves at random SNRs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clearmel.audio import levels
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.policy import NOISE_PRESENCE
from clearmel.augmentation.recording_chain import CODECS, draw_codec
from clearmel.core.file_io import FloatArray
from clearmel.data.batching import Item
from clearmel.data.noise_sources import SYNTHETIC
from clearmel.data.noisy_speech import NoisySpeech
from clearmel.data.splits import Pool
from clearmel.metrics import snr
from clearmel.options import MixOptions


class NoisePresence(NoisySpeech):
    """Waves of speech with noise (even indices), and without or with faint noise (odd indices), and their SNRs.

    The SNR of an item counts its noise within the band of its recording chain, the hiss of that chain, and the noise
    floor of the recording of clean speech. It decides the label: 0 (noisy) below `snr.BOUNDARY_DB`, 1 (clean) above.
    See `clearmel.metrics.snr`.

    All items pass the same recording chains (room, level, tilt, band limits, codec, hiss well below the speech), so
    that only the noise distinguishes them. Unlike in other datasets, validation items are augmented too, with a seed of
    their own: they are equal in every run.

    Training may use each mixture in several epochs (`echo`), whose mels are then kept. Source: Choi et al., "Faster
    Neural Network Training with Data Echoing", 2019.
    """

    policy = NOISE_PRESENCE

    def __init__(
        self, split: str, pool: Pool, options: MixOptions, features: MelFeatures, seed: int, cache: Path | None = None
    ) -> None:
        super().__init__(split, pool, options, features, seed, cache)
        self.features = features
        self._echoes: dict[int, tuple[int, Item]] = {}

    def __getitem__(self, index: int) -> Item:
        if self.options.echo == 1:
            return self._item(index)
        age = self.epoch // self.options.echo if self.split == "train" else 0
        if index not in self._echoes or self._echoes[index][0] != age:
            item = self._item(index)
            mel = self.features.mel(item.waves["mel"])
            self._echoes[index] = age, item._replace(mels={"mel": mel}, waves={})
        return self._echoes[index][1]

    def _item(self, index: int) -> Item:
        rng = self._generator(index)
        augment = rng.random() < self.options.augment
        speech, source = self._draw_speech(rng, augment)
        recipe = self._item_recipe(index, rng, augment)
        noisy, clean = mix.filtered(speech, recipe, lambda name: self.noise.wave(name, rng, augment), self.rate)
        hiss_db = np.inf if recipe.chain.floor_db is None else recipe.chain.floor_db
        own_db = levels.snr_db(self.speech.recordings[source], self.rate)
        snr_db = snr.total_db(self._noise_snr_db(noisy, clean), hiss_db, own_db)
        wave = mix.finished(noisy[None], recipe, self.rate)[0]
        name = f"{self.split}_{self.epoch}_{index}"
        return Item(name, {}, float(snr_db >= snr.BOUNDARY_DB), {"mel": torch.from_numpy(wave)}, snr_db)

    def described(self, index: int) -> dict[str, Any]:
        """The "noise" of an item (its type, the name of its folder); empty without noise."""
        rng = self._generator(index)
        augment = rng.random() < self.options.augment
        self._draw_speech(rng, augment)
        recipe = self._item_recipe(index, rng, augment)
        return {"noise": " + ".join(sorted({self.noise.kind(name) for name in recipe.noises}))}

    def _item_recipe(self, index: int, rng: np.random.Generator, augment: bool) -> Recipe:
        recipe, policy = self._draw_recipe(rng, augment), self.policy
        if index % 2 == 0:
            return recipe
        if augment and rng.random() < policy.faint_noise_probability:
            return replace(recipe, snr_db=rng.uniform(*policy.faint_noise_range_db))
        return replace(recipe, noises=())

    def _draw_recipe(self, rng: np.random.Generator, augment: bool) -> Recipe:
        recipe = super()._draw_recipe(rng, augment)
        chain = replace(recipe.chain, early=False)  # reverberation is not noise: both classes keep all of it
        if augment:
            line = self.policy.telephone(rng.random())
            if line == "codec":
                chain = replace(chain, codec=draw_codec(rng))
            elif line == "band":
                highpass_hz = rng.uniform(*self.policy.telephone_highpass_range_hz)
                lowpass_hz = rng.uniform(*self.policy.telephone_lowpass_range_hz)
                chain = replace(chain, highpass_hz=highpass_hz, lowpass_hz=lowpass_hz)
        if chain.codec and CODECS[chain.codec][2] < self.rate and not chain.band_edge_hz:  # what it leaves out
            chain = replace(chain, band_edge_hz=CODECS[chain.codec][2] / 2)
        snr_db = rng.uniform(self.options.snr_min, self.options.snr_max)
        return replace(recipe, noises=recipe.noises or (SYNTHETIC,), snr_db=snr_db, chain=chain, clip_db=None)

    def _noise_snr_db(self, noisy: FloatArray, clean: FloatArray) -> float:
        """SNR between active levels of a mixture (N,) and its clean side; inf without noise."""
        noise_db = levels.active_level_db(noisy - clean, self.rate)
        return levels.active_level_db(clean, self.rate) - noise_db if np.isfinite(noise_db) else np.inf
