"""A whole run of a script, once its flags are parsed: training, or evaluating weights on a dataset."""

import argparse
from collections.abc import Mapping
from typing import Any, NamedTuple

from src import checkpoint, cli, engine, plots, results
from src.datasets import MelDataset
from src.features import MelFeatures
from src.networks import Network
from src.options import FitOptions
from src.tasks import Task
from src.tasks.base import Record, Source


class Evaluated(NamedTuple):
    """Weights, the task and data they were evaluated on, and what came of it."""

    network: Network
    task: Task
    data: MelDataset
    records: list[Record]
    report: dict[str, float]


def train(kind: type[Task], args: argparse.Namespace, sizes: Mapping[str, Any], **more: Any) -> None:
    """Trains a task's network, saves it to models/, and draws the curves.

    Args:
        kind: the task.
        args: the flags of `cli.add_data_flags`, `add_model_flag`, `add_plot_flags` and of `FitOptions`; those of
            `cli.add_mixing_flags`, if the task can learn from mixtures.
        sizes: arguments of the network.
        **more: further arguments of the task.
    """
    options = cli.take(FitOptions, args)
    mixing = cli.mixing(args) if hasattr(args, "noise_path") else None
    flat = () if mixing else cli.flat_pairs(args, "train")
    source = Source(args.dataset_path, flat, args.cache_path, mixing, options.seed)
    task = kind(source, sizes=dict(sizes), **more)
    out = checkpoint.models_path(args.model_filename, saved=False)
    history = engine.fit(task, options, out)
    if history:  # only the main process of several has it
        plots.Board(args).history(history, out.stem)
        print(f"saved {out}")


def evaluate(kind: type[Task], args: argparse.Namespace) -> Evaluated:
    """Evaluates weights on a dataset; prints JSON and writes CSV where asked for.

    Args:
        kind: the task.
        args: the flags of `cli.add_data_flags`, `add_model_flag` and `add_eval_flags`.
    """
    network = checkpoint.load(checkpoint.models_path(args.model_filename, saved=True), kind.name)
    source = Source(args.dataset_path, cli.flat_pairs(args, "."), args.cache_path)
    task = kind(source, MelFeatures(**network.card["features"]))
    data = task.dataset(".")
    accelerator = engine.make_accelerator(args.device)
    records = engine.evaluate(task, network, data, args.batch_size, accelerator, args.workers)
    accelerator.end_training()
    report = task.report(records)
    results.write(report, records, args)
    return Evaluated(network, task, data, records, report)
