"""Compares frames per second of training the published denoiser in batches and with a batch size of one.

"ours" does what `trainer.fit` does: buckets of similar length, padding, masked loss, AdamW, gradient clipping. "one by
one" is a minimal form of the original suite's loop: single pairs (T, 1, 80), mean squared error, Adam. Both read the
same .npy pairs once per repeat and take turns. Everything runs on one thread.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from clearmel.audio.features import MelFeatures
from clearmel.data.batching import BucketSampler, Shares, collate
from clearmel.data.mel_datasets import PairedMels
from clearmel.tasks import DenoisingTask


def write_pairs(folder: Path, n_pairs: int, shortest: int, longest: int) -> None:
    """Writes random mels to `folder`/noisy and `folder`/clean."""
    rng = np.random.default_rng(0)
    for side in ("noisy", "clean"):
        (folder / side).mkdir()
    for number in range(n_pairs):
        shape = int(rng.integers(shortest, longest + 1)), 80
        for side in ("noisy", "clean"):
            np.save(folder / side / f"{number:05}.npy", rng.normal(0, 0.5, shape).astype(np.float32))


class Batched:
    """Training in batches, one epoch per call."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.task, self.data = DenoisingTask(), PairedMels(folder / "noisy", folder / "clean", MelFeatures())
        self.network = self.task.network()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3, weight_decay=0.0)
        self.sampler = BucketSampler(self.data.lengths, batch_size, shuffle=True)

    def epoch(self) -> None:
        """Trains on every pair once."""
        shares = Shares(self.sampler.batches(), rank=0, world=1)
        for batch in DataLoader(self.data, batch_sampler=shares, collate_fn=collate):
            loss = self.task.loss(self.network, batch)
            loss.item()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.sampler.epoch += 1


class OneByOne:
    """Training as in the original suite, one epoch per call."""

    def __init__(self, folder: Path) -> None:
        self.pairs = [(path, folder / "clean" / path.name) for path in sorted((folder / "noisy").iterdir())]
        self.lstm, self.linear = nn.LSTM(80, 80), nn.Linear(80, 80)
        self.optimizer = torch.optim.Adam([*self.lstm.parameters(), *self.linear.parameters()], lr=1e-3)

    def epoch(self) -> None:
        """Trains on every pair once."""
        for noisy, clean in self.pairs:
            mel, target = (torch.from_numpy(np.load(path))[:, None] for path in (noisy, clean))  # (T, 1, M)
            self.optimizer.zero_grad()
            loss = nn.functional.mse_loss(self.linear(self.lstm(mel)[0]), target)
            loss.backward()
            self.optimizer.step()
            loss.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--n_pairs", type=int, default=256, help="pairs of mels")
    parser.add_argument("--shortest", type=int, default=100, help="frames of the shortest pair")
    parser.add_argument("--longest", type=int, default=400, help="frames of the longest pair")
    parser.add_argument("--batch_sizes", default="8,32", help="batch sizes")
    parser.add_argument("--repeats", type=int, default=5, help="epochs of each loop")
    args = parser.parse_args()

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(folder, args.n_pairs, args.shortest, args.longest)
        sizes = [int(size) for size in args.batch_sizes.split(",")]
        loops: dict[int, Batched | OneByOne] = {1: OneByOne(folder)} | {size: Batched(folder, size) for size in sizes}
        n_frames = sum(len(np.load(path, mmap_mode="r")) for path in (folder / "noisy").iterdir())
        speeds: dict[int, list[float]] = {size: [] for size in loops}
        for _ in range(1 + args.repeats):  # the first epoch is a warm-up
            for size, loop in loops.items():
                begun = time.process_time()
                loop.epoch()
                speeds[size].append(n_frames / (time.process_time() - begun))
    print("| training   | batch | frames per second | times as many |")
    print("|------------|------:|------------------:|--------------:|")
    for size, found in speeds.items():
        ratio = statistics.median(a / b for a, b in zip(found[1:], speeds[1][1:], strict=True))
        row = "one by one" if size == 1 else "ours"
        print(f"| {row:10} | {size:5} | {statistics.median(found[1:]):17,.0f} | {ratio:13.1f} |")


if __name__ == "__main__":
    main()
