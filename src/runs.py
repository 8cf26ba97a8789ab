"""A whole run of a script, once its flags are parsed: training, or evaluating weights on a dataset."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from src import checkpoint, cli, engine, plots, quality, report, results
from src.datasets import MelDataset
from src.features import MelFeatures
from src.files import ensure_writable
from src.networks import Denoiser, Network
from src.options import CleanOptions, FitOptions
from src.tasks import DenoisingTask, Task
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
    found = _evaluated(kind, network, args)
    results.write(found.report, found.records, args)
    return found


def _evaluated(kind: type[Task], network: Network, args: argparse.Namespace) -> Evaluated:
    source = Source(args.dataset_path, cli.flat_pairs(args, "."), args.cache_path)
    task = kind(source, MelFeatures(**network.card["features"]))
    data = task.dataset(".")
    accelerator = engine.make_accelerator(args.device)
    records = engine.evaluate(task, network, data, args.batch_size, accelerator, args.workers)
    accelerator.end_training()
    return Evaluated(network, task, data, records, task.report(records))


class EvaluatedDenoiser(NamedTuple):
    """As `Evaluated`."""

    network: Denoiser
    task: Task
    data: MelDataset
    records: list[Record]
    report: dict[str, float]


def evaluate_denoiser(args: argparse.Namespace, options: CleanOptions) -> EvaluatedDenoiser:
    """Evaluates a denoiser, also as sound, and writes the page to listen to, where asked for.

    Args:
        args: as for `evaluate`, and `audio_metrics`, `report_path`.
        options: how strongly to clean the sound.
    """
    if args.audio_metrics:
        quality.require()
        if not quality.has_dnsmos():
            print("speechmos is not installed: no DNSMOS", file=sys.stderr)
    if args.report_path:
        ensure_writable(args.report_path)
    network = checkpoint.load_denoiser(args.model_filename)
    _, task, data, records, figures = _evaluated(DenoisingTask, network, args)
    by_name = {str(record["name"]): record for record in records}

    def heard() -> Iterator[report.Entry]:
        sounds = quality.listen(network, data, options, args.audio_metrics)
        for item in tqdm(sounds, total=len(data), unit="item", leave=False, disable=None):
            by_name[item.name] |= item.scores
            scores = {key: float(value) for key, value in by_name[item.name].items() if key != "name"}
            yield report.Entry(item.name, item.waves, scores)

    if args.report_path:
        report.write(Path(args.report_path), f"{args.model_filename}: noisy, denoised, clean", heard(), task.features)
        print(f"saved {args.report_path}", file=sys.stderr)
    elif args.audio_metrics:
        for _ in heard():
            pass
    if args.audio_metrics:
        sound = [{key: float(value) for key, value in r.items() if key not in ("name", *figures)} for r in records]
        figures |= quality.mean(sound)
    results.write(figures, records, args)
    return EvaluatedDenoiser(network, task, data, records, figures)
