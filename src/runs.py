"""A whole run of a script, once its flags are parsed: training, or evaluating weights on a dataset."""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from src import (
    checkpoint,
    cli,
    data_flags,
    engine,
    enhancement,
    labels,
    plots,
    presence_report,
    processes,
    quality,
    report,
    results,
)
from src.datasets import MelDataset
from src.errors import InputError
from src.features import MelFeatures
from src.files import ensure_writable, quoted, write_text
from src.networks import Denoiser, Network
from src.options import CleanOptions, FitOptions
from src.presence import NoisePresence
from src.tasks import ClassificationTask, DenoisingTask, Task
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
        args: the flags of `data_flags.add_data_flags`, `add_model_flag`, `add_plot_flags` and of `FitOptions`; those of
            `data_flags.add_mixing_flags`, if the task can learn from mixtures.
        sizes: arguments of the network.
        **more: further arguments of the task, and its `source`, where these flags do not tell it.
    """
    options = cli.take(FitOptions, args)
    source = more.pop("source", None) or _source(args, "train", options.seed)
    task = kind(source, sizes=dict(sizes), **more)
    out = checkpoint.models_path(args.model_filename, saved=False)
    history = engine.fit(task, options, out)
    processes.main_goes_on()
    plots.Board(args).history(history, out.stem)
    print(f"saved {out}")


def _source(args: argparse.Namespace, split: str, seed: int) -> Source:
    mixing = data_flags.mixing(args) if hasattr(args, "noise_path") else None
    held = {name: getattr(args, name) for name in ("val_fold", "val_fraction") if hasattr(args, name)}
    return Source(args.dataset_path, data_flags.flat_pairs(args, split), args.cache_path, mixing, seed, **held)


def train_classifier(args: argparse.Namespace, sizes: Mapping[str, Any], **more: Any) -> None:
    """As `train`, or once for each fold with --cross_validate."""
    if args.cross_validate:
        _cross_validate(args, sizes, **more)
    else:
        train(ClassificationTask, args, sizes, **more)


def _cross_validate(args: argparse.Namespace, sizes: Mapping[str, Any], **more: Any) -> None:
    """Trains a classifier once for each fold, without a look at that fold, and evaluates it there.

    Writes models/<name>_fold<N>.pth, and models/<name>.folds.json with the figures of each fold and of all.

    Args:
        args: as for `train`.
        sizes: arguments of the network.
        **more: further arguments of the task.

    Raises:
        InputError: the names of the files tell less than two folds.
    """
    options = cli.take(FitOptions, args)
    source = _source(args, "train", options.seed)
    folds = sorted(set(labels.of_folder(source.dataset_path).folds) - {0})
    if len(folds) < 2:
        raise InputError(
            f"{quoted(source.dataset_path)} has {len(folds)} fold(s); expected two or more to validate on."
        )
    out = checkpoint.models_path(args.model_filename, saved=False)
    table: dict[str, dict[str, float]] = {}
    records: list[Record] = []
    for fold in folds:
        task = ClassificationTask(replace(source, val_fold=fold, blind=True), sizes=dict(sizes), **more)
        path = out.with_name(f"{out.stem}_fold{fold}.pth")
        begun = path.with_suffix(".resume.pth").exists()
        engine.fit(task, replace(options, resume=options.resume and begun), path)
        network = checkpoint.load(path, task.name)
        accelerator = engine.make_accelerator(options.device)
        found = engine.evaluate(task, network, task.dataset("val"), options.batch_size, accelerator, options.workers)
        records += found
        table[str(fold)] = task.report(found)
        print(f"fold {fold}: accuracy {table[str(fold)]['accuracy']:.2%} of {len(found)} recordings", flush=True)
    processes.main_goes_on()
    accuracies = [figures["accuracy"] for figures in table.values()]
    table["all"] = task.report(records)
    table["mean"] = {"accuracy": statistics.mean(accuracies), "std": statistics.stdev(accuracies)}
    write_text(out.with_suffix(".folds.json"), json.dumps(table, indent=1))
    print(
        f"accuracy {table['mean']['accuracy']:.2%} +- {table['mean']['std']:.2%} over {len(folds)} folds; "
        f"temperature {table['all']['temperature']:.3f}"
    )
    print(f"saved {out.with_suffix('.folds.json')}")


class EvaluatedClassifier(NamedTuple):
    """What came of evaluating a classifier.

    report: figures of all items. tables: rows by class; of noisy and clean mixed here also by SNR, by noise, and beside
    simple rules. counts: (C, C), see `metrics.confusion`.
    """

    report: dict[str, float]
    tables: dict[str, list[dict[str, Any]]]
    counts: npt.NDArray[np.int64]
    labels: list[str]


def evaluate_classifier(args: argparse.Namespace) -> EvaluatedClassifier:
    """Evaluates a classifier on a dataset or on mixtures; prints JSON and writes CSV where asked for.

    Args:
        args: the flags of `data_flags.add_data_flags`, `add_model_flag`, `add_eval_flags` and `add_mixing_flags`.
    """
    network = checkpoint.load(checkpoint.models_path(args.model_filename, saved=True), ClassificationTask.name)
    _, task, data, records, figures = _evaluated(ClassificationTask, network, args, labels=network.card["labels"])
    assert isinstance(task, ClassificationTask)
    processes.main_goes_on()
    tables: dict[str, list[dict[str, Any]]] = {"by_class": task.by_class(records)}
    if isinstance(data, NoisePresence):
        bar = tqdm(range(len(data)), unit="item", desc="simple rules", leave=False, disable=None)
        for index in bar:
            wave = data[index].waves["mel"].numpy()
            records[index] |= data.described(index) | presence_report.rules(wave, data.rate)
        tables |= presence_report.tables(records)
    results.write(figures | tables, records, args)
    return EvaluatedClassifier(figures, tables, task.counts(records).numpy(), list(task.labels))


def _evaluated(kind: type[Task], network: Network, args: argparse.Namespace, **own: Any) -> Evaluated:
    source = _source(args, ".", getattr(args, "seed", 0))
    task = kind(source, MelFeatures(**network.card["features"]), **own)
    data = task.dataset("val" if source.val_fold else ".")
    accelerator = engine.make_accelerator(args.device)
    records = engine.evaluate(task, network, data, args.batch_size, accelerator, args.workers)
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
    _, task, data, records, figures = _evaluated(
        DenoisingTask, network, args, warm_up_s=enhancement.warm_up_s(network, options)
    )
    by_name = {str(record["name"]): record for record in records}
    numbers = range(len(data)) if args.report_path else processes.own(len(data))

    def heard() -> Iterator[report.Entry]:
        sounds = quality.listen(network, data, options, args.audio_metrics, numbers)
        for item in tqdm(sounds, total=len(numbers), unit="item", leave=False, disable=None):
            by_name[item.name] |= item.scores
            scores = {key: float(value) for key, value in by_name[item.name].items() if key != "name"}
            yield report.Entry(item.name, item.waves, scores)

    if args.report_path:
        processes.main_goes_on()  # one process writes the page, and needs every sound for it
        report.write(Path(args.report_path), f"{args.model_filename}: noisy, denoised, clean", heard(), MelFeatures())
        print(f"saved {args.report_path}", file=sys.stderr)
    elif args.audio_metrics:
        for _ in heard():
            pass
        records = processes.gathered([(number, records[number]) for number in numbers])
    processes.main_goes_on()
    if args.audio_metrics:
        sound = [{key: float(value) for key, value in r.items() if key not in ("name", *figures)} for r in records]
        figures |= quality.mean(sound)
    results.write(figures, records, args)
    return EvaluatedDenoiser(network, task, data, records, figures)
