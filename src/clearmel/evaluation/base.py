"""The common part of all evaluations: one record per item from a trained network and a task with its data."""

from typing import NamedTuple

from clearmel.data.mel_datasets import MelDataset
from clearmel.networks import Network
from clearmel.options.evaluation import EvalOptions
from clearmel.tasks import Task
from clearmel.tasks.base import Record
from clearmel.training.evaluate import evaluate, make_accelerator


class Evaluated(NamedTuple):
    """The data of an evaluation, one record per item, and the figures over all items."""

    data: MelDataset
    records: list[Record]
    report: dict[str, float]


def evaluate_task(task: Task, network: Network, options: EvalOptions) -> Evaluated:
    """Runs a network over the task's data: the held-out fold if `val_fold` is set, else the source's folder itself.

    Returns the same result on every process.

    Raises:
        InputError: an item cannot be read.
    """
    data = task.dataset("val" if task.source.val_fold else ".")
    accelerator = make_accelerator(options.device)
    records = evaluate(task, network, data, options.batch_size, accelerator, options.workers)
    return Evaluated(data, records, task.report(records))
