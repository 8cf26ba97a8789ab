"""Measures computing time per hop and algorithmic delay of live denoising.

Each row is a separate process with one thread that receives the sound hop by hop, as from a pipe. "share" is computing
time divided by the duration of the sound; below 1 it runs in real time. The time of a hop is measured from its input
bytes to the resulting output bytes. "delay" is the algorithmic delay from input to output without computing time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def measure(rate: int, n_channels: int, seconds: float, model: str) -> dict[str, Any]:
    """Time and memory of one stream, without its first second."""
    import numpy as np

    from clearmel.audio import sound_file
    from clearmel.audio.pipes import Pcm
    from clearmel.inference import live
    from clearmel.inference.denoise_stream import DenoiseStream
    from clearmel.runtime import load

    stream = DenoiseStream(load.by_name(model, "denoising", n_threads=1), rate, n_channels)
    delay_ms = 1000 * live.delay(stream) / rate
    form = Pcm.of_file("PCM_16", rate, n_channels)
    clip, clip_rate = sound_file.read(Path(__file__).parents[1] / "data/noisy.wav")
    data = form.encode(np.tile(sound_file.resample(clip, clip_rate, rate), (n_channels, 1)))
    size = stream.hop * form.frame_bytes
    hops = [data[start : start + size] for start in range(0, len(data) - size + 1, size)]
    hop_ms = []
    for number in range(round(seconds * rate / stream.hop)):
        begun = time.perf_counter()
        form.encode(stream.push(form.decode(hops[number % len(hops)])))
        hop_ms.append(1000 * (time.perf_counter() - begun))
    hop_ms = hop_ms[rate // stream.hop :]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    length_ms = 1000 * stream.hop / rate
    spread = np.percentile(hop_ms, [50, 95, 99, 100]).tolist()
    return {"delay": delay_ms, "share": np.mean(hop_ms) / length_ms, "spread": spread, "peak": peak / 2**20}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model_filename", default="denoiser.pth,denoiser_tiny.pth", help="weights files in models/")
    parser.add_argument("--rate", default="16000,48000", help="sample rates in Hz")
    parser.add_argument("--channels", type=int, default=1, help="channels")
    parser.add_argument("--seconds", type=float, default=60, help="seconds of sound")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        from clearmel.core.errors import InputError

        try:
            found = measure(int(args.rate), args.channels, args.seconds, args.model_filename)
        except InputError as error:
            print(f"error: {error.line()}", file=sys.stderr)
            return 2
        print(json.dumps(found))
        return 0
    rows = []
    for model in args.model_filename.split(","):
        for rate in args.rate.split(","):
            command = [sys.executable, __file__, "--measure", "--model_filename", model, "--rate", rate]
            command += ["--channels", str(args.channels), "--seconds", str(args.seconds)]
            threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            done = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ | threads, check=False)
            if done.returncode:
                return done.returncode
            found = json.loads(done.stdout)
            spread = " | ".join(f"{value:6.2f}" for value in found["spread"])
            rows.append(
                f"| {model:17} | {rate:>5} | {found['delay']:8.0f} | {found['share']:5.3f} | {spread} "
                f"| {found['peak']:11,.0f} |"
            )
    print("| weights           |    Hz | delay ms | share | ms p50 |    p95 |    p99 |    max | peak in MiB |")
    print("|-------------------|------:|---------:|------:|-------:|-------:|-------:|-------:|------------:|")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
