"""Evaluates a separator on mixtures of a folder, or on mixtures made on the fly."""

from typing import Any

import numpy as np
from tqdm import tqdm

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
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
from clearmel.options.evaluation import OutputOptions
from clearmel.reporting import tables
from clearmel.tasks import SeparationTask


def evaluate_separator(
    model_filename: str,
    dataset_path: str | None,
    mixing: MultiSpeakerOptions | None,
    output: OutputOptions,
    *,
    seed: int = 0,
    passes: int = 2,
    audio_metrics: bool = False,
) -> list[dict[str, Any]]:
    """Evaluates a separator; prints JSON and writes CSV where asked for.

    Args:
        model_filename: weights in models/.
        dataset_path: folder of mixtures.
        mixing: how to mix voices; where no folder is given.
        output: where the figures go.
        seed: of the mixtures.
        passes: times that each recording is processed, a part of a frame apart.
        audio_metrics: PESQ and ESTOI, too.

    Returns:
        A row for each system, see `separation_report.means`.

    Raises:
        InputError: packages are missing, or the mixtures have another number of voices than the network.
    """
    if audio_metrics:
        speech_quality.require()
    network = weights_file.load(weights_file.models_path(model_filename, saved=True), SeparationTask.name)
    assert isinstance(network, Separator)
    features = MelFeatures(**network.card["features"])
    data: MelDataset
    if dataset_path:
        folder = separation_folder.SeparationFolder(existing(dataset_path), features, faces=network.faces)
        data, count = folder, folder.n_voices
    else:
        assert mixing is not None
        pool = split_pools(mixing, seed)["train"]
        data, count = MultiSpeakerMixtures("val", pool, mixing, features, seed), mixing.n_voices
    if count != network.n_voices:
        raise InputError(f"the mixtures have {count} voices; {model_filename} tells {network.n_voices} apart.")

    def separate(mixture: FloatArray, faces: FloatArray | None) -> FloatArray:
        voices = VoiceSeparator(network, faces, passes)
        return np.concatenate(list(voices.tracks(iter([mixture[None]]))), axis=2)[:, 0]

    own = [
        (index, separation_report.rows([data[index]], separate, features, audio_metrics=audio_metrics))
        for index in tqdm(distributed.share(len(data)), unit="mixture", leave=False, disable=None)
    ]
    rows = [row for found in distributed.gather(own) for row in found]
    distributed.leave_to_rank_zero()
    table = separation_report.means(rows)
    tables.write(table, rows, output.csv_path, as_json=output.json)
    return table
