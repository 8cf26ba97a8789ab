"""The skeleton of an evaluation: a trained network, a task on a source of data, one record for each item."""

from typing import NamedTuple

from clearmel.data.mel_datasets import MelDataset
from clearmel.networks import Network
from clearmel.options.evaluation import EvalOptions
from clearmel.tasks import Task
from clearmel.tasks.base import Record
from clearmel.training.evaluate import evaluate, make_accelerator


class Evaluated(NamedTuple):
    """The data that a network was evaluated on, a record for each item, and the figures of all."""

    data: MelDataset
    records: list[Record]
    report: dict[str, float]


def evaluate_task(task: Task, network: Network, options: EvalOptions) -> Evaluated:
    """Runs a network over the task's data: the held-out fold where one is named, else the source's folder itself.

    Returns the same on every process.

    Raises:
        InputError: an item cannot be read.
    """
    data = task.dataset("val" if task.source.val_fold else ".")
    accelerator = make_accelerator(options.device)
    records = evaluate(task, network, data, options.batch_size, accelerator, options.workers)
    return Evaluated(data, records, task.report(records))
