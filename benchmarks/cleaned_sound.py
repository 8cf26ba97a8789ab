"""How much better do recordings sound after cleaning? PESQ (wideband) and SI-SDR of noisy and cleaned against clean.

The pairs are folders of 16 kHz sound files of the same names, as `build_dataset.py --save_audio` leaves them in
<output_path>/audio/<split>/noisy and /clean.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from pesq import pesq

from src import audio, checkpoint, enhancement
from src.files import list_files
from src.metrics import si_sdr


def scores(wave: np.ndarray, clean: np.ndarray) -> tuple[float, float]:
    """PESQ and SI-SDR in dB of (N,) at 16 kHz."""
    ratio = si_sdr(torch.from_numpy(wave)[None], torch.from_numpy(clean)[None])
    return pesq(16000, clean, wave, "wb"), float(ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--noisy_path", type=Path, required=True, help="folder of noisy recordings")
    parser.add_argument("--clean_path", type=Path, required=True, help="folder of their clean partners")
    parser.add_argument("--model_filename", default="denoiser.pth", help="weights file in models/")
    args = parser.parse_args()
    network = checkpoint.load_denoiser(args.model_filename)
    found: dict[str, list[tuple[float, float]]] = {"noisy": [], "cleaned": []}
    with tempfile.TemporaryDirectory() as folder:
        cleaned = Path(folder, "cleaned.wav")
        for name in list_files(args.noisy_path, audio.SUFFIXES):
            enhancement.clean_file(network, args.noisy_path / name, cleaned)
            clean = audio.read(args.clean_path / name, 16000)[0]
            found["noisy"].append(scores(audio.read(args.noisy_path / name, 16000)[0], clean))
            found["cleaned"].append(scores(audio.read(cleaned, 16000)[0], clean))
    print("| recordings | files | PESQ-WB | SI-SDR in dB |")
    print("|------------|------:|--------:|-------------:|")
    for side, rows in found.items():
        quality, ratio = np.mean(rows, axis=0)
        print(f"| {side:10} | {len(rows):5} | {quality:7.2f} | {ratio:12.1f} |")


if __name__ == "__main__":
    main()
