"""Measures time per second of sound and peak memory of denoising and classifying recordings.

Each row is a separate process with one thread; the recordings are concatenated sample clips. The row "start" only
imports the package and loads the weights; every other row includes its memory.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TASKS = ("start", "features", "classify", "clean by gain", "clean by griffin_lim")


def measure(task: str, recording: Path, repeats: int, model: str, classifier: str) -> dict[str, Any]:
    """Median seconds of a task and the peak memory of this process in MiB."""
    from clearmel.audio import sound_file
    from clearmel.audio.features import MelFeatures
    from clearmel.inference import denoise
    from clearmel.inference.classify import WindowClassifier
    from clearmel.options import DenoiseOptions
    from clearmel.runtime import load

    denoiser = load.by_name(model, "denoising")
    windows = WindowClassifier.load(classifier)
    cleaned = recording.parent / "cleaned" / "cleaned.wav"
    work: dict[str, Callable[[], object]] = {
        "start": lambda: None,
        "features": lambda: MelFeatures().mel(sound_file.read(recording, 16000)[0]),
        "classify": lambda: windows.predict(recording),
        "clean by gain": lambda: denoise.denoise_file(denoiser, recording, cleaned),
        "clean by griffin_lim": lambda: denoise.denoise_file(
            denoiser, recording, cleaned, DenoiseOptions(reconstruction="griffin_lim")
        ),
    }
    seconds = []
    for _ in range(repeats):
        begun = time.process_time()
        work[task]()
        seconds.append(time.process_time() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": statistics.median(seconds), "peak": peak / 2**20}


def write_recording(clips: Path, path: Path, length_s: float) -> None:
    """Writes concatenated sample clips at half their level up to a length."""
    import soundfile as sf

    waves = [sf.read(clip, dtype="int16")[0] // 2 for clip in sorted(clips.rglob("*.flac"))]
    missing, number = round(length_s * 16000), 0
    with sf.SoundFile(path, "w", 16000, 1, "PCM_16") as file:
        while missing:
            piece = waves[number % len(waves)][:missing]
            file.write(piece)
            missing, number = missing - len(piece), number + 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model_filename", default="denoiser.pth", help="denoiser's weights file in models/")
    parser.add_argument("--classifier_filename", default="classifier.pth", help="classifier's weights file in models/")
    parser.add_argument("--speech_path", type=Path, default="data/speech", help="folder of clips")
    parser.add_argument("--minutes", default="1,30", help="lengths of the recordings")
    parser.add_argument("--tasks", default=",".join(TASKS), help="tasks to run, separated by commas")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each task; the median counts")
    parser.add_argument("--measure", nargs=2, metavar=("TASK", "RECORDING"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        from clearmel.core.errors import InputError

        task, recording = args.measure
        try:
            found = measure(task, Path(recording), args.repeats, args.model_filename, args.classifier_filename)
        except InputError as error:
            print(f"error: {error.line()}", file=sys.stderr)
            return 2
        print(json.dumps(found))
        return 0

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in map(float, args.minutes.split(",")):
            recording = Path(folder, "recording.wav")
            write_recording(args.speech_path, recording, 60 * minutes)
            for task in args.tasks.split(","):
                command = [sys.executable, __file__, *sys.argv[1:], "--measure", task, str(recording)]
                threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
                done = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ | threads, check=False)
                if done.returncode:
                    return done.returncode
                found = json.loads(done.stdout)
                factor = found["seconds"] / (60 * minutes)
                rows.append(f"| {task:20} | {minutes:7g} | {factor:16.5f} | {found['peak']:11,.0f} |")
    print("| task                 | minutes | s per s of sound | peak in MiB |")
    print("|----------------------|--------:|-----------------:|------------:|")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
