"""Is a recording clean or noisy?"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from src.batching import Batch
from src.datasets import LabelledMels
from src.metrics import binary_counts
from src.networks import LSTMClassifier, Network
from src.tasks.base import Record, Task


class ClassificationTask(Task):
    """Noisy (0) against clean (1): one logit per recording, clean where it is >= 0."""

    name, monitor, higher_is_better = "classification", "loss", False
    labels = ["noisy", "clean"]  # noqa: RUF012 - a class constant, as in the base

    def dataset(self, split: str) -> LabelledMels:
        """All recordings of a split, see `Task.dataset`."""
        return LabelledMels(*self.folders(split), self.features, self.source.cache())

    def network(self) -> Network:
        """An LSTM classifier of the task's sizes."""
        return LSTMClassifier(**{"input_dim": self.features.n_mels} | self.sizes)  # type: ignore[arg-type]

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Binary cross-entropy with logits."""
        logits = network(batch.mels["mel"], batch.lengths)
        return functional.binary_cross_entropy_with_logits(logits.float(), batch.labels)

    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Name, label, logit, probability of "clean", and the loss."""
        logits = network(batch.mels["mel"], batch.lengths).float()
        losses = functional.binary_cross_entropy_with_logits(logits, batch.labels, reduction="none")
        columns = zip(
            batch.names, batch.labels.tolist(), logits.tolist(), logits.sigmoid().tolist(), losses.tolist(), strict=True
        )
        return [
            {"name": name, "label": label, "logit": logit, "probability": probability, "loss": loss}
            for name, label, logit, probability, loss in columns
        ]

    @classmethod
    @torch.inference_mode()
    def decide(cls, network: Network, mel: Tensor) -> tuple[str, float]:
        """Label of one recording's mel (T, M), and the probability of that label in [0.5, 1]."""
        clean = float(network(mel[None], torch.tensor([len(mel)])).sigmoid())
        return cls.labels[int(clean >= 0.5)], max(clean, 1 - clean)

    def report(self, records: Sequence[Record]) -> dict[str, float]:
        """Accuracy, precision and recall of "clean" as fractions, confusion counts, mean loss."""
        predicted = torch.tensor([float(record["logit"]) >= 0 for record in records])
        target = torch.tensor([float(record["label"]) == 1 for record in records])
        counts = binary_counts(predicted, target)
        called, true = counts["true_clean"] + counts["false_clean"], counts["true_clean"] + counts["false_noisy"]
        return {
            "accuracy": (counts["true_clean"] + counts["true_noisy"]) / len(records),
            "precision": counts["true_clean"] / called if called else 0.0,
            "recall": counts["true_clean"] / true if true else 0.0,
            "loss": sum(float(record["loss"]) for record in records) / len(records),
            **counts,
            "n": len(records),
        }
