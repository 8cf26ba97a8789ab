"""Labelled recordings: another crop, speed and level in every epoch."""

from pathlib import Path

import numpy as np
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.silence import trim_digital_silence
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted
from clearmel.data.batching import Item
from clearmel.data.labels import Listing
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.waveform_cache import WaveformCache
from clearmel.options import AugmentOptions


class LabelledAudio(MelDataset):
    """Mels of segments of labelled recordings.

    In training, an item is a random segment of `clip_s` seconds, augmented by `options`; otherwise it is the complete
    recording. Digital silence at both ends is always trimmed first.

    Args:
        listing: sound files with their labels.
        features: definition of a mel.
        clip_s: length of a segment in seconds; shorter recordings are used in full.
        options: augmentation in training; None: outside of training.
        seed: seed of all random draws.
        cache: see `WaveformCache`.

    Raises:
        InputError: a recording cannot be read, or is silent.
    """

    def __init__(
        self,
        listing: Listing,
        features: MelFeatures,
        clip_s: float,
        options: AugmentOptions | None = None,
        seed: int = 0,
        cache: Path | None = None,
    ) -> None:
        self.listing, self.features, self.options, self.seed = listing, features, options, seed
        self.recordings = WaveformCache(
            listing.root, [str(name) for name in listing.names], features.sample_rate, cache
        )
        self.n_samples = max(1, round(clip_s * features.sample_rate)) if clip_s and options else 0
        seconds = self.recordings.seconds() * features.sample_rate
        self.lengths = [features.n_frames(min(round(n), self.n_samples or round(n))) for n in seconds.tolist()]
        for index, name in enumerate(listing.names):
            if not self.recordings[index].any():
                raise InputError(f"{quoted(listing.root / name)} is silent; expected sound. Leave it out.")

    def __getitem__(self, index: int) -> Item:
        wave = trim_digital_silence(self.recordings[index])
        if self.options is not None:
            rng = np.random.default_rng([self.seed, self.epoch, index])
            wave = self._augment(wave, self.options, rng)
        mel = self.features.mel(torch.from_numpy(wave))
        return Item(self.listing.names[index].as_posix(), {"mel": mel}, float(self.listing.targets[index]))

    def _augment(self, wave: FloatArray, options: AugmentOptions, rng: np.random.Generator) -> FloatArray:
        rate = self.features.sample_rate
        speed = 1 + options.speed * rng.uniform(-1, 1)
        n_samples = round(self.n_samples * rng.uniform(options.shortest, 1)) if options.shortest < 1 else self.n_samples
        if options.speed:
            longest = round(n_samples * speed) + 1 if n_samples else len(wave)
            wave = sound_file.resample(_random_segment(wave, longest, rng), round(rate * speed), rate)
        if n_samples:
            wave = _random_segment(wave, n_samples, rng)
        if options.gain_db:
            wave = wave * np.float32(10 ** (options.gain_db * rng.uniform(-1, 1) / 20))
        return np.ascontiguousarray(wave)


def _random_segment(wave: FloatArray, n_samples: int, rng: np.random.Generator) -> FloatArray:
    """A random segment, or the full wave if it is not longer."""
    start = int(rng.integers(max(1, len(wave) - n_samples + 1)))
    return wave[start : start + n_samples]
