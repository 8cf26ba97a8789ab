"""Evaluates a cutter on labelled clips, compared with other systems on the same frames."""

from typing import Any, NamedTuple

from clearmel.checkpoints import weights_file
from clearmel.core import distributed
from clearmel.data.cut_clips import CutClips
from clearmel.evaluation import cutting_baselines
from clearmel.evaluation.base import evaluate_task
from clearmel.inference import cut
from clearmel.metrics import cutting
from clearmel.options import CutOptions
from clearmel.options.evaluation import EvalOptions, OutputOptions
from clearmel.options.source import Source
from clearmel.reporting import tables
from clearmel.tasks import CuttingTask


class EvaluatedCutter(NamedTuple):
    """The figures of a cutter.

    report: see `metrics.cutting`. table: one row per system, all at the same keep recall. curves: by system.
    """

    report: dict[str, Any]
    table: list[dict[str, Any]]
    curves: dict[str, list[dict[str, float]]]


def evaluate_cutter(
    model_filename: str,
    source: Source,
    options: EvalOptions,
    output: OutputOptions,
    *,
    labels_path: str | None = None,
    collar_s: float = 0.08,
    strength: float = 0.5,
    peers: bool = True,
) -> EvaluatedCutter:
    """Evaluates a cutter; prints JSON and writes CSV as `output` says.

    Args:
        model_filename: weights in models/.
        source: the folder of the clips.
        options: batch size, device and processes.
        output: where the figures go.
        labels_path: labels, if not in that folder.
        collar_s: the figures with a collar ignore frames within this distance of a label change.
        strength: of the cuts that are counted as events.
        peers: also run the other systems.
    """
    network = weights_file.load(weights_file.models_path(model_filename, saved=True), CuttingTask.name)
    editor = cut.Editor(network)
    task = CuttingTask(
        source,
        editor.features,
        network_name=weights_file.flag_name(network),
        labels_path=labels_path,
        collar_s=collar_s,
        threshold=editor.threshold,
    )
    data, records, figures = evaluate_task(task, network, options)
    distributed.leave_to_rank_zero()
    chosen = CutOptions.of_strength(strength, editor.threshold)
    rows = cutting.rows_of(records, editor.threshold, chosen)
    edits = cutting.summed([cutting.edited(record["decisions"], chosen) for record in records])
    systems = {model_filename: [record["decisions"] for record in records]}
    if peers:
        assert isinstance(data, CutClips)
        systems |= cutting_baselines.predict_peers(data, systems[model_filename])
    joined = {name: cutting.concatenate(parts) for name, parts in systems.items()}
    table = [{"system": name} | cutting.at_keep_recall(decisions) for name, decisions in joined.items()]
    curves = {name: cutting.curve(decisions) for name, decisions in joined.items()}
    report = figures | edits | {"curve": curves[model_filename], "systems": table}
    tables.write(report, rows, output.csv_path, as_json=output.json)
    return EvaluatedCutter(report, table, curves)
