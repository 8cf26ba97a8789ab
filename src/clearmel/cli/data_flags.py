"""Flags that name the data: folders of pairs, recordings to mix, lists, labelled clips."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from clearmel.cli.parser import Parser, add_option_flags, fraction, seconds, take
from clearmel.core.errors import InputError
from clearmel.options import MixOptions
from clearmel.options.source import Source


def add_data_flags(parser: Parser, dataset_path: str, *, training: bool) -> None:
    """--dataset_path, and the flat pairs of folders that may stand in its place."""
    group = parser.add_argument_group("data")
    holds = "train/ and val/, each with" if training else "folder with"
    group.add_argument(
        "--dataset_path", default=dataset_path, help=f"{holds} noisy/ and clean/ (.npy mels or sound files), or shards"
    )
    group.add_argument("--noisy_path", help="flat folder of noisy files, with --clean_path in place of --dataset_path")
    group.add_argument("--clean_path", help="flat folder of their clean partners of the same names")
    if training:
        group.add_argument("--val_noisy_path", help="flat folder of noisy files to validate on")
        group.add_argument("--val_clean_path", help="flat folder of their clean partners")
    group.add_argument("--cache_path", help="folder that keeps the mels of sound files from epoch to epoch")


def flat_pairs(args: argparse.Namespace, split: str) -> tuple[tuple[str, tuple[str, str]], ...]:
    """The flat pairs that the data flags give, as `Source.flat` wants them.

    Raises:
        InputError: one side of a pair is missing.
    """
    found = []
    if getattr(args, "noise_path", None):
        return ()
    for name, prefix in ((split, ""), ("val", "val_")):
        pair = getattr(args, f"{prefix}noisy_path", None), getattr(args, f"{prefix}clean_path", None)
        if any(pair) and not all(pair):
            raise InputError(f"--{prefix}noisy_path and --{prefix}clean_path go together; give both.")
        if all(pair):
            found.append((name, cast(tuple[str, str], pair)))
    if len(found) == 1 and found[0][0] == "val" and split != "val":
        raise InputError("--val_noisy_path and --val_clean_path need --noisy_path and --clean_path to train on.")
    return tuple(found)


def add_clip_flags(parser: Parser, *, training: bool) -> None:
    """--dataset_path and --labels_path of labelled clips, and how they are split."""
    group = parser.add_argument_group("data")
    group.add_argument("--dataset_path", default="./data/clips", help="folder of recordings, with their labels.json")
    group.add_argument("--labels_path", help="labels that lie elsewhere (default: labels.json there, or .npy masks)")
    group.add_argument("--cache_path", help="folder that keeps the decoded recordings from run to run")
    if training:
        group.add_argument("--val_fraction", type=fraction, default=0.2, help="share of the clips to validate on")
        group.add_argument("--clip_s", type=seconds, default=5.0, help="length of the pieces to train on in seconds")


def add_mixing_flags(parser: Parser, leave_out: Sequence[str] = (), **defaults: Any) -> None:
    """--noise_path and the other fields of `MixOptions`; see `parser.add_option_flags`."""
    group = parser.add_argument_group("mixing on the fly, where --noise_path is given")
    add_option_flags(group, MixOptions, leave_out=("clean_path", "val_clean_path", *leave_out), **defaults)


def mixing(args: argparse.Namespace) -> MixOptions | None:
    """How to mix on the fly, None without --noise_path.

    Raises:
        InputError: --clean_path is missing, or a flat pair is given, too.
    """
    if not args.noise_path:
        if getattr(args, "val_noise_path", None):
            raise InputError("--val_noise_path needs --noise_path to train on.")
        return None
    if not args.clean_path or args.noisy_path or getattr(args, "val_noisy_path", None):
        raise InputError("--noise_path goes with --clean_path, and without --noisy_path or --val_noisy_path.")
    return take(MixOptions, args)


def add_list_flags(parser: Parser, training: bool) -> None:
    """--speech_csv and --noise_csv, lists in place of the folders to mix."""
    group = parser.add_argument_group("lists (column: filename) in place of folders to mix")
    group.add_argument("--speech_csv", help="recordings of clean speech, in place of --clean_path")
    group.add_argument("--noise_csv", help="recordings of noise, in place of --noise_path")
    if training:
        group.add_argument("--val_speech_csv", help="speech to validate on, in place of --val_clean_path")
        group.add_argument("--val_noise_csv", help="noise to validate on, in place of --val_noise_path")


def use_lists(args: argparse.Namespace) -> None:
    """Puts the lists of `add_list_flags` where the folders would stand.

    Raises:
        InputError: a list and the folder that it stands for are both given.
    """
    for prefix in ("", "val_"):
        for kind, folder in (("speech", "clean_path"), ("noise", "noise_path")):
            listed = getattr(args, f"{prefix}{kind}_csv", None)
            if listed and getattr(args, prefix + folder, None):
                raise InputError(f"--{prefix}{kind}_csv stands in place of --{prefix}{folder}; give one of them.")
            if listed:
                setattr(args, prefix + folder, listed)


MIXED = ("clean_path", "noise_path", "val_clean_path", "val_noise_path", "noisy_path", "val_noisy_path", "rir_path")


def places(args: argparse.Namespace) -> list[str | None]:
    """The folders that the data are read from: those of recordings to mix and of flat pairs, else --dataset_path."""
    mixed = [getattr(args, name, None) for name in MIXED]
    return mixed if any(mixed) else [args.dataset_path]


def skipped(places: Sequence[str | None]) -> int:
    """Names on stderr the recordings below some folders that have no decoder.

    Returns:
        The exit status of a command that leaves them out: 1 if there are any, else 0.
    """
    from clearmel.core import batch_files

    folders = dict.fromkeys(place for place in places if place and Path(place).is_dir())
    return int(any([batch_files.report_undecoded(folder) for folder in folders]))


def source(args: argparse.Namespace, split: str, seed: int) -> Source:
    """The source of data that the flags of this module name.

    Args:
        args: the parsed flags.
        split: "train", or "." to evaluate on the folder itself.
        seed: of the mixtures.
    """
    mixes = hasattr(args, "clean_path") and hasattr(args, "noise_path")
    mixed = mixing(args) if mixes else None
    held = {name: getattr(args, name) for name in ("val_fold", "val_fraction") if hasattr(args, name)}
    return Source(args.dataset_path, flat_pairs(args, split), args.cache_path, mixed, seed, **held)
