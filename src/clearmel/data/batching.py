"""Batches of items: padding, masks, buckets of similar length, and the share of each process."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Ints = npt.NDArray[np.integer[Any]]


class Item(NamedTuple):
    """A name, mels (T, M) by role or waves (N,) by role, and a label (index of the class; nan if there is none).

    snr_db: of speech with noise, in dB; nan if it is not known.
    """

    name: str
    mels: dict[str, Tensor]
    label: float
    waves: dict[str, Tensor] = {}  # noqa: RUF012  a field of a tuple, never changed
    snr_db: float = math.nan


@dataclass(frozen=True)
class Batch:
    """Items padded to one length.

    Args:
        names: the B names.
        mels: (B, T, M) by role, padded with zeros.
        waves: (B, N) by role, of equal length; mels are then computed from them where needed.
        lengths: (B,) frames without padding.
        labels: (B,) indices of the classes.
        snr_db: (B,) SNRs in dB, nan if they are not known.
    """

    names: list[str]
    mels: dict[str, Tensor]
    lengths: Tensor
    labels: Tensor
    snr_db: Tensor
    waves: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        mels, waves = (
            {role: values.to(device, non_blocking=True) for role, values in kind.items()}
            for kind in (self.mels, self.waves)
        )
        return Batch(self.names, mels, self.lengths.to(device), self.labels.to(device), self.snr_db.to(device), waves)

    def mask(self) -> Tensor:
        """(B, T), True on frames that are not padding."""
        return torch.arange(int(self.lengths.max()), device=self.lengths.device) < self.lengths[:, None]


def collate(items: Sequence[Item]) -> Batch:
    """Stacks items to a batch; mels are padded with zeros at their ends."""
    names = [item.name for item in items]
    labels, snr_db = torch.tensor([item.label for item in items]), torch.tensor([item.snr_db for item in items])
    if items[0].waves:
        stacked = {role: torch.stack([item.waves[role] for item in items]) for role in items[0].waves}
        nothing = torch.zeros(len(items), dtype=torch.long)
        return Batch(names, {}, nothing, labels, snr_db, stacked)
    lengths = torch.tensor([len(next(iter(item.mels.values()))) for item in items])
    mels = {
        role: torch.nn.utils.rnn.pad_sequence([item.mels[role] for item in items], batch_first=True)
        for role in items[0].mels
    }
    return Batch(names, mels, lengths, labels, snr_db)


class BucketSampler:
    """Batches of items of similar length, in an order that depends only on seed and epoch.

    Every process draws the same batches and takes its share of each (see `Shares`), so that batches and their order do
    not depend on the number of processes.

    Args:
        lengths: frames of each item.
        batch_size: items in a batch, over all processes.
        shuffle: random order for training; otherwise longest first.
        seed: seed of the order.
        groups: index of the group of each item, for example of its shard. Groups then come in random order, and items
            and batches are only shuffled within `WINDOW` groups; without `shuffle`, longest first within these.
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
        """Item indices of each batch of the epoch."""
        if not self.shuffle:
            every = (-self.lengths,) if self.groups is None else (-self.lengths, self.groups // self.WINDOW)
            longest = np.lexsort(every)
            return [longest[i : i + self.batch_size].tolist() for i in range(0, len(longest), self.batch_size)]
        rng = np.random.default_rng([self.seed, self.epoch])
        order: Ints
        near = in_pool = 64  # number of batches shuffled together, and of those sorted by length together
        if self.groups is None:
            order, near = rng.permutation(len(self.lengths)), len(self)
        else:
            places = rng.permutation(int(self.groups.max()) + 1)  # position of each group in the epoch
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
    """Indices in the order of their windows, shuffled within each window."""
    drawn = rng.permutation(len(windows))
    return drawn[np.argsort(windows[drawn], kind="stable")]


class Shares:
    """The batch sampler of one process: its share of every batch, starting with batch `start`.

    A process without a share in a batch takes the first item of the batch, whose loss then has no weight.
    """

    def __init__(self, batches: Sequence[Sequence[int]], rank: int, world: int, start: int = 0) -> None:
        self.batches, self.rank, self.world, self.start = batches, rank, world, start

    def __len__(self) -> int:
        return max(0, len(self.batches) - self.start)

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self.start, len(self.batches)):
            batch = self.batches[number]
            yield list(batch[self.rank :: self.world]) or [batch[0]]
