"""Measures the CPU seconds of mixing on the fly and of the other parts of a training step, on one thread.

Mixing runs in worker processes (`--workers`) in parallel with the step; the other parts run in the training process.
"""

import argparse
import os
import statistics
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import torch

from clearmel.data.batching import collate
from clearmel.options import LossOptions, MixOptions
from clearmel.options.source import Source
from clearmel.tasks import DenoisingTask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--clean_path", default="data/speech", help="folder of clean speech")
    parser.add_argument("--noise_path", default="data/noise", help="folder of noises")
    parser.add_argument("--cache_path", help="folder for the cache of decoded recordings")
    parser.add_argument("--hidden_dim", type=int, default=320, help="LSTM width")
    parser.add_argument("--num_layers", type=int, default=2, help="LSTM layers")
    parser.add_argument("--fine_bins", type=int, default=256, help="STFT bins of the second stage")
    parser.add_argument("--near_dim", type=int, default=16, help="channels of the third stage")
    parser.add_argument("--batch_size", type=int, default=32, help="mixtures in a step")
    parser.add_argument("--sdr_weight", type=float, default=0.2, help="weight of the SI-SDR in the loss")
    parser.add_argument("--repeats", type=int, default=5, help="steps to time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    mixing = MixOptions(clean_path=args.clean_path, noise_path=args.noise_path, min_range_db=15)
    sizes = {name: getattr(args, name) for name in ("hidden_dim", "num_layers", "fine_bins", "near_dim")}
    task = DenoisingTask(
        Source(cache_path=args.cache_path, mixing=mixing), sizes=sizes,
        losses=LossOptions(mel_weight=1.0, sdr_weight=args.sdr_weight), network_name="gain",
    )  # fmt: skip
    data, network, features = task.dataset("train"), task.network(), task.features
    optimizer = torch.optim.AdamW(network.parameters())
    spent: dict[str, list[float]] = {"mixing (in a worker)": [], "STFT and mels": [], "whole step": []}
    for step in range(args.repeats + 1):
        data.epoch = step
        begun = time.process_time()
        batch = collate([data[index % len(data)] for index in range(args.batch_size)])
        mixed = time.process_time()
        for wave in batch.waves.values():
            features.mel(wave)
        featured = time.process_time()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            task.loss(network, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
        done = time.process_time()
        if step:  # the first step is a warm-up
            for part, seconds in zip(spent, (mixed - begun, featured - mixed, done - featured), strict=True):
                spent[part].append(seconds)
    total = statistics.median(spent["whole step"])
    print(f"| part of a step of {args.batch_size} x {mixing.clip_s:g} s | CPU seconds | of the step |")
    print("|---|---|---|")
    for part, values in spent.items():
        print(f"| {part} | {statistics.median(values):.3f} | {100 * statistics.median(values) / total:.0f} % |")


if __name__ == "__main__":
    main()
