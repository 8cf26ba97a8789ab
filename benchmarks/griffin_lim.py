"""Compares the speed and quality of Clearmel's Griffin-Lim with librosa's on the mels of the sample clips.

The systems take turns on each clip, so that ratios are measured side by side. Everything runs on one thread.
"""

import argparse
import inspect
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import librosa
import numpy as np
import torch
from pesq import pesq
from torch import Tensor

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.griffin_lim import griffin_lim

FEATURES = MelFeatures()
DEFAULT = inspect.signature(griffin_lim).parameters["n_iterations"].default


def librosas(mel: Tensor) -> Tensor:
    power = np.exp((mel.numpy() - 1) * 10).T
    wave = librosa.feature.inverse.mel_to_audio(power, sr=16000, n_fft=1024, hop_length=256, fmin=20, fmax=8000)
    return torch.from_numpy(wave)


def ours(n_iterations: int, momentum: float) -> Callable[[Tensor], Tensor]:
    return lambda mel: torch.from_numpy(griffin_lim(FEATURES, mel.numpy(), n_iterations, momentum))


def convergence(estimate: Tensor, wave: Tensor) -> float:
    """Spectral convergence: the norm of the magnitude error relative to that of the recording."""
    wanted = FEATURES.stft(wave).abs()
    return float((FEATURES.stft(estimate).abs() - wanted).norm() / wanted.norm())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--speech_path", type=Path, default="data/speech", help="folder of clips")
    parser.add_argument("--n_clips", type=int, default=24, help="maximum number of clips")
    parser.add_argument("--n_iterations", default=f"8,16,{DEFAULT},48", help="settings of Clearmel")
    parser.add_argument("--momentum", type=float, default=0.9, help="of Clearmel")
    args = parser.parse_args()

    torch.set_num_threads(1)
    systems: dict[tuple[str, int], Callable[[Tensor], Tensor]] = {("librosa", 32): librosas}
    for count in args.n_iterations.split(","):
        systems["ours, default" if int(count) == DEFAULT else "ours", int(count)] = ours(int(count), args.momentum)
    paths = sorted(args.speech_path.rglob("*.flac"))[: args.n_clips]
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in systems}
    scores, distances = {key: list[float]() for key in systems}, {key: list[float]() for key in systems}
    for path in [paths[0], *paths]:  # the first clip is a warm-up
        wave = torch.from_numpy(sound_file.read(path, 16000)[0])
        mel = FEATURES.mel(wave)
        for key, invert in systems.items():
            begun = time.process_time()
            estimate = invert(mel)
            seconds[key].append((time.process_time() - begun) / len(wave) * 16000)
            recording = wave[: len(estimate)]
            scores[key].append(pesq(16000, recording.numpy(), estimate.numpy(), "wb"))
            distances[key].append(convergence(estimate, recording))
    print("| system        | iterations | PESQ-WB | lowest | spectral convergence | s per s of sound | times as fast |")
    print("|---------------|-----------:|--------:|-------:|---------------------:|-----------------:|--------------:|")
    for key in systems:
        taken, score, distance = seconds[key][1:], scores[key][1:], statistics.mean(distances[key][1:])
        faster = statistics.median(a / b for a, b in zip(seconds["librosa", 32][1:], taken, strict=True))
        print(
            f"| {key[0]:13} | {key[1]:10} | {statistics.mean(score):7.2f} | {min(score):6.2f} | {distance:20.3f} "
            f"| {statistics.mean(taken):16.4f} | {faster:13.1f} |"
        )


if __name__ == "__main__":
    main()
