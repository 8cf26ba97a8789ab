"""The one seam for all tasks: what is learned, apart from how it is run."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from src.batching import Batch
from src.datasets import MelDataset, side_folders
from src.features import MelFeatures
from src.files import existing
from src.networks import Network

Record = dict[str, float | str]
"""One item's results: its "name" and numbers."""


@dataclass(frozen=True)
class Source:
    """Where a task finds its data.

    dataset_path: folder of the splits. flat: per split, a pair of (noisy, clean) folders that replaces
    `<dataset_path>/<split>`. cache_path: where mels of sound files are kept.
    """

    dataset_path: str = "."
    flat: tuple[tuple[str, tuple[str, str]], ...] = ()
    cache_path: str | None = None

    def cache(self) -> Path | None:
        """The cache folder, if asked for."""
        return None if self.cache_path is None else Path(self.cache_path)


class Task(ABC):
    """A kind of learning problem with its data, network, loss and figures.

    Args:
        source: where the data lie.
        features: what a mel is.
        sizes: arguments of a new network.
    """

    name: ClassVar[str]
    monitor: ClassVar[str]
    higher_is_better: ClassVar[bool]
    labels: ClassVar[list[str]] = []

    def __init__(
        self,
        source: Source | None = None,
        features: MelFeatures | None = None,
        sizes: dict[str, int | float | bool] | None = None,
    ) -> None:
        self.source, self.features, self.sizes = source or Source(), features or MelFeatures(), sizes or {}

    def has(self, split: str) -> bool:
        """Whether the source has such a split at all."""
        return any(name == split for name, _ in self.source.flat) or (
            not self.source.flat and Path(self.source.dataset_path, split).exists()
        )

    def folders(self, split: str) -> tuple[Path, Path]:
        """The noisy and the clean folder of a split.

        Raises:
            InputError: one of them is missing.
        """
        for name, (noisy, clean) in self.source.flat:
            if name == split:
                return existing(noisy, folder=True), existing(clean, folder=True)
        return side_folders(Path(self.source.dataset_path, split))

    @abstractmethod
    def dataset(self, split: str) -> MelDataset:
        """The items of a split: "train", "val", or "." for the source's folder itself.

        Raises:
            InputError: they are not there, or not all of them are sound.
        """

    @abstractmethod
    def network(self) -> Network:
        """A new network."""

    @abstractmethod
    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Mean over the items of a batch, padding left out; a scalar."""

    @abstractmethod
    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Exactly one record for each item."""

    def report(self, records: Sequence[Record]) -> dict[str, float]:
        """Figures of a whole set: the number of items and the mean of every numeric field."""
        fields = [key for key, value in records[0].items() if not isinstance(value, str)] if records else []
        means = {key: sum(float(record[key]) for record in records) / len(records) for key in fields}
        return means | {"n": len(records)}
