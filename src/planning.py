"""Plans every mixture of a dataset: which clean file, noises, SNR and chain, and in which split.

The plan depends only on the seed, the options and the names of the files.
"""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from src import audio, mixing
from src.errors import InputError, raise_all
from src.files import is_file, list_files, quoted
from src.labels import read_table
from src.options import BuildOptions, PoolOptions


@dataclass(frozen=True)
class Pool:
    """The recordings of one split; names are relative to the roots."""

    clean_root: str
    noise_root: str
    clean: tuple[str, ...]
    noise: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """All mixtures of one clean file."""

    split: str
    clean: str
    recipes: tuple[mixing.Recipe, ...]

    @property
    def name(self) -> str:
        """Unique over the splits."""
        return f"{self.split}/{self.clean}"

    def target(self, side: str, index: int) -> Path:
        """Path of one mixture's mel below the output folder."""
        relative = Path(self.clean)
        speaker = relative.parent if relative.parent != Path() else Path("unknown")
        # The suffix stays in the name where a.wav and a.flac lie side by side.
        stem = f"{relative.stem}_{relative.suffix[1:].lower()}_{index}"
        return Path(self.split) / side / speaker / f"{stem}.npy"

    def mixture(self, index: int) -> str:
        """Name of one mixture in its split, without suffix."""
        return self.target("noisy", index).relative_to(Path(self.split, "noisy")).as_posix().removesuffix(".npy")


def split_pools(options: PoolOptions, seed: int) -> dict[str, Pool]:
    """Clean and noise files by split. A speaker, and a noise source, is in one split only."""
    (clean_root, clean), (noise_root, noise) = _listed(options.clean_path), _listed(options.noise_path or None)
    held_clean_root, held_clean = _listed(options.val_clean_path)
    held_noise_root, held_noise = _listed(options.val_noise_path)
    train_clean, val_clean = (
        (clean, held_clean)
        if options.val_clean_path
        else _held_out(clean, options.val_speakers, options, "--val_speakers", seed)
    )
    train_noise, val_noise = (
        (noise, held_noise)
        if options.val_noise_path or not noise
        else _held_out(noise, options.val_noises, options, "--val_noises", seed)
    )
    pools = {"train": Pool(clean_root, noise_root, train_clean, train_noise)}
    if val_clean and (val_noise or not noise):
        pools["val"] = Pool(held_clean_root or clean_root, held_noise_root or noise_root, val_clean, val_noise)
    return pools


def _listed(place: str | None) -> tuple[str, tuple[str, ...]]:
    """Root and names of the recordings below a folder, or in a CSV file with the column "filename".

    Names in a CSV file are relative to its folder or to the current one.
    """
    if place is None:
        return "", ()
    if not place.lower().endswith(".csv") or Path(place).is_dir():
        return place, tuple(path.as_posix() for path in list_files(place, audio.SUFFIXES))
    listed = [row["filename"] for row in read_table(Path(place), ("filename",))]
    beside = [Path(place).parent / name for name in listed]
    found = [path if is_file(path) else Path(name) for path, name in zip(beside, listed, strict=True)]
    raise_all([f"{quoted(place)} lists {quoted(path)}, which is missing" for path in found if not is_file(path)])
    root = Path(os.path.commonpath([path.absolute().parent for path in found]))
    return str(root), tuple(sorted({path.absolute().relative_to(root).as_posix() for path in found}))


def _held_out(
    names: tuple[str, ...], asked: Sequence[str], options: PoolOptions, flag: str, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Splits names by group: the first sub-folder, or the file itself where it lies at the root."""
    other = {"--val_speakers": "--val_clean_path", "--val_noises": "--val_noise_path"}[flag]
    group = {name: name.split("/")[0] if "/" in name else Path(name).stem for name in names}
    groups = sorted(set(group.values()))
    unknown = sorted(set(asked) - set(groups))
    if unknown:
        raise InputError(f"{flag}: no {', '.join(unknown)}; expected some of {', '.join(groups[:12])}")
    chosen = set(asked)
    if not asked and options.val_fraction > 0:
        if len(groups) < 2:
            raise InputError(
                f"{quoted(names[0])}: a single speaker or noise cannot be split into train and val. "
                f"Add sub-folders or files, give {other} with other ones, or --val_fraction 0."
            )
        wanted = min(len(groups) - 1, max(1, round(options.val_fraction * len(groups))))
        chosen = set(np.random.default_rng(seed).permutation(groups)[:wanted].tolist())
    if chosen >= set(groups):
        raise InputError(f"{flag} takes all of {', '.join(groups[:12])}; nothing is left to train on.")
    return tuple(n for n in names if group[n] not in chosen), tuple(n for n in names if group[n] in chosen)


def plan(split: str, pool: Pool, options: BuildOptions) -> list[Job]:
    """Draws every recipe of a split; each clean file has its own generator."""
    count = options.n_mixtures if split == "train" else options.val_mixtures or options.n_mixtures
    jobs = []
    for name in pool.clean:
        rng = np.random.default_rng([options.seed, zlib.crc32(f"{split}/{name}".encode())])
        recipes = tuple(_draw(rng, split, pool, options) for _ in range(count * _n_pieces(pool, name, options)))
        jobs.append(Job(split, name, recipes))
    return jobs


def _n_pieces(pool: Pool, name: str, options: BuildOptions) -> int:
    """How many lengths of --clip_s a clip holds: long recordings give their share of the mixtures."""
    if not options.clip_s:
        return 1
    try:
        info = audio.inspect(Path(pool.clean_root, name))
    except InputError:  # told when it is cooked
        return 1
    return max(1, round(info.n_samples / info.sample_rate / options.clip_s))


def _draw(rng: np.random.Generator, split: str, pool: Pool, options: BuildOptions) -> mixing.Recipe:
    augment = rng.random() < (options.augment if split == "train" else 0.0)
    noises = [f"noise/{rng.choice(pool.noise)}"]
    kind = rng.random() if augment else 1.0
    if kind < 0.08:
        noises = ["coloured"]
    elif kind < 0.16:
        noises = [f"clean/{name}" for name in rng.choice(pool.clean, size=8)]
    elif kind < 0.4:
        noises.append("coloured" if rng.random() < 0.3 else f"noise/{rng.choice(pool.noise)}")
    recipe = mixing.Recipe(
        noises=tuple(noises),
        snr_db=round(rng.uniform(options.snr_min, options.snr_max), 2),
        seed=int(rng.integers(2**31)),
        noise_tilt_db=round(rng.uniform(-12.0, 12.0), 2) if augment and rng.random() < 0.6 else None,
        chain=mixing.draw_chain(rng, augment, options.reverb),
    )
    # A clean recording has a floor of its own, below the noise that the mixtures are made with.
    if split == "train" and options.floor > 0 and rng.random() < options.floor:
        chain = replace(recipe.chain, floor_db=round(rng.uniform(26.0, 50.0), 2))
        recipe = replace(recipe, chain=chain)
    return recipe


def rows(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The jobs as rows of mix.csv."""
    return [
        {"split": job.split, "name": f"{job.mixture(k)}.npy"} | {"clean": job.clean} | mixing.describe(recipe)
        for job in jobs
        for k, recipe in enumerate(job.recipes)
    ]
