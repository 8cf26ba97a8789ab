"""Noise, rooms and recording chains for labelled clips, whose labels stay; each draw depends only on its generator.

Shapes: N samples, K decisions.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from clearmel.audio import levels, sound_file
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix
from clearmel.augmentation.policy import CUTTING
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, list_files, quoted
from clearmel.data.noisy_speech import NoisySpeech
from clearmel.data.splits import Pool
from clearmel.options import ClipNoiseOptions, MixOptions

PAUSE_S = (0.2, 3.0)
"""Lengths between which an inserted pause lasts."""
LEVELS_DB = (-20.0, 0.0)
"""Levels between which the phrases of a clip lie: several people at one microphone are so far apart."""
Denoise = Callable[[FloatArray], FloatArray]
"""Removes the noise of a wave (N,)."""


class ClipNoise(NoisySpeech):
    """Mixes a clip with noise at a drawn SNR, in a drawn room and through a drawn recording chain.

    In training everything is augmented by the policy `CUTTING`; in validation the noise is one recorded noise. The
    voices of crowds and babble are those of the clips.

    Args:
        split: "train" or "val".
        root: folder of the clips.
        names: their paths below the root.
        options: the noise and the rooms.
        features: defines the sample rate.
        clip_s: length of a generated noise in seconds.
        seed: seed of the simulated rooms.
        cache: see `WaveformCache`.
        denoise: denoises `options.denoised_share` of the clips, because the cutter also decides on denoised sound.

    Raises:
        InputError: the folder of noises holds no recording, or one cannot be read.
    """

    policy = CUTTING

    def __init__(
        self,
        split: str,
        root: Path,
        names: tuple[str, ...],
        options: ClipNoiseOptions,
        features: MelFeatures,
        clip_s: float,
        seed: int = 0,
        cache: Path | None = None,
        denoise: Denoise | None = None,
    ) -> None:
        self.shares, self.denoise = options, denoise
        folder = options.noise_path if split == "train" else options.val_noise_path
        noise = tuple(path.as_posix() for path in list_files(folder, sound_file.SUFFIXES))
        if not noise:
            raise InputError(f"{quoted(folder)} holds no recordings; expected noises.")
        mixing = MixOptions(
            clip_s=clip_s, augment=1.0, reverb=options.reverb, rir_path=options.rir_path, min_range_db=0.0,
            snr_min=options.snr_min, snr_max=options.snr_max, other_voices=0.0,
        )  # fmt: skip
        super().__init__(split, Pool(str(root), folder, names, noise), mixing, features, seed, cache)

    def noisy(
        self, wave: FloatArray, keep: FloatArray, step: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """A clip with noise; unchanged if it is silent.

        Args:
            wave: (N,).
            keep: labels and weights (K, 2) of its decisions.
            step: samples per decision.
            rng: random generator.

        Returns:
            The wave (N,), and the labels (K, 2), into which a pause may have been inserted.
        """
        augment = self.split == "train"
        if augment and rng.random() < self.shares.pause_share:
            wave, keep = with_pause(wave, keep, step, self.rate, rng)
        if rng.random() < self.shares.levels_share:
            wave = with_levels(wave, keep, step, rng)
        if not np.isfinite(levels.active_level_db(wave, self.rate)):
            return wave, keep
        recipe = self._draw_recipe(rng, augment)
        wave = mix.mix(wave, recipe, lambda name: self.noise.wave(name, rng, augment), self.rate)[0]
        if self.denoise is not None and rng.random() < self.shares.denoised_share:
            wave = self.denoise(wave)
        return wave, keep


def with_pause(
    wave: FloatArray, keep: FloatArray, step: int, sample_rate: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Inserts silence in a part that is cut, and drops as much of the end.

    Args:
        wave: (N,).
        keep: labels and weights (K, 2) of its decisions.
        step: samples per decision.
        sample_rate: in Hz.
        rng: random generator.

    Returns:
        The wave (N,) and its labels (K, 2); unchanged if no decision is labelled cut.
    """
    places = np.flatnonzero((keep[:, 0] == 0) & (keep[:, 1] > 0))
    if not len(places):
        return wave, keep
    place, count = int(rng.choice(places)), round(rng.uniform(*PAUSE_S) * sample_rate / step)
    silent = np.zeros(count * step, np.float32)
    longer = np.concatenate([wave[: place * step], silent, wave[place * step :]])
    labels = np.concatenate([keep[: place + 1], np.tile(keep[place], (count, 1)), keep[place + 1 :]])
    return longer[: len(wave)], labels[: len(keep)]


def with_levels(wave: FloatArray, keep: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
    """Gives each part (N,) between the pauses a level of its own; a level changes in the middle of a pause.

    Args:
        wave: (N,).
        keep: labels and weights (K, 2) of its decisions.
        step: samples per decision.
        rng: random generator.
    """
    cut = (keep[:, 0] == 0) & (keep[:, 1] > 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], cut, [False]]).astype(np.int8))).reshape(-1, 2)
    places = edges.mean(axis=1) * step
    gains_db = rng.uniform(*LEVELS_DB, len(places) + 1)
    knots = np.stack([places - step / 2, places + step / 2], axis=1).ravel()
    values = np.stack([gains_db[:-1], gains_db[1:]], axis=1).ravel()
    gain_db = np.interp(np.arange(len(wave)), knots, values) if len(knots) else gains_db[0]
    return np.asarray(wave * 10 ** (gain_db / 20), np.float32)
