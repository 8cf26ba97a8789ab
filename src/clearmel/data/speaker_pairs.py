"""Pairs of recordings of one speaker, made on the fly; each pair depends only on (seed, split, epoch, item)."""

import numpy as np
import torch

from clearmel.augmentation.formants import shift_formants
from clearmel.core.file_io import FloatArray
from clearmel.data.batching import Item
from clearmel.data.multi_speaker import MultiSpeakerMixtures


class SpeakerPairs(MultiSpeakerMixtures):
    """Waves (N,) "first" and "second" of one speaker, whose number is the label.

    Each has a room, a noise and a recording chain of its own. In training another speed and other resonances make
    further speakers: both recordings of a pair have the same.
    Arguments as for `MultiSpeakerMixtures`; the options have one voice.
    """

    def __getitem__(self, index: int) -> Item:
        first, second = self.drawn(2 * index), self.drawn(2 * index + 1)
        waves = {"first": torch.from_numpy(first.mixture), "second": torch.from_numpy(second.mixture)}
        label = sorted(self.speech.speakers).index(first.speakers[0])
        return Item(f"{self.split}_{self.epoch}_{index}", {}, float(label), waves)

    def _draw_voice(self, rng: np.random.Generator, taken: list[str], index: int) -> tuple[FloatArray, int]:
        training = self.split == "train"
        common = np.random.default_rng([self.seed, 4 if training else 5, self.epoch if training else 0, index // 2])
        speaker = self.speech.speaker(int(common.choice(self.speech.clean, p=self.speech.share)))
        augment = self.options.augment if training else 0.0
        speed = common.uniform(*self.policy.speech_speed_range) if common.random() < augment else 1.0
        ratio = common.uniform(*self.policy.formant_ratio_range) if common.random() < augment else 1.0
        wave, first = self.speech.piece(rng, speed, speaker=speaker)
        return (wave if ratio == 1.0 else shift_formants(wave, ratio, self.rate)), first
