"""Measures time and memory until the first batch of a training on a million clips, on the first and on later starts.

Makes pairs of .npy mels of 1 to 4 s (--longest): by default hard links to a few real files, with --own_files a sparse
file for each, with --shard_items shards. Then it repeatedly starts a process that imports the modules of a training,
lists the dataset, draws the order of the epoch and loads a batch. Seconds count from the start of the process; memory
is its peak.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

N_KINDS, IN_FOLDER = 300, 1000


def drawn(longest: int) -> list[np.ndarray]:
    """Random mels of longest / 4 to `longest` frames."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(max(1, longest // 4), longest + 1, N_KINDS).tolist()
    return [rng.normal(-0.5, 0.3, (size, 80)).astype(np.float32) for size in sizes]


def write_pairs(train: Path, n_clips: int, longest: int, own_files: bool) -> None:
    """Writes noisy and clean mels of `n_clips` clips below a folder."""
    kinds = train.parent / "kinds"
    kinds.mkdir(parents=True)
    for kind, mel in enumerate(drawn(longest)):
        np.save(kinds / f"{kind}.npy", mel)
    contents = [(kinds / f"{kind}.npy").read_bytes() for kind in range(N_KINDS)]
    for side in ("noisy", "clean"):
        for start in range(0, n_clips, IN_FOLDER):
            folder = train / side / f"{start // IN_FOLDER:05}"
            folder.mkdir(parents=True)
            for number in range(start, min(n_clips, start + IN_FOLDER)):
                path, kind = f"{folder}/clip_{number:07}.npy", number * 7919 % N_KINDS
                if not own_files:
                    os.link(kinds / f"{kind}.npy", path)
                    continue
                with io.FileIO(path, "x") as file:
                    file.write(contents[kind][:128])
                    file.truncate(len(contents[kind]))


def write_shards(train: Path, n_clips: int, longest: int, shard_items: int) -> None:
    """Writes the same mels as shards, not sparse: 100 GB for a million pairs of up to 250 frames."""
    from clearmel.data import shards

    mels = drawn(longest)
    for start in range(0, n_clips, shard_items):
        named = (
            (f"{number // IN_FOLDER:05}/clip_{number:07}", np.stack([mels[number * 7919 % N_KINDS]] * 2))
            for number in range(start, min(n_clips, start + shard_items))
        )
        shards.write(train / f"shard-{start // shard_items:06}.tar", named)


def start(folder: Path, begun: float, batch_size: int) -> None:
    """Does the work of a training until its first batch."""
    import torch
    from torch.utils.data import DataLoader

    from clearmel.data.batching import BucketSampler, Shares, collate
    from clearmel.options.source import Source
    from clearmel.tasks import DenoisingTask
    from clearmel.training import trainer

    torch.set_num_threads(1)
    assert trainer
    imported = time.time()
    data = DenoisingTask(Source(str(folder))).dataset("train")
    listed = time.time()
    sampler = BucketSampler(data.lengths, batch_size, shuffle=True, groups=data.groups)
    batch = next(iter(DataLoader(data, batch_sampler=Shares(sampler.batches(), 0, 1), collate_fn=collate)))
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(
        json.dumps(
            {
                "items": len(data),
                "batch": len(batch),
                "imports": imported - begun,
                "listing": listed - imported,
                "total": time.time() - begun,
                "cpu": time.process_time(),
                "peak": peak / 1024,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1_000_000, help="number of pairs")
    parser.add_argument("--folder", type=Path, required=True, help="new folder for the dataset, removed afterwards")
    parser.add_argument("--longest", type=int, default=250, help="most frames; the shortest mels have a quarter")
    parser.add_argument("--own_files", action="store_true", help="a sparse file of 4 kB per mel, no hard links")
    parser.add_argument("--shard_items", type=int, default=0, help="write shards of this many pairs instead of files")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="do not delete the dataset; reuse an existing one")
    parser.add_argument("--begun", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.begun:
        start(args.folder, args.begun, args.batch_size)
        return
    if args.keep and (args.folder / "train").exists():
        print(f"using {args.folder}")
    else:
        args.folder.mkdir(parents=True)
        begun = time.time()
        if args.shard_items:
            write_shards(args.folder / "train", args.clips, args.longest, args.shard_items)
        else:
            write_pairs(args.folder / "train", args.clips, args.longest, args.own_files)
        print(f"made {args.clips:,} pairs in {time.time() - begun:.0f} s", flush=True)
    print("| start | pairs     | imports s | listing s | first batch s | processor s | peak MiB |")
    print("|------:|----------:|----------:|----------:|--------------:|------------:|---------:|", flush=True)
    for number in range(args.starts):
        command = [sys.executable, __file__, "--folder", str(args.folder), "--batch_size", str(args.batch_size)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, "--begun", repr(time.time())], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        found = json.loads(done.stdout)
        print(
            f"| {number + 1:5} | {found['items']:9,} | {found['imports']:9.1f} | {found['listing']:9.1f} | "
            f"{found['total']:13.1f} | {found['cpu']:11.1f} | {found['peak']:8.0f} |",
            flush=True,
        )
    if not args.keep:
        shutil.rmtree(args.folder)


if __name__ == "__main__":
    main()
