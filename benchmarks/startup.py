"""Measures the start time of every script, and of denoising and classifying five seconds from a cold start.

Each row is the median of several new processes with one thread; the first rows show Python, numpy and torch alone.
Seconds are wall-clock time, so nothing else may run on the machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


def seconds(command: list[str], repeats: int) -> float:
    """Median wall-clock seconds of a command."""
    found = []
    for _ in range(repeats):
        begun = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="starts of each command; the median counts")
    args = parser.parse_args()
    python, scripts = sys.executable, sorted(path.name for path in ROOT.glob("*.py"))
    rows = [(f'python -c "{code}"', [python, "-c", code]) for code in ("pass", "import numpy", "import torch")]
    rows += [(f"{script} --help", [python, script, "--help"]) for script in scripts]
    with tempfile.TemporaryDirectory() as folder:
        from clearmel.audio import sound_file

        wave, rate = sound_file.read(ROOT / "data/noisy.wav")
        sound_file.write(Path(folder, "five.wav"), np.tile(wave, 5)[..., : 5 * rate], rate, "PCM_16")
        files = ["--input_path", str(Path(folder, "five.wav")), "--output_path", str(Path(folder, "cleaned.wav"))]
        rows.append(("inference_audio.py, 5 s", [python, "inference_audio.py", *files]))
        rows.append(("inference_classification.py, 5 s", [python, "inference_classification.py", *files[:2]]))
        print("| command | s |\n|---|---|")
        for name, command in rows:
            print(f"| `{name}` | {seconds(command, args.repeats):.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
