"""Measures whether memory grows over a thousand files. Each script processes a folder in one process with one thread.

The files are sample clips at several rates, channel counts and formats; their names contain spaces, quotes and letters
of other alphabets. The table compares the resident memory in the first tenth of the run with the maximum.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    "inference_audio": ("denoise", "--input_path in --output_path {out}"),
    "inference_classification": ("classify", "--input_path in"),
    "inference_cutting": ("cut", "--input_path in --output_path {out}"),
}
NAMES = ("plain", "with space", "quote'\"", "слово", "声音", "emoji🎧", "x" * 200)


def resident_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def watch(script: str, files: int) -> None:
    """Runs a script in this process; prints time and memory as a table row."""
    import importlib

    import torch

    torch.set_num_threads(1)
    module, flags = SCRIPTS[script]
    main = getattr(importlib.import_module(f"clearmel.cli.{module}"), script)
    seen: list[float] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.05):
            seen.append(resident_mib())

    watcher = threading.Thread(target=sample)
    begun = time.monotonic()
    watcher.start()
    with redirect_stdout(io.StringIO()):
        status = main(flags.format(out=f"out_{script}").split())
    over.set()
    watcher.join()
    seconds = time.monotonic() - begun
    early = max(seen[: max(1, len(seen) // 10)])
    print(
        f"| {script} | {files} | {status} | {seconds / files * 1000:.0f} | {early:.0f} | {max(seen):.0f} |", flush=True
    )


def make(files: int) -> None:
    """Writes the input files to the folder in/."""
    import numpy as np

    from clearmel.audio import sound_file

    clips = sorted((ROOT / "data/speech").rglob("*.flac"))
    kinds = ((16000, 1, ".wav"), (44100, 2, ".flac"), (8000, 1, ".wav"), (48000, 1, ".ogg"))
    for index in range(files):
        rate, channels, suffix = kinds[index % len(kinds)]
        wave = sound_file.read(clips[index % len(clips)], rate)[0][: rate * (1 + index % 5)]
        name = f"{NAMES[index % len(NAMES)]} {index}"
        sound_file.write(Path("in", f"{index // 100}", name + suffix), np.stack([wave] * channels), rate)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--scripts", default=",".join(SCRIPTS))
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.watch:
        watch(args.watch, args.files)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make(args.files)
        print("| script | files | exit | ms a file | MiB in the first tenth | MiB at most |", flush=True)
        print("|---|---|---|---|---|---|", flush=True)
        for script in args.scripts.split(","):
            command = [sys.executable, str(Path(__file__).resolve()), "--watch", script, "--files", str(args.files)]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        os.chdir(ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
