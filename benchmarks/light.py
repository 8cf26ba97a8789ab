"""Compares ONNX Runtime with torch: cold start, time per second of sound, cost of a live hop, memory of a long file.

Every figure is measured for both, one after the other, in processes of their own with one thread; the column "ratio" is
the median of the paired ratios, ONNX Runtime by torch, so below 1 is better. A last row has the size of an environment.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("onnxruntime", "torch")
RATES = (16000, 44100, 48000)
INSTALLERS = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
"""Packages that only install others; the core runs without them."""


def model_of(library: str, name: str) -> Any:
    """The denoiser, computed by a library."""
    if library == "onnxruntime":
        from clearmel.runtime import load

        return load.by_name(name, "denoising", n_threads=1)
    import torch

    from clearmel.checkpoints import weights_file
    from clearmel.runtime.torch_model import TorchModel

    torch.set_num_threads(1)
    return TorchModel(weights_file.load_denoiser(name))


def measure(task: str, library: str, name: str, path: str) -> float:
    """Seconds or MiB of one task; runs in a process of its own."""
    from clearmel.inference import denoise

    model, target = model_of(library, name), Path(path).with_name(f"{library}.wav")
    if task == "cold":
        denoise.denoise_file(model, Path(path), target)
        return 0.0
    if task == "memory":
        import resource

        denoise.denoise_file(model, Path(path), target)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
    if task == "file":
        denoise.denoise_file(model, Path(path), target)  # a warm-up
        begun = time.process_time()
        denoise.denoise_file(model, Path(path), target)
        return time.process_time() - begun
    import soundfile

    from clearmel.inference.denoise_stream import DenoiseStream

    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    stream, costs = DenoiseStream(model, rate, wave.shape[1]), list[float]()
    for start in range(0, len(wave) - stream.hop, stream.hop):
        block = wave[start : start + stream.hop].T
        begun = time.process_time()
        stream.push(block)
        costs.append(time.process_time() - begun)
    return statistics.mean(costs[100:])  # at some rates a hop completes a frame, at others not


def recording(path: Path, seconds: float, rate: int, n_channels: int) -> Path:
    """Noisy speech of any length, written in pieces."""
    import numpy as np
    import soundfile
    import soxr

    wave, own = soundfile.read(ROOT / "data/noisy.wav", dtype="float32")
    wave = soxr.resample(wave, own, rate)
    block = np.stack([wave / (1 + number) for number in range(n_channels)], axis=1)
    with soundfile.SoundFile(path, "w", rate, n_channels, "PCM_16", format="RF64") as file:
        left = round(seconds * rate)
        while left > 0:
            file.write(block[:left])
            left -= len(block)
    return path


def once(task: str, library: str, args: argparse.Namespace, path: Path) -> float:
    """One measurement in a new process; wall-clock seconds of the whole process for a cold start."""
    command = [sys.executable, __file__, "--model_filename", args.model_filename, "--measure", task, library, str(path)]
    if task == "cold" and library == "onnxruntime":
        command = [sys.executable, "-m", "clearmel", "denoise", str(path), "-o", str(path.with_name("cold.wav"))]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - begun if task == "cold" else float(json.loads(done.stdout))


def sizes(environment: Path) -> tuple[int, int]:
    """Bytes of all files of an environment, bytecode included, and of pip and setuptools, which `venv` puts there."""
    own = installers = 0
    for path in environment.rglob("*"):
        if path.is_file() and not path.is_symlink():
            words = path.relative_to(environment).parts
            if any(word.split("-")[0] in INSTALLERS for word in words):
                installers += path.lstat().st_size
            else:
                own += path.lstat().st_size
    return own, installers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model_filename", default="denoiser.pth", help="denoiser's weights file in models/")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of measurements")
    parser.add_argument("--hours", type=float, default=10.0, help="length of the long file; 0 leaves it out")
    parser.add_argument("--environment", type=Path, help="folder of an environment with the core alone, to be measured")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure[:2], args.model_filename, args.measure[2])))
        return 0
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    print("| figure | onnxruntime | torch | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        tasks = [
            (
                "cold",
                "cold start, 5 s of 16 kHz, s",
                recording(Path(folder, "five.wav"), 5, 16000, 1),
                1.0,
                args.repeats,
            )
        ]
        for rate in RATES:
            path = recording(Path(folder, f"{rate}.wav"), 60, rate, 1 if rate == 16000 else 2)
            tasks.append(("file", f"file of {rate} Hz, s per s of sound", path, 1 / 60, args.repeats))
            tasks.append(("hop", f"live hop of {rate} Hz, ms", path, 1000.0, args.repeats))
        if args.hours:
            path = recording(Path(folder, "long.wav"), 3600 * args.hours, 16000, 1)
            tasks.append(("memory", f"memory of {args.hours:g} h of 16 kHz, MiB", path, 1.0, 1))
        for task, title, path, scale, repeats in tasks:
            pairs = [[once(task, library, args, path) * scale for library in LIBRARIES] for _ in range(repeats)]
            ours, torchs = (statistics.median(side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(one / other for one, other in pairs)
            print(f"| {title} | {ours:.4g} | {torchs:.4g} | {ratio:.2f} |", flush=True)
    if args.environment:
        own, installers = sizes(args.environment)
        print(f"| size of the environment, MB | {own / 1e6:.0f} | | |")
        print(f"| with pip and setuptools, MB | {(own + installers) / 1e6:.0f} | | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
