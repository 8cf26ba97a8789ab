"""Runs a network over a dataset, on every process."""

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch.utils.data import DataLoader
from tqdm import tqdm

from clearmel.core import signals
from clearmel.data.batching import BucketSampler, Shares, collate
from clearmel.data.mel_datasets import MelDataset
from clearmel.networks import Network, devices
from clearmel.tasks.base import Record, Task


def make_accelerator(device: str = "auto") -> Accelerator:
    """The accelerator of a device; "auto" is a CUDA device where there is one, else the CPU.

    Raises:
        InputError: the device is not there.
    """
    # The trainer switches low precision itself: accelerate would apply it to validation, too.
    return Accelerator(cpu=devices.pick(device).type == "cpu", mixed_precision="no")


def make_loader(data: MelDataset, shares: Shares, workers: int, pin: bool) -> "DataLoader[Any]":
    """Loads the batches of a process's share, by `workers` processes that leave signals to their parent."""
    return DataLoader(
        data,
        batch_sampler=shares,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin,
        worker_init_fn=signals.left_to_parent,
    )


@torch.no_grad()
def evaluate(
    task: Task,
    network: Network,
    data: MelDataset,
    batch_size: int = 32,
    accelerator: Accelerator | None = None,
    workers: int = 0,
) -> list[Record]:
    """One record for each item, in the dataset's order, on every process.

    Raises:
        InputError: an item cannot be read.
    """
    accelerator = accelerator or make_accelerator()
    batches = BucketSampler(data.lengths, batch_size, shuffle=False, groups=data.groups).batches()
    shares = Shares(batches, accelerator.process_index, accelerator.num_processes)
    network.to(accelerator.device)
    was_training = network.training
    network.eval()
    found: list[tuple[int, Record]] = []
    quiet = None if accelerator.is_main_process else True
    loader = make_loader(data, shares, workers, pin=False)
    for share, batch in zip(shares, tqdm(loader, unit="batch", leave=False, disable=quiet), strict=True):
        found += zip(share, task.records(network, batch.to(accelerator.device)), strict=True)
    network.train(was_training)
    if accelerator.num_processes > 1:
        found = gather_object(found)
    by_index = dict(found)
    return [by_index[index] for index in sorted(by_index)]
