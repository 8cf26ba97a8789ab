"""A whole evaluation of a separator, once its flags are parsed."""

import argparse
from typing import Any

import numpy as np
from tqdm import tqdm

from src import checkpoint, cli, mixed_folders, processes, quality, results, separating, separation_report
from src.datasets import MelDataset
from src.errors import InputError
from src.features import MelFeatures
from src.files import FloatArray, existing
from src.networks import Separator
from src.options import VoiceOptions
from src.planning import split_pools
from src.tasks import SeparationTask
from src.voice_mixtures import VoiceMixtures


def evaluate(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluates a separator on mixtures of a folder, or made here; prints JSON and writes CSV where asked for.

    Args:
        args: the flags of `eval_separation.py`.

    Returns:
        A row for each system, see `separation_report.means`.
    """
    if args.audio_metrics:
        quality.require()
    network = checkpoint.load(checkpoint.models_path(args.model_filename, saved=True), SeparationTask.name)
    assert isinstance(network, Separator)
    features = MelFeatures(**network.card["features"])
    data: MelDataset
    if args.dataset_path:
        data = mixed_folders.MixedFolder(existing(args.dataset_path), features, faces=network.faces)
        count = data.n_voices
    else:
        options = cli.take(VoiceOptions, args, val_fraction=0.0)
        pool = split_pools(options, args.seed)["train"]
        data, count = VoiceMixtures("val", pool, options, features, args.seed), options.n_voices
    if count != network.n_voices:
        raise InputError(f"the mixtures have {count} voices; {args.model_filename} tells {network.n_voices} apart.")

    def separate(mixture: FloatArray, faces: FloatArray | None) -> FloatArray:
        voices = separating.Voices(network, faces, args.passes)
        return np.concatenate(list(voices.tracks(iter([mixture[None]]))), axis=2)[:, 0]

    own = [
        (index, separation_report.rows([data[index]], separate, features, audio_metrics=args.audio_metrics))
        for index in tqdm(processes.own(len(data)), unit="mixture", leave=False, disable=None)
    ]
    rows = [row for found in processes.gathered(own) for row in found]
    processes.main_goes_on()
    table = separation_report.means(rows)
    results.write(table, rows, args)
    return table
