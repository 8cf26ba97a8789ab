"""How often is clean speech called noisy, as it is and after other recording chains?

Each recording is judged whole, as inference_classification.py judges it, once for each chain: another level, a
telephone's band, codecs, a room.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from tqdm import tqdm

from src import audio, levels, mixing
from src.files import FloatArray, list_files
from src.judging import Judge
from src.mixing import Chain, Recipe

RATE = 16000
ROOM = (5.2, 4.1, 2.8, 0.35, 1.2)
CHAINS = {
    "as it is": Chain(),
    "soft, -45 dB": Chain(level_db=-45.0),
    "loud, -14 dB": Chain(level_db=-14.0),
    "telephone band": Chain(highpass_hz=300.0, lowpass_hz=3400.0),
    **{f"codec {codec}": Chain(codec=codec) for codec in mixing.CODECS},
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
    parser.add_argument("--min_range_db", type=float, default=30.0, help="leave out what is less clean")
    parser.add_argument("--step", type=int, default=1, help="take every so-manieth recording")
    args = parser.parse_args()
    torch.set_num_threads(1)
    judge = Judge.load(args.model_filename)
    waves = []
    for name in list_files(args.clean_path, audio.SUFFIXES)[:: args.step]:
        wave, _ = audio.read(args.clean_path / name, RATE)
        if levels.dynamic_range_db(wave, RATE) >= args.min_range_db:
            waves.append(wave)
    print(f"{len(waves)} clean recordings\n\n| chain | called noisy |\n|---|---|")
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "copy.wav")
        for title, chain in CHAINS.items():
            alarms = 0
            for seed, wave in enumerate(tqdm(waves, desc=title, leave=False, disable=None)):
                copy = mixing.mix(wave, Recipe((), 0.0, seed, chain=chain), _no_noise, RATE)[1]
                audio.write(path, copy, RATE, "FLOAT")
                alarms += judge.row(judge.listen(path).mean())["label"] == "noisy"
            total += alarms
            print(f"| {title} | {alarms / len(waves):.1%} |")
    print(f"| all | {total / len(waves) / len(CHAINS):.1%} |")


if __name__ == "__main__":
    main()
