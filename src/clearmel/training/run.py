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

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.cli import data_flags, parser
from clearmel.core import distributed
from clearmel.core.errors import InputError
from clearmel.core.file_io import ensure_writable, quoted, write_text
from clearmel.data.labels import of_folder
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.noise_presence import NoisePresence
from clearmel.evaluation import denoising, noise_presence
from clearmel.inference import denoise
from clearmel.metrics import speech_quality
from clearmel.networks import Denoiser, Network
from clearmel.options import DenoiseOptions, FitOptions
from clearmel.options.source import Source
from clearmel.reporting import html_report, plots
from clearmel.reporting.tables import write
from clearmel.tasks import ClassificationTask, DenoisingTask, Task
from clearmel.tasks.base import Record
from clearmel.training import evaluate, trainer


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
    options = parser.take(FitOptions, args)
    source = more.pop("source", None) or _source(args, "train", options.seed)
    task = kind(source, sizes=dict(sizes), **more)
    out = weights_file.models_path(args.model_filename, saved=False)
    history = trainer.fit(task, options, out)
    distributed.leave_to_rank_zero()
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
    options = parser.take(FitOptions, args)
    source = _source(args, "train", options.seed)
    folds = sorted(set(of_folder(source.dataset_path).folds) - {0})
    if len(folds) < 2:
        raise InputError(
            f"{quoted(source.dataset_path)} has {len(folds)} fold(s); expected two or more to validate on."
        )
    out = weights_file.models_path(args.model_filename, saved=False)
    table: dict[str, dict[str, float]] = {}
    records: list[Record] = []
    for fold in folds:
        task = ClassificationTask(replace(source, val_fold=fold, blind=True), sizes=dict(sizes), **more)
        path = out.with_name(f"{out.stem}_fold{fold}.pth")
        begun = path.with_suffix(".resume.pth").exists()
        trainer.fit(task, replace(options, resume=options.resume and begun), path)
        network = weights_file.load(path, task.name)
        accelerator = evaluate.make_accelerator(options.device)
        found = evaluate.evaluate(task, network, task.dataset("val"), options.batch_size, accelerator, options.workers)
        records += found
        table[str(fold)] = task.report(found)
        print(f"fold {fold}: accuracy {table[str(fold)]['accuracy']:.2%} of {len(found)} recordings", flush=True)
    distributed.leave_to_rank_zero()
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
    simple rules. counts: (C, C), see `classification.confusion`.
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
    network = weights_file.load(weights_file.models_path(args.model_filename, saved=True), ClassificationTask.name)
    _, task, data, records, figures = _evaluated(ClassificationTask, network, args, labels=network.card["labels"])
    assert isinstance(task, ClassificationTask)
    distributed.leave_to_rank_zero()
    tables: dict[str, list[dict[str, Any]]] = {"by_class": task.by_class(records)}
    if isinstance(data, NoisePresence):
        bar = tqdm(range(len(data)), unit="item", desc="simple rules", leave=False, disable=None)
        for index in bar:
            wave = data[index].waves["mel"].numpy()
            records[index] |= data.described(index) | noise_presence.simple_rules(wave, data.rate)
        tables |= noise_presence.tables(records)
    write(figures | tables, records, args)
    return EvaluatedClassifier(figures, tables, task.counts(records).numpy(), list(task.labels))


def _evaluated(kind: type[Task], network: Network, args: argparse.Namespace, **own: Any) -> Evaluated:
    source = _source(args, ".", getattr(args, "seed", 0))
    task = kind(source, MelFeatures(**network.card["features"]), **own)
    data = task.dataset("val" if source.val_fold else ".")
    accelerator = evaluate.make_accelerator(args.device)
    records = evaluate.evaluate(task, network, data, args.batch_size, accelerator, args.workers)
    return Evaluated(network, task, data, records, task.report(records))


class EvaluatedDenoiser(NamedTuple):
    """As `Evaluated`."""

    network: Denoiser
    task: Task
    data: MelDataset
    records: list[Record]
    report: dict[str, float]


def evaluate_denoiser(args: argparse.Namespace, options: DenoiseOptions) -> EvaluatedDenoiser:
    """Evaluates a denoiser, also as sound, and writes the page to listen to, where asked for.

    Args:
        args: as for `evaluate`, and `audio_metrics`, `report_path`.
        options: how strongly to clean the sound.
    """
    if args.audio_metrics:
        speech_quality.require()
        if not speech_quality.has_dnsmos():
            print("speechmos is not installed: no DNSMOS", file=sys.stderr)
    if args.report_path:
        ensure_writable(args.report_path)
    network = weights_file.load_denoiser(args.model_filename)
    _, task, data, records, figures = _evaluated(
        DenoisingTask, network, args, warm_up_s=denoise.priming_s(network, options)
    )
    by_name = {str(record["name"]): record for record in records}
    numbers = range(len(data)) if args.report_path else distributed.share(len(data))

    def heard() -> Iterator[html_report.Entry]:
        sounds = denoising.denoise_pairs(network, data, options, args.audio_metrics, numbers)
        for item in tqdm(sounds, total=len(numbers), unit="item", leave=False, disable=None):
            by_name[item.name] |= item.scores
            scores = {key: float(value) for key, value in by_name[item.name].items() if key != "name"}
            yield html_report.Entry(item.name, item.waves, scores)

    if args.report_path:
        distributed.leave_to_rank_zero()  # one process writes the page, and needs every sound for it
        html_report.write(
            Path(args.report_path), f"{args.model_filename}: noisy, denoised, clean", heard(), MelFeatures()
        )
        print(f"saved {args.report_path}", file=sys.stderr)
    elif args.audio_metrics:
        for _ in heard():
            pass
        records = distributed.gather([(number, records[number]) for number in numbers])
    distributed.leave_to_rank_zero()
    if args.audio_metrics:
        sound = [{key: float(value) for key, value in r.items() if key not in ("name", *figures)} for r in records]
        figures |= speech_quality.mean(sound)
    write(figures, records, args)
    return EvaluatedDenoiser(network, task, data, records, figures)
