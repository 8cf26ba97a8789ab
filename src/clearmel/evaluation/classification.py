"""Evaluates a classifier on a dataset or on mixtures made on the fly."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core import distributed
from clearmel.data.noise_presence import NoisePresence
from clearmel.evaluation import noise_presence
from clearmel.evaluation.base import evaluate_task
from clearmel.options.evaluation import EvalOptions, OutputOptions
from clearmel.options.source import Source
from clearmel.reporting import tables
from clearmel.tasks import ClassificationTask


class EvaluatedClassifier(NamedTuple):
    """The figures of a classifier.

    report: figures over all items. tables: figures by class and, for mixtures of speech and noise, by SNR, by noise and
    compared with simple rules. counts: (C, C), see `metrics.classification.confusion`. labels: the C class names.
    """

    report: dict[str, float]
    tables: dict[str, list[dict[str, Any]]]
    counts: npt.NDArray[np.int64]
    labels: list[str]


def evaluate_classifier(
    model_filename: str, source: Source, options: EvalOptions, output: OutputOptions
) -> EvaluatedClassifier:
    """Evaluates a classifier; prints JSON and writes CSV as `output` says.

    Args:
        model_filename: weights in models/.
        source: the data.
        options: batch size, device and processes.
        output: where the figures go.
    """
    network = weights_file.load(weights_file.models_path(model_filename, saved=True), ClassificationTask.name)
    task = ClassificationTask(source, MelFeatures(**network.card["features"]), labels=network.card["labels"])
    data, records, figures = evaluate_task(task, network, options)
    distributed.leave_to_rank_zero()
    found: dict[str, list[dict[str, Any]]] = {"by_class": task.by_class(task.decided(records))}
    if isinstance(data, NoisePresence):
        bar = tqdm(range(len(data)), unit="item", desc="simple rules", leave=False, disable=None)
        for index in bar:
            wave = data[index].waves["mel"].numpy()
            records[index] |= data.described(index) | noise_presence.simple_rules(wave, data.rate)
        found |= noise_presence.tables(records)
    tables.write(figures | found, records, output.csv_path, as_json=output.json)
    return EvaluatedClassifier(figures, found, task.counts(task.decided(records)).numpy(), list(task.labels))
