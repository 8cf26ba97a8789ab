"""Evaluates a separator on mixtures of a folder or on mixtures made on the fly."""

from typing import Any

import numpy as np

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core import distributed
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, existing
from clearmel.data.batching import Batch
from clearmel.evaluation import separation_report
from clearmel.evaluation.base import evaluate_task
from clearmel.inference.voice_separator import VoiceSeparator
from clearmel.metrics import speech_quality
from clearmel.networks import Network, Separator
from clearmel.options import TRACK_STRENGTH, MultiSpeakerOptions
from clearmel.options.evaluation import EvalOptions, OutputOptions
from clearmel.options.source import Source
from clearmel.reporting import tables
from clearmel.tasks import SeparationTask
from clearmel.tasks.base import Record


class _Evaluation(SeparationTask):
    """Separation as in inference, in windows and passes; a batch holds one mixture."""

    def __init__(
        self,
        network: Network,
        source: Source,
        mixing: MultiSpeakerOptions | None,
        passes: int,
        strength: float,
        audio_metrics: bool,
    ) -> None:
        features, kind = MelFeatures(**network.card["features"]), weights_file.flag_name(network)
        super().__init__(source, features, network_name=kind, voices=mixing, folder=mixing is None)
        self.passes, self.strength, self.audio_metrics = passes, strength, audio_metrics

    def records(self, network: Network, batch: Batch) -> list[Record]:
        """The name of the mixture, and "systems", see `separation_report.rows`."""
        assert isinstance(network, Separator)
        waves = {role: wave[0].cpu() for role, wave in batch.waves.items()}
        mixture, voices, faces = waves["mixture"], self.wanted(batch)[0].cpu(), waves.get("faces")
        if len(voices) != network.n_voices:
            raise InputError(f"the mixtures have {len(voices)} voices; these weights separate {network.n_voices}.")
        separator = VoiceSeparator(network, None if faces is None else faces.numpy(), self.passes, self.strength)
        pieces: list[FloatArray] = list(separator.tracks(iter([mixture.numpy()[None]])))
        estimates = np.concatenate(pieces, axis=2)[:, 0]
        rows = separation_report.rows(estimates, mixture, voices, self.features, audio_metrics=self.audio_metrics)
        return [{"name": batch.names[0], "systems": rows}]


def evaluate_separator(
    model_filename: str,
    dataset_path: str | None,
    mixing: MultiSpeakerOptions | None,
    output: OutputOptions,
    *,
    seed: int = 0,
    passes: int = 2,
    strength: float = TRACK_STRENGTH,
    audio_metrics: bool = False,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """Evaluates a separator; prints JSON and writes CSV as `output` says.

    Args:
        model_filename: weights in models/.
        dataset_path: folder of mixtures; None: make them.
        mixing: how to make them; then required.
        output: where the figures go.
        seed: of the mixtures.
        passes: passes over each mixture, see `VoiceSeparator`.
        strength: of the denoiser in each track.
        audio_metrics: also compute PESQ and ESTOI.
        device: where the network computes.

    Returns:
        A row for each system, see `separation_report.means`.

    Raises:
        InputError: packages are missing, or the mixtures have another number of voices than the network.
    """
    if audio_metrics:
        speech_quality.require()
    network = weights_file.load(weights_file.models_path(model_filename, saved=True), SeparationTask.name)
    source = Source(str(existing(dataset_path)) if dataset_path else "", seed=seed)
    task = _Evaluation(network, source, None if dataset_path else mixing, passes, strength, audio_metrics)
    _, records, _ = evaluate_task(task, network, EvalOptions(batch_size=1, device=device))
    distributed.leave_to_rank_zero()
    rows = [{"name": record["name"]} | row for record in records for row in record["systems"]]
    table = separation_report.means(rows)
    tables.write(table, rows, output.csv_path, as_json=output.json)
    return table
