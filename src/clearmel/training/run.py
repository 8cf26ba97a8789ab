"""Whole training runs: one network, or one network for each fold."""

import json
import statistics
from collections.abc import Callable
from dataclasses import replace

from clearmel.checkpoints import weights_file
from clearmel.core import distributed
from clearmel.core.errors import InputError
from clearmel.core.file_io import quoted, write_text
from clearmel.data import labels
from clearmel.options import FitOptions
from clearmel.options.source import Source
from clearmel.reporting import plots
from clearmel.tasks import Task
from clearmel.tasks.base import Record
from clearmel.training import trainer
from clearmel.training.evaluate import evaluate, make_accelerator


def train(task: Task, options: FitOptions, model_filename: str, board: plots.Board) -> None:
    """Trains a network, saves it to models/, and draws the curves.

    Args:
        task: the task with its data.
        options: training options.
        model_filename: of the weights in models/.
        board: draws the history.
    """
    out = weights_file.models_path(model_filename, saved=False)
    history = trainer.fit(task, options, out)
    distributed.leave_to_rank_zero()
    board.history(history, out.stem)
    print(f"saved {out}")


def cross_validate(
    make_task: Callable[[Source], Task], source: Source, options: FitOptions, model_filename: str
) -> None:
    """Trains one classifier per fold on all other folds, and evaluates it on that fold.

    Writes models/<name>_fold<N>.pth, and models/<name>.folds.json with the figures of each fold and of all.

    Args:
        make_task: builds the task of a source.
        source: labelled files in folds.
        options: training options.
        model_filename: of the weights in models/.

    Raises:
        InputError: the file names define fewer than two folds.
    """
    folds = sorted(set(labels.of_folder(source.dataset_path).folds) - {0})
    if len(folds) < 2:
        raise InputError(
            f"{quoted(source.dataset_path)} has {len(folds)} fold(s); expected two or more to validate on."
        )
    out = weights_file.models_path(model_filename, saved=False)
    table: dict[str, dict[str, float]] = {}
    records: list[Record] = []
    for fold in folds:
        task = make_task(replace(source, val_fold=fold, blind=True))
        path = out.with_name(f"{out.stem}_fold{fold}.pth")
        begun = path.with_suffix(".resume.pth").exists()
        trainer.fit(task, replace(options, resume=options.resume and begun), path)
        network = weights_file.load(path, task.name)
        accelerator = make_accelerator(options.device)
        found = evaluate(task, network, task.dataset("val"), options.batch_size, accelerator, options.workers)
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
