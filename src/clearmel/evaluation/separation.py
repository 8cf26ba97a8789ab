"""A whole evaluation of a separator, once its flags are parsed."""

import argparse
from typing import Any

import numpy as np
from tqdm import tqdm

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.cli import parser
from clearmel.core import distributed
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, existing
from clearmel.data import separation_folder
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.multi_speaker import MultiSpeakerMixtures
from clearmel.data.splits import split_pools
from clearmel.evaluation import separation_report
from clearmel.inference.separate import VoiceSeparator
from clearmel.metrics import speech_quality
from clearmel.networks import Separator
from clearmel.options import MultiSpeakerOptions
from clearmel.reporting import tables
from clearmel.tasks import SeparationTask


def evaluate(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluates a separator on mixtures of a folder, or made here; prints JSON and writes CSV where asked for.

    Args:
        args: the flags of `eval_separation.py`.

    Returns:
        A row for each system, see `separation_report.means`.
    """
    if args.audio_metrics:
        speech_quality.require()
    network = weights_file.load(weights_file.models_path(args.model_filename, saved=True), SeparationTask.name)
    assert isinstance(network, Separator)
    features = MelFeatures(**network.card["features"])
    data: MelDataset
    if args.dataset_path:
        data = separation_folder.SeparationFolder(existing(args.dataset_path), features, faces=network.faces)
        count = data.n_voices
    else:
        options = parser.take(MultiSpeakerOptions, args, val_fraction=0.0)
        pool = split_pools(options, args.seed)["train"]
        data, count = MultiSpeakerMixtures("val", pool, options, features, args.seed), options.n_voices
    if count != network.n_voices:
        raise InputError(f"the mixtures have {count} voices; {args.model_filename} tells {network.n_voices} apart.")

    def separate(mixture: FloatArray, faces: FloatArray | None) -> FloatArray:
        voices = VoiceSeparator(network, faces, args.passes)
        return np.concatenate(list(voices.tracks(iter([mixture[None]]))), axis=2)[:, 0]

    own = [
        (index, separation_report.rows([data[index]], separate, features, audio_metrics=args.audio_metrics))
        for index in tqdm(distributed.share(len(data)), unit="mixture", leave=False, disable=None)
    ]
    rows = [row for found in distributed.gather(own) for row in found]
    distributed.leave_to_rank_zero()
    table = separation_report.means(rows)
    tables.write(table, rows, args)
    return table
