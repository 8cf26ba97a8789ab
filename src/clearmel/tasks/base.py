"""The interface of all tasks to training and evaluation: data, network, loss and figures."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from clearmel.audio.features import MelFeatures
from clearmel.core.file_io import existing
from clearmel.data import shards
from clearmel.data.batching import Batch
from clearmel.data.mel_datasets import MelDataset, side_folders
from clearmel.data.noisy_speech import NoisySpeech
from clearmel.data.splits import Pool, split_pools
from clearmel.networks import Network
from clearmel.options.source import Source

Record = dict[str, Any]
"""Results of one item: its "name", numbers, and further values for the report of the task."""


class Task(ABC):
    """A learning problem: its data, network, loss and figures.

    Args:
        source: location of the data.
        features: definition of a mel.
        sizes: arguments of a new network.
    """

    name: ClassVar[str]
    monitor: ClassVar[str]
    higher_is_better: ClassVar[bool]
    labels: Sequence[str] = ()

    def __init__(
        self,
        source: Source | None = None,
        features: MelFeatures | None = None,
        sizes: dict[str, int | float | bool] | None = None,
    ) -> None:
        self.source, self.features, self.sizes = source or Source(), features or MelFeatures(), sizes or {}

    def has(self, split: str) -> bool:
        """Whether the source has this split."""
        if self.source.mixing is not None:
            return split in self.pools
        return any(name == split for name, _ in self.source.flat) or (
            not self.source.flat and Path(self.source.dataset_path, split).exists()
        )

    def sharded(self, split: str) -> Path | None:
        """The folder of a split, if it holds shards instead of noisy/ and clean/."""
        folder = Path(self.source.dataset_path, split)
        return None if self.source.flat or not shards.in_folder(folder) else folder

    def folders(self, split: str) -> tuple[Path, Path]:
        """The noisy and the clean folder of a split.

        Raises:
            InputError: one of them is missing.
        """
        for name, (noisy, clean) in self.source.flat:
            if name == split:
                return existing(noisy, folder=True), existing(clean, folder=True)
        return side_folders(Path(self.source.dataset_path, split))

    @functools.cached_property
    def pools(self) -> dict[str, Pool]:
        """The recordings to mix, by split."""
        assert self.source.mixing is not None
        return split_pools(self.source.mixing, self.source.seed)

    def mixtures(self, split: str) -> NoisySpeech:
        """The mixtures of a split."""
        source = self.source
        assert source.mixing is not None
        return NoisySpeech(split, self.pools[split], source.mixing, self.features, source.seed, source.cache())

    def settings(self) -> dict[str, Any]:
        """Settings that define a run beside `FitOptions` and sizes: for the card, and compared by --resume."""
        if self.source.mixing is None:
            return {}
        return {
            key: value
            for key, value in asdict(self.source.mixing).items()
            if not key.endswith("_path") and key not in ("val_speakers", "val_noises")
        }

    @abstractmethod
    def dataset(self, split: str) -> MelDataset:
        """The items of a split: "train", "val", or "." for the source's folder itself.

        Raises:
            InputError: items are missing or invalid.
        """

    @abstractmethod
    def network(self) -> Network:
        """A new network."""

    @abstractmethod
    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Mean loss of the items of a batch without padding; a scalar."""

    @abstractmethod
    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Exactly one record per item."""

    def report(self, records: Sequence[Record]) -> dict[str, float]:
        """Figures of a whole set: the number of items and the mean of every numeric field."""
        fields = [key for key, value in records[0].items() if isinstance(value, int | float)] if records else []
        means = {key: sum(float(record[key]) for record in records) / len(records) for key in fields}
        return means | {"n": len(records)}
