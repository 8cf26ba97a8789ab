"""Evaluates an encoder of speakers on pairs of recordings."""

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core import distributed
from clearmel.evaluation.base import evaluate_task
from clearmel.options import SpeakerOptions
from clearmel.options.evaluation import EvalOptions, OutputOptions
from clearmel.options.source import Source
from clearmel.reporting import tables
from clearmel.tasks import SpeakersTask


def evaluate_encoder(
    model_filename: str, pairs: SpeakerOptions, options: EvalOptions, output: OutputOptions, *, seed: int = 0
) -> dict[str, float]:
    """Evaluates an encoder; prints JSON and writes CSV (a row for each pair) as `output` says.

    Args:
        model_filename: weights in models/.
        pairs: the recordings, and how pairs are drawn.
        options: batch size, device and processes.
        output: where the figures go.
        seed: of the pairs.

    Returns:
        "eer", a fraction, and the number "n" of pairs.
    """
    network = weights_file.load(weights_file.models_path(model_filename, saved=True), SpeakersTask.name)
    features = MelFeatures(**network.card["features"])
    task = SpeakersTask(Source(seed=seed), features, network_name=weights_file.flag_name(network), pairs=pairs)
    _, records, report = evaluate_task(task, network, options)
    distributed.leave_to_rank_zero()
    rows = [{key: value for key, value in record.items() if key != "embeddings"} for record in records]
    tables.write(report, rows, output.csv_path, as_json=output.json)
    return report
