"""From items to batches: padding, masks, buckets of like length, and each process's share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Ints = npt.NDArray[np.integer[Any]]


class Item(NamedTuple):
    """One item: its name, its mels (T, M) by role, its label (a class's number; nan without); or waves (N,) by role."""

    name: str
    mels: dict[str, Tensor]
    label: float
    waves: dict[str, Tensor] = {}  # noqa: RUF012  a tuple's field, never changed


@dataclass(frozen=True)
class Batch:
    """Items padded to one length.

    Args:
        names: B names.
        mels: (B, T, M) by role, zero behind each item's end.
        waves: (B, N) by role, of one length; mels are then made from them where they are needed.
        lengths: (B,) real frames.
        labels: (B,), the classes' numbers.
    """

    names: list[str]
    mels: dict[str, Tensor]
    lengths: Tensor
    labels: Tensor
    waves: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        mels, waves = (
            {role: values.to(device, non_blocking=True) for role, values in kind.items()}
            for kind in (self.mels, self.waves)
        )
        return Batch(self.names, mels, self.lengths.to(device), self.labels.to(device), waves)

    def mask(self) -> Tensor:
        """(B, T), True on real frames."""
        return torch.arange(int(self.lengths.max()), device=self.lengths.device) < self.lengths[:, None]


def collate(items: Sequence[Item]) -> Batch:
    """Pads items behind their ends with zeros."""
    if items[0].waves:
        stacked = {role: torch.stack([item.waves[role] for item in items]) for role in items[0].waves}
        nothing = torch.zeros(len(items), dtype=torch.long)
        return Batch([item.name for item in items], {}, nothing, torch.tensor([item.label for item in items]), stacked)
    lengths = torch.tensor([len(next(iter(item.mels.values()))) for item in items])
    mels = {
        role: torch.nn.utils.rnn.pad_sequence([item.mels[role] for item in items], batch_first=True)
        for role in items[0].mels
    }
    return Batch([item.name for item in items], mels, lengths, torch.tensor([item.label for item in items]))


class BucketSampler:
    """Batches of items of about one length, in an order that depends only on seed and epoch.

    Every process draws the same batches and takes its own share of each (`rank` of `world`), so that the effective
    batch and its order are the same on any number of processes.

    Args:
        lengths: frames of each item.
        batch_size: items in a batch, over all processes.
        shuffle: for training; else longest first, nothing dropped.
        seed: of the order.
        groups: number of the group of each item, such as the file that holds it. Groups then come in a drawn order, and
            only items and batches of about `WINDOW` of them are shuffled; without `shuffle` longest first among these.
    """

    WINDOW = 4

    def __init__(
        self,
        lengths: Sequence[int] | Ints,
        batch_size: int,
        shuffle: bool,
        seed: int = 0,
        groups: Ints | None = None,
    ) -> None:
        self.lengths, self.batch_size, self.shuffle, self.seed = np.asarray(lengths), batch_size, shuffle, seed
        self.groups = groups
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def batches(self) -> list[list[int]]:
        """The epoch's batches of item numbers."""
        if not self.shuffle:
            every = (-self.lengths,) if self.groups is None else (-self.lengths, self.groups // self.WINDOW)
            longest = np.lexsort(every)
            return [longest[i : i + self.batch_size].tolist() for i in range(0, len(longest), self.batch_size)]
        rng = np.random.default_rng([self.seed, self.epoch])
        order: Ints
        near = in_pool = 64  # batches that are shuffled, and those that are sorted by length, together
        if self.groups is None:
            order, near = rng.permutation(len(self.lengths)), len(self)
        else:
            places = rng.permutation(int(self.groups.max()) + 1)  # of each group in the epoch
            windows = places[self.groups] // self.WINDOW
            order = _shuffled(windows, rng)
            in_window = len(order) / (int(windows.max()) + 1) / self.batch_size
            in_pool = min(64, max(1, int(in_window)))
            near = in_pool * max(1, round(in_window / in_pool))
        batches: list[list[int]] = []
        pool = self.batch_size * in_pool
        for start in range(0, len(order), pool):
            part = order[start : start + pool]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[i : i + self.batch_size].tolist() for i in range(0, len(part), self.batch_size)]
        return [batches[i] for i in _shuffled(np.arange(len(batches)) // max(1, near), rng)]


def _shuffled(windows: Ints, rng: np.random.Generator) -> Ints:
    """Numbers in the order of their windows, drawn within each."""
    drawn = rng.permutation(len(windows))
    return drawn[np.argsort(windows[drawn], kind="stable")]


class Shares:
    """A batch sampler for one process: its share of every batch from the `start`-th on.

    A process without an item of its own in a batch takes the batch's first item; its loss then weighs nothing.
    """

    def __init__(self, batches: Sequence[Sequence[int]], rank: int, world: int, start: int = 0) -> None:
        self.batches, self.rank, self.world, self.start = batches, rank, world, start

    def __len__(self) -> int:
        return max(0, len(self.batches) - self.start)

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self.start, len(self.batches)):
            batch = self.batches[number]
            yield list(batch[self.rank :: self.world]) or [batch[0]]
