"""Measures how much the denoiser changes clean speech: mean change of the log-mels in dB.

"Speech" covers the mel values within 40 dB of the maximum of a recording; "all" includes its pauses with their faint
noise. A sound file passes all stages of the denoiser, a mel only the first one.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from clearmel.audio import levels, sound_file
from clearmel.audio.features import DECIBELS_PER_UNIT, MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core.file_io import list_files
from clearmel.inference import denoise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--clean_path", type=Path, default=Path("data/speech"), help="folder of clean speech")
    parser.add_argument("--model_filename", default="denoiser.pth", help="weights file in models/")
    parser.add_argument("--min_range_db", type=float, default=30.0, help="skip recordings with a smaller dynamic range")
    args = parser.parse_args()
    network = weights_file.load_denoiser(args.model_filename)
    features, rows = MelFeatures(**network.card["features"]), []
    for name in list_files(args.clean_path, sound_file.SUFFIXES):
        wave, _ = sound_file.read(args.clean_path / name, features.sample_rate)
        if levels.dynamic_range_db(wave, features.sample_rate) < args.min_range_db:
            continue
        pieces = denoise.denoise_blocks(network, [wave[None]], features.sample_rate, 1)
        denoised = np.concatenate(list(pieces), axis=1)[0]
        before, after = (features.mel(torch.from_numpy(sound)).numpy() for sound in (wave, denoised))
        speech = before > before.max() - 40 / DECIBELS_PER_UNIT
        row = [levels.active_level_db(denoised) - levels.active_level_db(wave)]
        for result in (after, denoise.estimate_mel(network, before)):
            change = np.abs(result - before) * DECIBELS_PER_UNIT
            row += [change[speech].mean(), change.mean()]
        rows.append(row)
    level, *changes = np.mean(rows, axis=0)
    print(f"{len(rows)} clean recordings; level of the speech {level:+.2f} dB\n")
    print("| cleaned as | speech, dB | all, dB |\n|---|---|---|")
    for kind, (speech_db, all_db) in zip(("sound", "mel"), (changes[:2], changes[2:]), strict=True):
        print(f"| {kind} | {speech_db:.2f} | {all_db:.2f} |")


if __name__ == "__main__":
    main()
