"""Divides clean and noise files into training and validation pools; no speaker or noise source is in both."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clearmel.audio import sound_file
from clearmel.core.errors import InputError, raise_all
from clearmel.core.file_io import is_file, list_files, quoted
from clearmel.data.labels import read_table
from clearmel.options import PoolOptions


@dataclass(frozen=True)
class Pool:
    """The recordings of one split; names are relative to the roots."""

    clean_root: str
    noise_root: str
    clean: tuple[str, ...]
    noise: tuple[str, ...]


def split_pools(options: PoolOptions, seed: int) -> dict[str, Pool]:
    """Clean and noise files by split; each speaker and each noise source is in one split only."""
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
        names = tuple(path.as_posix() for path in list_files(place, sound_file.SUFFIXES))
        return place, names
    listed = [row["filename"] for row in read_table(Path(place), ("filename",))]
    beside = [Path(place).parent / name for name in listed]
    found = [path if is_file(path) else Path(name) for path, name in zip(beside, listed, strict=True)]
    raise_all([f"{quoted(place)} lists {quoted(path)}, which is missing" for path in found if not is_file(path)])
    root = Path(os.path.commonpath([path.absolute().parent for path in found]))
    return str(root), tuple(sorted({path.absolute().relative_to(root).as_posix() for path in found}))


def _held_out(
    names: tuple[str, ...], asked: Sequence[str], options: PoolOptions, flag: str, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Splits names by group: the first sub-folder, or the file itself if it lies at the root."""
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
                f"Add sub-folders or files, give others by {other}, or set --val_fraction 0."
            )
        wanted = min(len(groups) - 1, max(1, round(options.val_fraction * len(groups))))
        chosen = set(np.random.default_rng(seed).permutation(groups)[:wanted].tolist())
    if chosen >= set(groups):
        raise InputError(f"{flag} takes all of {', '.join(groups[:12])}; nothing is left to train on.")
    return tuple(n for n in names if group[n] not in chosen), tuple(n for n in names if group[n] in chosen)
