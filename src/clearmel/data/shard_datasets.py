"""Mels from tar shards, which are read sequentially whatever the order of the items."""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from clearmel.audio.features import MelFeatures
from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import quoted
from clearmel.core.npy import mel_of_bytes
from clearmel.data.batching import Item
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.shards import SIDES, Shards, member_of

N_OPEN = 16
"""Open shards per process: those of two windows of the sampler, and a reserve."""


class ShardedMels(MelDataset):
    """Base of datasets in shards. Memory does not grow with the data; each process has some open files.

    Args:
        folder: folder of shards.
        features: definition of a mel.

    Raises:
        InputError: see `Shards`.
    """

    def __init__(self, folder: Path, features: MelFeatures) -> None:
        self.features, self.shards = features, Shards(folder, features.n_mels)
        self._begin_reading()

    def __getstate__(self) -> dict[str, Any]:
        """For worker processes, which open the shards themselves."""
        return {key: value for key, value in vars(self).items() if key not in ("_open", "_owner", "_turn")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin_reading()

    def __del__(self) -> None:
        for file in getattr(self, "_open", {}).values():
            file.close()

    def mel(self, index: int, side: str) -> Tensor:
        """(T, M) float32 of a pair.

        Raises:
            InputError: `npy.read_mel` refuses the mel, or the shard is gone.
        """
        shard, (offset, size) = int(self.shards.shard[index]), self.shards.place(index, side)
        path = self.shards.paths[shard]
        try:
            file = self._opened(shard)
            file.seek(offset)
            content = file.read(size)
        except OSError as error:
            raise InputError(f"{quoted(path)} cannot be read: {reason(error)}.") from error
        mel = mel_of_bytes(content, f"{path}:{member_of(self.shards.name(index), side)}", self.features.n_mels)
        found: Tensor = self.features.relative(torch.from_numpy(mel))
        return found

    def _begin_reading(self) -> None:
        self._open, self._owner, self._turn = OrderedDict[int, BinaryIO](), os.getpid(), threading.Lock()

    def _opened(self, shard: int) -> BinaryIO:
        if self._owner != os.getpid():  # a forked worker would share file positions with its parent
            for file in self._open.values():
                file.close()
            self._begin_reading()
        if shard not in self._open:
            path = self.shards.paths[shard]
            self._open[shard] = path.open("rb")
            threading.Thread(target=_read_ahead, args=(path, self._turn), daemon=True).start()
            if len(self._open) > N_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(shard)
        return self._open[shard]


class ShardedPairs(ShardedMels):
    """Noisy mels with their clean partners, like `mel_datasets.PairedMels`."""

    def __init__(self, folder: Path, features: MelFeatures) -> None:
        super().__init__(folder, features)
        self.lengths, self.groups = self.shards.frames, self.shards.shard

    def __getitem__(self, index: int) -> Item:
        mels = {side: self.mel(index, side) for side in SIDES}
        return Item(f"{self.shards.name(index)}.npy", mels, float("nan"))


class ShardedSides(ShardedMels):
    """Every mel of the pairs with its label, like `mel_datasets.LabelledMels`.

    Args:
        folder: folder of shards.
        features: definition of a mel.
        targets: labels of the noisy and the clean mels.
    """

    def __init__(self, folder: Path, features: MelFeatures, targets: Sequence[int] = (0, 1)) -> None:
        super().__init__(folder, features)
        self.targets = targets
        self.lengths, self.groups = np.tile(self.shards.frames, 2), np.tile(self.shards.shard, 2)

    def __getitem__(self, index: int) -> Item:
        side, number = divmod(range(len(self))[index], len(self.shards))
        name = f"{SIDES[side]}/{self.shards.name(number)}.npy"
        return Item(name, {"mel": self.mel(number, SIDES[side])}, float(self.targets[side]))


def _read_ahead(path: Path, turn: "threading.Lock") -> None:
    """Reads a shard sequentially into the page cache, one shard at a time, so that later items come from memory."""
    block = bytearray(1 << 20)
    with contextlib.suppress(OSError), turn, path.open("rb", buffering=0) as file:
        while file.readinto(block):
            pass
