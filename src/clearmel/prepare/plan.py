"""Plans every mixture of a dataset: its clean file, noises, SNR, chain and split.

The plan depends only on the seed, the options and the file names.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clearmel.audio import sound_file
from clearmel.augmentation import mix, recording_chain
from clearmel.augmentation.policy import DATASET, AugmentationPolicy, draw_optional
from clearmel.core.errors import InputError
from clearmel.data.splits import Pool
from clearmel.options import BuildOptions


@dataclass(frozen=True)
class Job:
    """All mixtures of one clean file."""

    split: str
    clean: str
    recipes: tuple[mix.Recipe, ...]

    @property
    def name(self) -> str:
        """The clean file with its split; unique over all splits."""
        return f"{self.split}/{self.clean}"

    def target(self, side: str, index: int) -> Path:
        """Path of one mixture's mel below the output folder."""
        relative = Path(self.clean)
        speaker = relative.parent if relative.parent != Path() else Path("unknown")
        # The suffix is part of the name: a.wav and a.flac may lie side by side.
        stem = f"{relative.stem}_{relative.suffix[1:].lower()}_{index}"
        return Path(self.split) / side / speaker / f"{stem}.npy"

    def mixture(self, index: int) -> str:
        """Name of one mixture in its split, without suffix."""
        return self.target("noisy", index).relative_to(Path(self.split, "noisy")).as_posix().removesuffix(".npy")


def draw_jobs(split: str, pool: Pool, options: BuildOptions, policy: AugmentationPolicy = DATASET) -> list[Job]:
    """Draws every recipe of a split; each clean file has its own generator."""
    count = options.n_mixtures if split == "train" else options.val_mixtures or options.n_mixtures
    jobs = []
    for name in pool.clean:
        rng = np.random.default_rng([options.seed, zlib.crc32(f"{split}/{name}".encode())])
        recipes = tuple(
            _draw_recipe(rng, split, pool, options, policy) for _ in range(count * _n_segments(pool, name, options))
        )
        jobs.append(Job(split, name, recipes))
    return jobs


def _n_segments(pool: Pool, name: str, options: BuildOptions) -> int:
    """Number of segments of `clip_s` in a recording, so that long recordings give more mixtures."""
    if not options.clip_s:
        return 1
    try:
        info = sound_file.inspect(Path(pool.clean_root, name))
    except InputError:  # reported when the mixture is computed
        return 1
    return max(1, round(info.n_samples / info.sample_rate / options.clip_s))


def _draw_recipe(
    rng: np.random.Generator, split: str, pool: Pool, options: BuildOptions, policy: AugmentationPolicy
) -> mix.Recipe:
    augment = rng.random() < (options.augment if split == "train" else 0.0)
    noises = [f"noise/{rng.choice(pool.noise)}"]
    kind = policy.noise_kind(rng.random()) if augment else "recorded"
    if kind == "coloured":
        noises = ["coloured"]
    elif kind == "babble":
        low, high = policy.babble_voices
        noises = [f"clean/{name}" for name in rng.choice(pool.clean, size=rng.integers(low, high + 1))]
    elif kind == "several":
        coloured = rng.random() < policy.second_coloured_probability
        noises.append("coloured" if coloured else f"noise/{rng.choice(pool.noise)}")
    recipe = mix.Recipe(
        noises=tuple(noises),
        snr_db=round(policy.draw_snr_db(rng, options.snr_min, options.snr_max), 2),
        seed=int(rng.integers(2**31)),
        noise_tilt_db=draw_optional(rng, policy.noise_tilt_probability, policy.noise_tilt_range_db, 2)
        if augment
        else None,
        chain=recording_chain.draw_chain(rng, augment, options.reverb, policy),
    )
    # Real clean recordings have a noise floor, below the noise that is mixed in.
    if split == "train" and options.floor > 0 and rng.random() < options.floor:
        chain = replace(recipe.chain, floor_db=round(rng.uniform(*policy.floor_option_range_db), 2))
        recipe = replace(recipe, chain=chain)
    return recipe


def rows(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The jobs as rows of mix.csv."""
    return [
        {"split": job.split, "name": f"{job.mixture(k)}.npy"} | {"clean": job.clean} | mix.describe(recipe)
        for job in jobs
        for k, recipe in enumerate(job.recipes)
    ]
