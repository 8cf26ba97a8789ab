"""Builds pairs of noisy and clean recordings from voices and noises that no training used, for compare_denoisers.py.

    python benchmarks/outside_set.py --clean_path voices_a voices_b --noise_path noises --output_path outside
    python benchmarks/compare_denoisers.py --noisy_path outside/noisy --clean_path outside/clean \
        --mix_csv outside/mix.csv

Voices and noises take turns, and so do the SNRs -5, 0, 5, 10 and 15 dB; every third mixture is in a simulated room,
whose direct sound and first 50 ms are the clean side. A speaker's recordings are joined with pauses until they are
long enough.
"""

import argparse
import csv
import io
from pathlib import Path

import numpy as np

from clearmel.audio import sound_file
from clearmel.augmentation import mix, reverb
from clearmel.augmentation.recording_chain import Chain
from clearmel.core.file_io import list_files, write_text
from clearmel.data.speech_pool import SpeechPool

RATE = 16000
SNRS_DB = (-5, 0, 5, 10, 15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--clean_path", nargs="+", required=True, help="folders of clean speech, a sub-folder per speaker"
    )
    parser.add_argument("--noise_path", required=True, help="folder of noises")
    parser.add_argument("--output_path", type=Path, required=True, help="gets noisy/, clean/ and mix.csv")
    parser.add_argument("--n_mixtures", type=int, default=60, help="number of mixtures")
    parser.add_argument("--clip_s", type=float, default=15.0, help="length of a mixture in seconds")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    args = parser.parse_args()
    rng, n_samples = np.random.default_rng(args.seed), int(args.clip_s * RATE)
    voices = []
    for root in map(Path, args.clean_path):
        names = [name.as_posix() for name in list_files(root, sound_file.SUFFIXES)]
        for speaker in sorted({name.split("/")[0] for name in names}):
            own = tuple(name for name in names if name.startswith(f"{speaker}/"))
            voices.append((f"{root.name}/{speaker}", SpeechPool(root, own, RATE, n_samples)))
    noises = list_files(args.noise_path, sound_file.SUFFIXES)
    order, rows = rng.permutation(len(voices)), []
    for number in range(args.n_mixtures):
        (speaker, pool), noise = voices[order[number % len(voices)]], noises[number % len(noises)]
        snr_db = SNRS_DB[(number + number // len(noises)) % len(SNRS_DB)]
        room = reverb.draw_room(rng) if number % 3 == 2 else None
        recipe = mix.Recipe(
            (noise.stem,), snr_db, int(rng.integers(2**31)), chain=Chain(level_db=-26.0, room=room, early=True)
        )
        wave = sound_file.read(Path(args.noise_path, noise), RATE)[0]
        pair = mix.mix(pool.piece(rng)[0], recipe, lambda _name, wave=wave: wave, RATE)
        for side, sound in zip(("noisy", "clean"), pair, strict=True):
            (args.output_path / side).mkdir(parents=True, exist_ok=True)
            sound_file.write(args.output_path / side / f"{number:04d}.wav", sound, RATE)
        rows.append({"name": f"{number:04d}.wav", "speaker": speaker} | mix.describe(recipe))
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(args.output_path / "mix.csv", table.getvalue())
    counts = f"{args.n_mixtures} mixtures of {args.clip_s:g} s, {len(voices)} speakers, {len(noises)} noises"
    print(f"{args.output_path}: {counts}")


if __name__ == "__main__":
    main()
