"""Measures items per second of training with one process and with several processes on the same batches.

Each row is a run of `trainer.fit` by torchrun: the first two stages of the shipped denoiser on speech and noise mixed
on the fly, with equal effective batch and number of steps. Times cover mixing, forward, backward, synchronisation and
the optimizer step; the first steps are excluded, and runs take turns. Each process has `--threads` threads or a GPU.
The efficiency is the speed relative to one process divided by the number of processes; it is meaningful only with at
least processes times threads cores.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

WARM_UP = 3
"""Steps that are excluded."""


def measure(args: argparse.Namespace) -> int:
    """The part of one process in a run; rank 0 writes the seconds of each step to `--measure`."""
    from clearmel.core import distributed
    from clearmel.options import FitOptions, LossOptions, MixOptions
    from clearmel.options.source import Source
    from clearmel.tasks import DenoisingTask
    from clearmel.training import trainer

    begun: list[float] = []

    class Timed(DenoisingTask):
        def loss(self, network: Any, batch: Any) -> Any:
            begun.append(time.perf_counter())
            return super().loss(network, batch)

    mixing = MixOptions(
        clean_path=str(ROOT / "data/speech"), noise_path=str(ROOT / "data/noise"), clip_s=args.clip_s, val_fraction=0.0,
        epoch_items=(WARM_UP + args.steps + 1) * args.batch_size,
    )  # fmt: skip
    sizes = {"hidden_dim": 256, "num_layers": 2, "dropout": 0.1, "fine_bins": 256, "fine_dim": 256}
    task = Timed(Source(mixing=mixing), sizes=sizes, losses=LossOptions(), network_name="gain")
    options = FitOptions(epochs=1, batch_size=args.batch_size, device=args.device, workers=args.workers)
    trainer.fit(task, options, Path(args.measure).with_suffix(".pth"))
    if distributed.is_rank_zero():
        steps = [after - before for before, after in itertools.pairwise(begun)][-args.steps :]
        Path(args.measure).write_text(json.dumps(steps))
    return 0


def main(argv: object = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--processes", default="1,2", help="numbers of processes")
    parser.add_argument("--batch_size", type=int, default=24, help="items in a step, summed over all processes")
    parser.add_argument("--clip_s", type=float, default=3.0, help="length of an item in seconds")
    parser.add_argument("--steps", type=int, default=20, help="measured steps of each run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each number of processes")
    parser.add_argument("--threads", type=int, default=1, help="threads of a process on a CPU")
    parser.add_argument("--workers", type=int, default=0, help="data loading workers per process")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        return measure(args)
    counts = [int(count) for count in args.processes.split(",")]
    speeds: dict[int, list[float]] = {count: [] for count in counts}
    threads = {"OMP_NUM_THREADS": str(args.threads), "OPENBLAS_NUM_THREADS": str(args.threads)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "steps.json")
        for _ in range(args.repeats):
            for count in counts:
                command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
                command += [__file__, *sys.argv[1:], "--measure", str(path)]
                done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.DEVNULL, check=False)
                if done.returncode:
                    return done.returncode
                seconds = json.loads(path.read_text())
                speeds[count].append(args.batch_size / statistics.median(seconds))
    print("| processes | items per second | step in ms | times as many | efficiency |")
    print("|----------:|-----------------:|-----------:|--------------:|-----------:|")
    for count in counts:
        speed = statistics.median(speeds[count])
        ratio = statistics.median(a / b for a, b in zip(speeds[count], speeds[counts[0]], strict=True))
        efficiency = ratio * counts[0] / count
        step_ms = 1000 * args.batch_size / speed
        print(f"| {count:9} | {speed:16.1f} | {step_ms:10.0f} | {ratio:13.2f} | {efficiency:10.0%} |")
    return 0


if __name__ == "__main__":
    from clearmel.cli.parser import run

    run(main)
