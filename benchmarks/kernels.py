"""Compares kernels for the recurrent layers on one thread: speed, and difference from the plain float32 ones."""

import argparse
import copy
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from clearmel.checkpoints import weights_file


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """Minimum seconds of several calls after one warm-up call."""
    work()
    found = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)


def training_step(kind: type[nn.RNNBase]) -> Callable[[], None]:
    """A training step of the separator's layer along time: ten seconds of 21 bands, in bfloat16."""
    layer, bands = kind(64, 64, batch_first=True, bidirectional=True), torch.randn(84, 157, 64, requires_grad=True)

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = layer(bands)[0]
        out.float().square().mean().backward()

    return step


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model_filename", default="denoiser.pth", help="denoiser with a second stage, in models/")
    parser.add_argument("--repeats", type=int, default=5, help="calls of each kernel; the fastest counts")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")  # quantize_dynamic is deprecated
    network = weights_file.load_denoiser(args.model_filename)
    int8 = torch.ao.quantization.quantize_dynamic(copy.deepcopy(network), {nn.LSTM, nn.Linear}, dtype=torch.qint8)
    mel, fine = torch.randn(1, 3750, 80) * 0.1 - 0.5, torch.randn(1, 3750, 256)

    def plain() -> Tensor:
        with torch.backends.mkldnn.flags(enabled=False):
            return network(mel, fine)[0]

    def low() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return network(mel, fine)[0].float()

    ways: dict[str, Callable[[], Tensor]] = {
        "torch's own, float32": plain,
        "fused, float32 (what is used)": lambda: network(mel, fine)[0],
        "int8 weights (`quantize_dynamic`)": lambda: int8(mel, fine)[0],
        "bfloat16": low,
    }
    print("| kernels, 60 s of sound | seconds | largest difference in the mel |\n|---|---|---|")
    with torch.inference_mode():
        wanted = plain()
        for name, way in ways.items():
            print(f"| {name} | {seconds(way, args.repeats):.2f} | {float((way() - wanted).abs().max()):.1e} |")
    print("\n| layer, a step of training | ms |\n|---|---|")
    for kind in (nn.LSTM, nn.GRU):
        print(f"| bidirectional {kind.__name__} of 64 | {1000 * seconds(training_step(kind), args.repeats):.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
