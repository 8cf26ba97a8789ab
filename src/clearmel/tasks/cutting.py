"""Cutting: which parts of recorded speech are kept, and which (pauses, breaths, knocks) are cut."""

import functools
import inspect
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clearmel.audio.features import MelFeatures
from clearmel.augmentation import spec_augment
from clearmel.core.errors import InputError
from clearmel.core.file_io import quoted
from clearmel.data import cut_clips
from clearmel.data.batching import Batch
from clearmel.data.clip_noise import Denoise
from clearmel.data.cut_clips import Clips, CutClips
from clearmel.metrics import cutting
from clearmel.metrics.cutting import FrameDecisions
from clearmel.networks import CUTTERS, Network
from clearmel.options import AugmentOptions, ClipNoiseOptions
from clearmel.options.source import Source
from clearmel.tasks.base import Record, Task


class CuttingTask(Task):
    """Keep (1) or cut (0), decided every 40 ms.

    Args:
        source: location of the data; in a folder without train/ and val/, `val_fraction` of the clips is held out.
        features: definition of a mel.
        sizes: arguments of a new network.
        network_name: of a new network, a key of `CUTTERS`.
        augment: augmentation in training.
        clip_s: length of the training segments in seconds.
        labels_path: labels of all clips, if not in their folder.
        collar_s: the figures "..._collar" ignore decisions within this distance of a label change.
        threshold: probability from which a decision is keep; None: the threshold with a keep recall of `KEEP_RECALL`
            on the clips of the reported set without added noise.
        noise: noise and rooms of the clips.
        denoise: see `ClipNoise`.
    """

    name, monitor, higher_is_better = "cutting", "score", True
    labels: Sequence[str] = ("cut", "keep")

    def __init__(
        self,
        source: Source | None = None,
        features: MelFeatures | None = None,
        sizes: dict[str, int | float | bool] | None = None,
        network_name: str = "crnn",
        augment: AugmentOptions | None = None,
        clip_s: float = 5.0,
        labels_path: str | None = None,
        collar_s: float = 0.08,
        threshold: float | None = None,
        noise: ClipNoiseOptions | None = None,
        denoise: Denoise | None = None,
    ) -> None:
        super().__init__(source, features, sizes)
        self.kind, self.augment, self.clip_s = CUTTERS[network_name], augment or AugmentOptions(), clip_s
        self.labels_path, self.collar_s, self.threshold = labels_path, collar_s, threshold
        self.noise, self.denoise = noise or ClipNoiseOptions(), denoise
        known = list(inspect.signature(self.kind).parameters)
        if unknown := [name for name in self.sizes if name not in known]:
            raise InputError(f"--{unknown[0]} is no size of {network_name}; its sizes are {', '.join(known[1:])}.")
        self._clips = functools.lru_cache(maxsize=None)(self._found)

    def has(self, split: str) -> bool:
        """See `Task.has`."""
        return bool(self._by_folders or self._clips(split).clips) and (
            not self._by_folders or Path(self.source.dataset_path, split).is_dir()
        )

    def dataset(self, split: str) -> CutClips:
        """The labelled clips of a split, see `Task.dataset`."""
        augment = self.augment if split == "train" else None
        return CutClips(
            self._clips(split),
            self.features,
            self.kind.stride,
            self.clip_s,
            augment,
            self.source.seed,
            self.source.cache(),
            self.noise if split in ("train", "val") else None,
            self.denoise,
        )

    def network(self) -> Network:
        """A network of the task's sizes."""
        sizes: dict[str, Any] = {"input_dim": self.features.n_mels} | self.sizes
        return self.kind(**sizes)

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        changes = {key: value for key, value in asdict(self.augment).items() if value}
        if self.noise.noise_path:
            changes |= {key: value for key, value in asdict(self.noise).items() if not key.endswith("_path")}
        return changes | {"clip_s": self.clip_s, "val_fraction": self.source.val_fraction}

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Cross-entropy, averaged over the labelled decisions of each clip, then over clips."""
        mel, change = batch.mels["mel"], self.augment
        if network.training and change.filter_db:
            mel = spec_augment.random_filter(mel, change.filter_db)
        if network.training and (change.time_mask or change.freq_mask):
            mel = spec_augment.mask(mel, batch.lengths, change.time_mask, change.freq_mask)
        logits = network(mel, batch.lengths).float()
        members = logits.unbind(dim=2) if logits.ndim == 3 else [logits]  # each has its own loss
        return torch.stack([self._losses(one, batch, change.label_smoothing).mean() for one in members]).mean()

    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Name, loss, whether noise was added, and "decisions": the `FrameDecisions` of the labelled frames."""
        logits = network(batch.mels["mel"], batch.lengths).float()
        losses, known = self._losses(logits, batch), batch.mels["keep"]
        found: list[Record] = []
        rows = zip(batch.names, logits.sigmoid(), known, losses.tolist(), batch.labels.tolist(), strict=True)
        for name, probability, own, loss, noisy in rows:
            labelled = own[:, 1] > 0
            keep = own[labelled, 0].cpu().numpy() > 0.5
            near = cut_clips.near_label_change(keep.astype(np.int8), self.collar_s)
            decisions = FrameDecisions(probability[labelled].cpu().numpy(), keep, near)
            found.append({"name": name, "loss": loss, "decisions": decisions, "noisy": bool(noisy)})
        return found

    def report(self, records: Sequence[Record]) -> dict[str, float]:
        """Mean loss, the figures of `cutting.figures` at the threshold, and the "score" that selects weights.

        The score is ROC-AUC minus a tenth of the loss: it measures ranking first, and between equal rankings prefers
        more accurate probabilities, which the hysteresis of the cuts depends on.
        """
        decisions = cutting.concatenate([record["decisions"] for record in records])
        loss = sum(float(record["loss"]) for record in records) / len(records)
        threshold = self.threshold
        if threshold is None:
            clean = [record["decisions"] for record in records if not record["noisy"]]
            threshold = cutting.threshold_for_keep_recall(cutting.concatenate(clean) if clean else decisions)
        found = cutting.figures(decisions, threshold)
        return {"loss": loss, "score": found["roc_auc"] - loss / 10} | found

    def _losses(self, logits: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        keep, known = batch.mels["keep"].unbind(dim=2)  # (B, K)
        wanted = keep * (1 - smoothing) + smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * known
        return losses.sum(dim=1) / known.sum(dim=1).clamp(min=1)

    @property
    def _by_folders(self) -> bool:
        return Path(self.source.dataset_path, "train").is_dir()

    def _found(self, split: str) -> Clips:
        root = Path(self.source.dataset_path)
        if self._by_folders and split != ".":
            return cut_clips.find(root / split, self.labels_path)
        found = cut_clips.find(root, self.labels_path)
        values = np.unique(np.concatenate([clip.label for clip in found.clips]))
        if len(values) < 2:
            raise InputError(
                f"{quoted(root)}: all labels are {'keep' if values[0] else 'cut'}; expected some of both. Label more."
            )
        return cut_clips.part(found, split, self.source.val_fraction, self.source.seed)
