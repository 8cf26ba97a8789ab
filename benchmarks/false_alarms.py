"""Measures how often clean speech is classified as noisy, unchanged and after several recording chains.

Each complete recording is classified as `clearmel classify` does it, once per chain: other levels, a telephone band,
codecs, a room.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from tqdm import tqdm

from clearmel.audio import levels, sound_file
from clearmel.augmentation import mix, recording_chain
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.recording_chain import Chain
from clearmel.core.file_io import FloatArray, list_files
from clearmel.inference.classify import WindowClassifier

RATE = 16000
ROOM = (5.2, 4.1, 2.8, 0.35, 1.2)
CHAINS = {
    "as it is": Chain(),
    "soft, -45 dB": Chain(level_db=-45.0),
    "soft, -70 dB": Chain(level_db=-70.0),
    "loud, -14 dB": Chain(level_db=-14.0),
    "telephone band": Chain(highpass_hz=300.0, lowpass_hz=3400.0),
    **{f"codec {codec}": Chain(codec=codec) for codec in recording_chain.CODECS},
    "tilt +9 dB": Chain(tilt_db=9.0),
    "tilt -9 dB": Chain(tilt_db=-9.0),
    "a room, RT60 0.35 s": Chain(room=ROOM),
    "hiss 45 dB below": Chain(floor_db=45.0),
}


def _no_noise(name: str) -> FloatArray:
    raise KeyError(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--clean_path", type=Path, default=Path("data/speech"), help="folder of clean speech")
    parser.add_argument("--model_filename", default="noise_presence.pth", help="weights file in models/")
    parser.add_argument("--min_range_db", type=float, default=30.0, help="skip recordings with a smaller dynamic range")
    parser.add_argument("--step", type=int, default=1, help="use every n-th recording")
    args = parser.parse_args()
    torch.set_num_threads(1)
    classifier = WindowClassifier.load(args.model_filename)
    waves = []
    for name in list_files(args.clean_path, sound_file.SUFFIXES)[:: args.step]:
        wave, _ = sound_file.read(args.clean_path / name, RATE)
        if levels.dynamic_range_db(wave, RATE) >= args.min_range_db:
            waves.append(wave)
    print(f"{len(waves)} clean recordings\n\n| chain | called noisy |\n|---|---|")
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "copy.wav")
        for title, chain in CHAINS.items():
            alarms = 0
            for seed, wave in enumerate(tqdm(waves, desc=title, leave=False, disable=None)):
                copy = mix.mix(wave, Recipe((), 0.0, seed, chain=chain), _no_noise, RATE)[1]
                sound_file.write(path, copy, RATE, "FLOAT")
                alarms += classifier.row(classifier.predict(path).mean())["label"] == "noisy"
            total += alarms
            print(f"| {title} | {alarms / len(waves):.1%} |")
    print(f"| all | {total / len(waves) / len(CHAINS):.1%} |")


if __name__ == "__main__":
    main()
