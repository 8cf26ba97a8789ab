"""A whole run over speech to be cut, once its flags are parsed: evaluating weights, or editing recordings."""

import argparse
from typing import Any, NamedTuple

from clearmel.checkpoints import weights_file
from clearmel.core import distributed
from clearmel.evaluation import cutting_baselines
from clearmel.inference import cut
from clearmel.metrics import cutting
from clearmel.options import CutOptions
from clearmel.options.source import Source
from clearmel.reporting import tables
from clearmel.tasks import CuttingTask
from clearmel.training import evaluate as training_evaluate
from clearmel.training.evaluate import make_accelerator


class Evaluated(NamedTuple):
    """What came of evaluating a cutter.

    report: figures, see `cut_report`. table: a row for each system where it keeps as much. curves: by system.
    """

    report: dict[str, Any]
    table: list[dict[str, Any]]
    curves: dict[str, list[dict[str, float]]]


def evaluate(args: argparse.Namespace) -> Evaluated:
    """Evaluates a cutter on labelled clips, beside others; prints JSON and writes CSV where asked for.

    Args:
        args: the flags of `data_flags.add_clip_flags`, `add_model_flag`, `add_eval_flags`, and `collar_ms`, `strength`,
            `no_peers`.
    """
    editor = cut.Editor.load(args.model_filename)
    task = CuttingTask(
        Source(args.dataset_path, cache_path=args.cache_path),
        editor.features,
        network_name=weights_file.flag_name(editor.network),
        labels_path=args.labels_path,
        collar_s=args.collar_ms / 1000,
        threshold=editor.threshold,
    )
    data, accelerator = task.dataset("."), make_accelerator(args.device)
    records = training_evaluate.evaluate(task, editor.network, data, args.batch_size, accelerator, args.workers)
    distributed.leave_to_rank_zero()
    options = CutOptions.of_strength(args.strength, editor.threshold)
    rows = cutting.rows_of(records, editor.threshold, options)
    edits = cutting.summed([cutting.edited(record["judged"], options) for record in records])
    systems = {args.model_filename: [record["judged"] for record in records]}
    if not args.no_peers:
        systems |= cutting_baselines.predict_peers(data, systems[args.model_filename])
    whole = {name: cutting.concatenate(parts) for name, parts in systems.items()}
    table = [{"system": name} | cutting.at_keep_recall(judged) for name, judged in whole.items()]
    curves = {name: cutting.curve(judged) for name, judged in whole.items()}
    report = task.report(records) | edits | {"curve": curves[args.model_filename], "systems": table}
    tables.write(report, rows, args)
    return Evaluated(report, table, curves)
