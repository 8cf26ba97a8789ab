"""Items for the classifier of noise behind speech, mixed from waves at random SNRs."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.policy import NOISE_PRESENCE
from clearmel.augmentation.recording_chain import draw_codec
from clearmel.data.batching import Item
from clearmel.data.noise_sources import SYNTHETIC
from clearmel.data.noisy_speech import NoisySpeech


class NoisePresence(NoisySpeech):
    """Waves of speech with noise (label 0, even indices) and without (label 1, odd indices).

    Both classes pass the same recording chains (room, level, tilt, band limits, codec, hiss well below the speech), so
    that only the noise distinguishes them. Unlike in other datasets, validation items are augmented too, with a seed of
    their own: they are equal in every run.
    """

    policy = NOISE_PRESENCE

    def __getitem__(self, index: int) -> Item:
        rng = self._generator(index)
        noisy, clean = self._mixture(rng, rng.random() < self.options.augment)
        wave = clean if index % 2 else noisy
        return Item(f"{self.split}_{self.epoch}_{index}", {}, float(index % 2), {"mel": torch.from_numpy(wave)})

    def described(self, index: int) -> dict[str, Any]:
        """The "noise" (its type, the name of its folder) and "snr_db" of an item; empty and nan if it is clean."""
        if index % 2:
            return {"noise": "", "snr_db": float("nan")}
        rng = self._generator(index)
        augment = rng.random() < self.options.augment
        self._draw_speech(rng, augment)
        recipe = self._draw_recipe(rng, augment)
        kinds = [self.noise.kind(name) for name in recipe.noises]
        return {"noise": " + ".join(sorted(set(kinds))), "snr_db": recipe.snr_db}

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
        snr_db = rng.uniform(self.options.snr_min, self.options.snr_max)
        return replace(recipe, noises=recipe.noises or (SYNTHETIC,), snr_db=snr_db, chain=chain, clip_db=None)
