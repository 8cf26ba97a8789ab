"""Classification of recordings: noisy or clean, or the classes of a dataset."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearmel.audio.features import MelFeatures
from clearmel.augmentation import spec_augment
from clearmel.core.errors import InputError
from clearmel.data.batching import Batch
from clearmel.data.labelled_audio import LabelledAudio
from clearmel.data.labels import SIDES, Listing, of_folder, of_sides, part
from clearmel.data.mel_datasets import LabelledMels, MelDataset
from clearmel.data.noise_presence import NoisePresence
from clearmel.data.shard_datasets import ShardedSides
from clearmel.metrics import calibrated, classification, snr
from clearmel.networks import CLASSIFIERS, MaskSNR, Network
from clearmel.options import AugmentOptions
from clearmel.options.source import Source
from clearmel.tasks.base import Record, Task


class ClassificationTask(Task):
    """One of several classes for each recording.

    Noisy (0) and clean (1) share one logit, >= 0 for clean. Their data are a tree of noisy/ and clean/, or speech mixed
    with noise on the fly. Any other classes have one logit each.

    Args:
        source: location of the data.
        features: definition of a mel.
        sizes: arguments of a new network.
        network_name: of a new network, a key of `CLASSIFIERS`.
        augment: augmentation in training.
        clip_s: length in seconds of the training segments of labelled sound files, 0 for whole files.
        labels: of the weights to be evaluated; None: those of the data.
    """

    name, monitor, higher_is_better = "classification", "loss", False

    def __init__(
        self,
        source: Source | None = None,
        features: MelFeatures | None = None,
        sizes: dict[str, int | float | bool] | None = None,
        network_name: str = "lstm",
        augment: AugmentOptions | None = None,
        clip_s: float = 0.0,
        labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__(source, features, sizes)
        self.network_name, self.augment, self.clip_s = network_name, augment or AugmentOptions(), clip_s
        self._listings: dict[str, Listing] = {}
        known = inspect.signature(CLASSIFIERS[network_name]).parameters
        if unknown := [name for name in self.sizes if name not in known]:
            raise InputError(
                f"--{unknown[0]} is no size of {network_name}; its sizes are {', '.join(list(known)[2:])}."
            )
        self.labels = list(labels) if labels is not None else self._own_labels()
        if self.augment.snr_weight and (self.labels != SIDES or self.source.mixing is None):
            raise InputError("--snr_weight needs speech and noise to mix; give --clean_path and --noise_path.")

    def has(self, split: str) -> bool:
        """See `Task.has`."""
        if self.source.mixing is not None or self._by_folders:
            return super().has(split) and not (split == "val" and self.source.blind)
        if split == "val" and self.source.blind:
            return False
        return split != "val" or (self.source.val_fold != 0 and bool(self._listing("val").names))

    def dataset(self, split: str) -> MelDataset:
        """All recordings of a split, see `Task.dataset`."""
        source = self.source
        if source.mixing is not None:
            pool = self.pools["train" if split == "." else split]  # "." are all recordings, mixed as for validation
            kind = "val" if split == "." else split
            return NoisePresence(kind, pool, source.mixing, self.features, source.seed, source.cache())
        if folder := self.sharded(split):
            sides = Listing(folder, [], [0, 1], SIDES, []).called(self.labels)
            return ShardedSides(folder, self.features, sides.targets)
        listing = self._listing(split).called(self.labels)
        if self.labels == SIDES or any(name.suffix.lower() == ".npy" for name in listing.names):
            return LabelledMels(listing, self.features, source.cache())
        augment = self.augment if split == "train" else None
        return LabelledAudio(listing, self.features, self.clip_s, augment, source.seed, source.cache())

    def network(self) -> Network:
        """A classifier of the task's sizes."""
        n_classes = 1 if self.labels == SIDES else len(self.labels)
        sizes: dict[str, Any] = {"input_dim": self.features.n_mels, "n_classes": n_classes} | self.sizes
        network = CLASSIFIERS[self.network_name](**sizes)
        if isinstance(network, MaskSNR) and n_classes == 1:
            network.begin_at(snr.BOUNDARY_DB, snr.DB_PER_LOGIT)
        return network

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        changes = {key: value for key, value in asdict(self.augment).items() if value}
        own = {"clip_s": self.clip_s} if self.clip_s else {}
        folds = {} if self.source.val_fold is None else {"val_fold": self.source.val_fold}
        return changes | own | folds | super().settings()

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Mean cross-entropy; in training, of recordings changed by `augment`.

        Items whose SNR decides on no label have none; the error of the SNR is added if it has a weight.
        """
        mel, lengths = self._mels(batch)
        target, change = batch.labels.long(), self.augment
        if not network.training:
            change = AugmentOptions(snr_weight=change.snr_weight)
        if change.filter_db:
            mel = spec_augment.random_filter(mel, change.filter_db)
        mixture: tuple[Tensor, Tensor] | None = None
        if change.blend and torch.rand(()) < change.blend:
            mel, lengths, *mixture = spec_augment.blend(mel, lengths)  # type: ignore[assignment]
        if change.filter_db or mixture:
            mel = self.features.relative(mel)
        if change.time_mask or change.freq_mask:
            mel = spec_augment.mask(mel, lengths, change.time_mask, change.freq_mask)
        if change.mixup and not mixture:
            mel, lengths, *mixture = spec_augment.mixup(mel, lengths, change.mixup)  # type: ignore[assignment]
        logits = network(mel, lengths).float()
        loss = classification.cross_entropy(logits, target, change.label_smoothing)
        if mixture:
            partner, own = mixture
            loss = own * loss + (1 - own) * classification.cross_entropy(
                logits, target[partner], change.label_smoothing
            )
        counted: Tensor = snr.decided(batch.snr_db)
        loss = loss * counted * len(counted) / counted.sum().clamp(min=1)
        if change.snr_weight:
            error: Tensor = snr.error(logits, batch.snr_db)
            loss = loss + change.snr_weight * error
        return loss.mean()

    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Name, label (its number), predicted label and its probability, the logits, the loss, and the SNR if known."""
        mel, lengths = self._mels(batch)
        logits = network(mel, lengths).float()
        sure, called = calibrated.probabilities(logits).max(dim=1)
        losses = classification.cross_entropy(logits, batch.labels.long())
        rows = zip(batch.names, batch.labels.tolist(), called.tolist(), sure.tolist(), losses.tolist(), strict=True)
        named = ["logit"] if logits.shape[1] == 1 else [f"logit_{label}" for label in self.labels]
        found: list[Record] = [
            {"name": name, "label": label, "called": self.labels[guess], "probability": probability, "loss": loss}
            | dict(zip(named, values, strict=True))
            for (name, label, guess, probability, loss), values in zip(rows, logits.tolist(), strict=True)
        ]
        if self.source.mixing is not None:
            known = {"snr_db": batch.snr_db.tolist()}
            if self.augment.snr_weight or snr.is_estimated(network.card):
                known["estimated_snr_db"] = snr.estimate_db(logits).tolist()
            for number, record in enumerate(found):
                record |= {key: values[number] for key, values in known.items()}
        return found

    def decided(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records of the items with one right answer, see `clearmel.metrics.snr`; all if there is none."""
        known = torch.tensor([float(record.get("snr_db", math.nan)) for record in records])
        return [record for record, sure in zip(records, snr.decided(known).tolist(), strict=True) if sure] or records

    def counts(self, records: Sequence[Record]) -> Tensor:
        """Confusion counts (C, C), see `classification.confusion`."""
        target = torch.tensor([int(float(record["label"])) for record in records])
        called = torch.tensor([self.labels.index(str(record["called"])) for record in records])
        return classification.confusion(called, target, len(self.labels))

    def by_class(self, records: Sequence[Record]) -> list[dict[str, float | str]]:
        """One row per class: precision, recall, F1, and the number of its items predicted as each class."""
        counts = self.counts(records)
        figures = classification.class_figures(counts)
        return [
            {"class": label}
            | {key: float(values[number]) for key, values in figures.items()}
            | {f"called {other}": int(n) for other, n in zip(self.labels, counts[number], strict=True)}
            for number, label in enumerate(self.labels)
        ]

    def report(self, records: Sequence[Record]) -> dict[str, float]:
        """Accuracy, macro-F1, loss, and the temperature that calibrates the probabilities.

        For noisy and clean also precision and recall of "clean", the confusion counts, AUC and equal error rate; for
        mixtures only over items whose SNR allows one answer, with the number of the others, and the mean error of the
        SNR if the network estimates it.
        """
        everything, records = records, self.decided(records)
        counts = self.counts(records)
        figures = classification.class_figures(counts)
        target = torch.tensor([int(float(record["label"])) for record in records])
        logits = logits_of(records)
        common = {
            "accuracy": float(counts.diagonal().sum()) / len(records),
            "macro_f1": float(figures["f1"][counts.sum(dim=1) > 0].mean()),
            "loss": sum(float(record["loss"]) for record in records) / len(records),
            "temperature": self.augment.temperature or classification.fitted_temperature(logits, target),
            "n": len(records),
        }
        if self.labels != SIDES:
            return common
        if "snr_db" in everything[0]:
            common["undecided"] = len(everything) - len(records)
        errors = [
            abs(float(record["estimated_snr_db"]) - float(record["snr_db"]))
            for record in everything
            if "estimated_snr_db" in record and float(record["snr_db"]) <= snr.CLEAN_ABOVE_DB
        ]
        if errors:
            common["snr_error_db"] = sum(errors) / len(errors)
        pair = {key: float(figures[key][1]) for key in ("precision", "recall")}
        cells = dict(
            zip(("true_noisy", "false_clean", "false_noisy", "true_clean"), counts.flatten().tolist(), strict=True)
        )
        clean = {
            "auc": classification.roc_auc(logits[:, 0], target == 1),
            "eer": classification.equal_error_rate(logits[:, 0], target == 1),
        }
        return common | pair | {key: value for key, value in clean.items() if value == value} | cells

    def _mels(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mels (B, T, M) and their lengths (B,), computed if the batch holds waves."""
        if not batch.waves:
            return batch.mels["mel"], batch.lengths
        with torch.autocast(batch.waves["mel"].device.type, enabled=False), torch.no_grad():
            mel = self.features.mel(batch.waves["mel"])
        return mel, torch.full((len(mel),), mel.shape[1], device=mel.device)

    @property
    def _by_folders(self) -> bool:
        """Whether the splits are folders of their own."""
        return bool(self.source.flat) or Path(self.source.dataset_path, "train").is_dir()

    def _own_labels(self) -> list[str]:
        if self.source.mixing is not None or self.source.flat or not Path(self.source.dataset_path).is_dir():
            return SIDES
        split = "train" if self._by_folders else "."
        return SIDES if self.sharded(split) else self._listing(split).labels

    def _listing(self, split: str) -> Listing:
        if split not in self._listings:
            source = self.source
            if (self._by_folders and split != ".") or source.flat:
                if source.flat or set(_folders(Path(source.dataset_path, split))) <= set(SIDES):
                    self._listings[split] = of_sides(*self.folders(split))
                else:
                    self._listings[split] = of_folder(Path(source.dataset_path, split))
            elif set(_folders(Path(source.dataset_path))) <= set(SIDES):
                self._listings[split] = of_sides(*self.folders(split))
            else:
                whole = of_folder(source.dataset_path)
                self._listings[split] = part(whole, split, source.val_fold, source.val_fraction, source.seed)
        return self._listings[split]


def _folders(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def logits_of(records: Sequence[Record]) -> Tensor:
    """Logits (N, C) of records."""
    keys = [key for key in records[0] if key.startswith("logit")]
    return torch.tensor([[float(record[key]) for key in keys] for record in records])
