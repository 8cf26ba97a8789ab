"""Measures what `clearmel cut` does to noisy recordings: words lost, and pauses cut.

Hand-labelled clips are joined to recordings of about a minute with a gap of 1.5 s after each clip, and mixed with hiss,
hum, generated music and recorded noises at several SNRs, or put in rooms. The cuts are those of `clearmel cut` at its
defaults. "Words lost" and "pauses cut" are shares of the labelled frames; a gap counts as cut if half of it is cut.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from clearmel.audio import levels, sound_file
from clearmel.audio.working_level import LevelMeter
from clearmel.augmentation import mix, reverb, scenes
from clearmel.core.file_io import FloatArray, list_files
from clearmel.data import cut_clips
from clearmel.inference.cut import Editor
from clearmel.options import CutOptions
from clearmel.segments import binarize
from clearmel.segments.frames import FRAME_S

RATE, GAP_S = 16000, 1.5
FRAME = round(FRAME_S * RATE)
WORD, PAUSE, GAP, UNKNOWN = 1, 0, 2, -1
Marks = npt.NDArray[np.int8]
Change = Callable[[FloatArray, np.random.Generator], FloatArray]


class Recording(NamedTuple):
    """Joined clips (N,), and for each frame of 40 ms what it holds (K,)."""

    wave: FloatArray
    marks: Marks


class Row(NamedTuple):
    """The condition and its figures in percent."""

    noise: str
    snr_db: str
    words_lost: float
    pauses_cut: float
    gaps_cut: float


def joined(dataset_path: Path, n_clips: int) -> list[Recording]:
    """All labelled clips of a folder, joined with gaps of digital silence."""
    root, clips = cut_clips.find(dataset_path)
    found = []
    for start in range(0, len(clips), n_clips):
        waves, marks = list[FloatArray](), list[Marks]()
        for clip in clips[start : start + n_clips]:
            wave = sound_file.read(root / clip.name, RATE)[0]
            count = 1 + len(wave) // FRAME
            waves.append(np.pad(wave, (0, count * FRAME - len(wave) + round(GAP_S * RATE / FRAME) * FRAME)))
            own = np.full(len(waves[-1]) // FRAME, UNKNOWN, np.int8)
            labelled = clip.label[: count - clip.first]
            own[clip.first : clip.first + len(labelled)] = labelled
            own[count + 1 :] = GAP  # the frame between may hold the end of the clip
            marks.append(own)
        found.append(Recording(np.concatenate(waves), np.concatenate(marks)))
    return found


def with_noise(make: Callable[[int, np.random.Generator], FloatArray], snr_db: float) -> Change:
    """Adds a noise at an SNR between active levels."""

    def change(wave: FloatArray, rng: np.random.Generator) -> FloatArray:
        noise = make(len(wave), rng)
        gain_db = levels.active_level_db(wave, RATE) - levels.active_level_db(noise, RATE) - snr_db
        return np.asarray(wave + noise * np.float32(10 ** (gain_db / 20)), np.float32)

    return change


def hiss(n_samples: int, rng: np.random.Generator) -> FloatArray:
    """White noise."""
    return rng.standard_normal(n_samples).astype(np.float32)


def hum(n_samples: int, rng: np.random.Generator) -> FloatArray:
    """Mains hum: 50 Hz and its harmonics up to 1 kHz, 3 dB less per harmonic on average."""
    time = np.arange(n_samples) / RATE
    tones = [10 ** (-3 * k / 20 + rng.normal(0, 0.2)) * np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 6.28))
             for k in range(1, 21)]  # fmt: skip
    return np.sum(tones, axis=0).astype(np.float32)


def music(n_samples: int, rng: np.random.Generator) -> FloatArray:
    """A generated bed of music."""
    return scenes.music(n_samples, RATE, rng)


def recorded(path: Path) -> Callable[[int, np.random.Generator], FloatArray]:
    """A random part of a recording, repeated if it is short."""
    noise = sound_file.read(path, RATE)[0]
    return lambda n_samples, rng: mix.audible_segment(noise, n_samples, rng)


def conditions(noise_path: Path, rir_path: Path | None, snrs_db: list[float]) -> Iterator[tuple[str, str, Change]]:
    """Name, SNR and change of each condition."""
    yield "none", "", lambda wave, _: wave
    noises = {"hiss": hiss, "hum": hum, "music": music}
    noises |= {name.stem: recorded(noise_path / name) for name in list_files(noise_path, sound_file.SUFFIXES)}
    for name, make in noises.items():
        for snr_db in snrs_db:
            yield name, f"{snr_db:g}", with_noise(make, snr_db)
    if rir_path is None:
        return
    names = [str(rir_path / name) for name in list_files(rir_path, sound_file.SUFFIXES)]

    def room(wave: FloatArray, rng: np.random.Generator) -> FloatArray:
        return reverb.reverberated(wave, RATE, names[int(rng.integers(len(names)))], 0)

    yield "rooms", "", room
    for snr_db in snrs_db:
        noisy = with_noise(hiss, snr_db)
        yield "rooms and hiss", f"{snr_db:g}", lambda wave, rng, noisy=noisy: noisy(room(wave, rng), rng)


def stays(editor: Editor, wave: FloatArray, strength: float) -> npt.NDArray[np.bool_]:
    """Whether each sample (N,) of a recording stays."""
    meter = LevelMeter(RATE)
    meter.push(wave[None])
    probabilities = editor.decide(lambda: iter([wave]), meter)
    options = CutOptions.of_strength(strength, editor.threshold)
    parts = binarize.parts_to_keep(probabilities, editor.step_s, len(wave) / RATE, options, -editor.step_s / 2)
    found = np.zeros(len(wave), bool)
    for start, end in parts:
        found[round(start * RATE) : round(end * RATE)] = True
    return found


def measured(
    editor: Editor, recordings: list[Recording], change: Change, strength: float
) -> tuple[float, float, float]:
    """Words lost, pauses cut and gaps cut, in percent."""
    kept, marks = list[FloatArray](), list[Marks]()
    for number, recording in enumerate(recordings):
        wave = change(recording.wave, np.random.default_rng(number))
        wave = wave * np.float32(min(1.0, 0.99 / np.abs(wave).max()))
        centres = np.arange(len(recording.marks)) * FRAME  # label i belongs to the sound around i * 40 ms
        around = np.pad(stays(editor, wave, strength), FRAME // 2)
        kept.append(np.stack([around[c : c + FRAME].mean() for c in centres]).astype(np.float32))
        marks.append(recording.marks)
    share, mark = np.concatenate(kept), np.concatenate(marks)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mark == GAP, [False]]).astype(np.int8))).reshape(-1, 2)
    gaps = [share[a:b].mean() < 0.5 for a, b in edges]
    return tuple(100 * float(x) for x in (1 - share[mark == WORD].mean(), 1 - share[mark == PAUSE].mean(),
                                          np.mean(gaps)))  # type: ignore[return-value]  # fmt: skip


def summary(rows: list[Row]) -> list[Row]:
    """Mean over the recorded noises at each SNR, and the noise that loses most words."""
    built = {"none", "hiss", "hum", "music", "rooms", "rooms and hiss"}
    found = [row for row in rows if row.noise in built]
    for snr_db in dict.fromkeys(row.snr_db for row in rows if row.noise not in built):
        own = [row for row in rows if row.snr_db == snr_db and row.noise not in built]
        mean = [float(np.mean([row[k] for row in own])) for k in (2, 3, 4)]
        worst = max(own, key=lambda row: row.words_lost)
        found.append(Row(f"{len(own)} recorded noises", snr_db, *mean))
        found.append(worst._replace(noise=f"the worst of them, {worst.noise}"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--dataset_path", type=Path, required=True, help="labelled clips, as for `clearmel eval cutting`"
    )
    parser.add_argument("--noise_path", type=Path, default=Path("data/noise"), help="folder of recorded noises")
    parser.add_argument("--rir_path", type=Path, help="folder of room impulse responses")
    parser.add_argument("--model_filename", default="cutter.pth", help="weights file in models/")
    parser.add_argument(
        "--snr_db", type=float, nargs="+", default=[30.0, 20.0, 10.0], help="SNRs between active levels"
    )
    parser.add_argument("--n_clips", type=int, default=10, help="clips in a recording")
    parser.add_argument("--strength", type=float, default=0.5, help="of the cuts")
    args = parser.parse_args()
    torch.set_num_threads(1)
    editor, recordings = Editor.load(args.model_filename), joined(args.dataset_path, args.n_clips)
    seconds = sum(len(recording.wave) for recording in recordings) / RATE
    print(f"{len(recordings)} recordings, {seconds:.0f} s\n")
    header = "| noise | SNR dB | words lost % | pauses cut % | gaps cut % |\n|---|---|---|---|---|"
    print(header)
    rows = []
    for name, snr_db, change in conditions(args.noise_path, args.rir_path, args.snr_db):
        rows.append(Row(name, snr_db, *measured(editor, recordings, change, args.strength)))
        print(_line(rows[-1]), flush=True)
    print(f"\n{header}")
    for row in summary(rows):
        print(_line(row))


def _line(row: Row) -> str:
    return f"| {row.noise} | {row.snr_db} | {row.words_lost:.2f} | {row.pauses_cut:.0f} | {row.gaps_cut:.0f} |"


if __name__ == "__main__":
    main()
