"""How often `separate` keeps two speakers of nearly equal pitch in their tracks across pauses.

    python benchmarks/speaker_turns.py --speech_path speech/val

The folder has a sub-folder per speaker; half of its recordings, or of its only one, is the speaker's first turn. Every
speaker meets the next ones in order of pitch. "a" and "b" are turns of one speaker, "m" is both at once, "_" a pause of
10 s, "." one of 0.8 s. A talk is right if A is in one track throughout and B in the other. Then, how often
`--n_voices auto` finds one voice, and a third one is noticed, in talks of one, two and three speakers with three turns
each: neighbours in pitch, and speakers far apart.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from clearmel.audio import levels, sound_file
from clearmel.core.file_io import FloatArray
from clearmel.inference.voice_separator import VoiceSeparator

RATE = 16000
TALKS = ("a_b.a", "a_b_a", "a.b_a.b", "m_b.a")
COUNTED = ("a.a.a", "a.b.a.b.a.b", "a.b.c.a.b.c.a.b.c")
LONGEST_S = 8


def main() -> None:
    """Prints a line per kind of talk."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--speech_path", required=True, help="folder with a sub-folder per speaker")
    parser.add_argument("--model_filename", default="separator.pth")
    parser.add_argument("--n_pairs", type=int, default=18)
    args = parser.parse_args()
    separator = VoiceSeparator.load(args.model_filename)
    speakers = sorted(map(turns, sorted(filter(Path.is_dir, Path(args.speech_path).iterdir()))), key=pitch_hz)
    pairs = [
        *itertools.pairwise(speakers),
        *((b, a) for a, b in zip(speakers, speakers[2:], strict=False)),
    ]
    rng = np.random.default_rng(0)
    for talk in TALKS:
        right = [is_right(separator, talk, *pair, rng) for pair in pairs[: args.n_pairs]]
        print(f"{talk:8} {sum(right)} of {len(right)}", flush=True)
    thirds = [np.array_split(np.concatenate(both), 3) for both in speakers]
    for talk, apart in itertools.product(COUNTED, (1, len(thirds) // 3)):
        triples = [[thirds[number - back * apart] for back in range(3)] for number in range(len(thirds))]
        found = [counted(separator, talk, triple, rng) for triple in triples[: args.n_pairs]]
        one, more = (sum(column) for column in zip(*found, strict=True))
        print(f"{talk:18} {apart:2} apart: one voice in {one}, a third one in {more} of {len(found)}", flush=True)


def turns(folder: Path) -> list[FloatArray]:
    """Both turns (N,) of a speaker at one level, at most 8 s each."""
    waves = [sound_file.read(path, RATE)[0] for path in sorted(folder.iterdir())]
    half = len(waves) // 2
    both = [np.concatenate(part) for part in (waves[:half], waves[half:])] if half else np.array_split(waves[0], 2)
    return [
        np.asarray(wave * 10 ** ((-26 - levels.active_level_db(wave, RATE)) / 20), np.float32)[: LONGEST_S * RATE]
        for wave in both
    ]


def pitch_hz(waves: list[FloatArray]) -> float:
    """Median of the autocorrelation's peaks between 62 and 400 Hz, in frames of 64 ms."""
    found, wave = [150.0], np.concatenate(waves)
    for start in range(0, len(wave) - 1024, 512):
        frame = wave[start : start + 1024] - wave[start : start + 1024].mean()
        alike = np.fft.irfft(np.abs(np.fft.rfft(frame, 4096)) ** 2)[:260]
        if np.square(frame).mean() > 1e-3 * np.square(wave).mean() and alike[40:].max() > 0.5 * alike[0]:
            found.append(RATE / (40 + int(alike[40:].argmax())))
    return float(np.median(found))


def is_right(
    separator: VoiceSeparator, talk: str, one: list[FloatArray], other: list[FloatArray], rng: np.random.Generator
) -> bool:
    """Separates a talk and looks for each turn's track."""
    parts = list(said(talk, (one, other)))
    tracks = np.concatenate(list(separator.tracks(blocks(parts, rng))), axis=2)[:, 0]
    edges = np.cumsum([0, *map(len, parts)])
    found: dict[str, set[int]] = {"a": set(), "b": set()}
    for letter, (start, end) in zip(talk, itertools.pairwise(edges), strict=True):
        if letter in found:
            found[letter].add(int(np.square(tracks[:, start:end]).sum(axis=1).argmax()))
    return len(found["a"]) == len(found["b"]) == 1 and found["a"] != found["b"]


def counted(
    separator: VoiceSeparator, talk: str, speakers: Sequence[list[FloatArray]], rng: np.random.Generator
) -> tuple[bool, bool]:
    """Separates a talk; whether it is taken for one voice, and whether a third voice is noticed."""
    for _ in separator.tracks(blocks(list(said(talk, speakers)), rng)):
        pass
    return bool(separator.one_voice), separator.further_voice


def said(talk: str, speakers: Sequence[list[FloatArray]]) -> Iterator[FloatArray]:
    """The waves of a talk, letter by letter."""
    turn = [0, 0, 0]
    for letter in talk:
        if letter == "m":
            count = min(len(speakers[0][0]), len(speakers[1][0]))
            yield speakers[0][0][:count] + speakers[1][0][:count]
            turn = [1, 1, 0]
        elif letter in "abc":
            who = "abc".index(letter)
            yield speakers[who][turn[who]]
            turn[who] += 1
        else:
            yield np.zeros(int((10 if letter == "_" else 0.8) * RATE), np.float32)


def blocks(parts: list[FloatArray], rng: np.random.Generator) -> Iterator[FloatArray]:
    """All parts in a faint hiss, in pieces (1, N) of 4 s."""
    wave = np.concatenate(parts)
    wave = (wave + rng.normal(0, 3e-5, len(wave))).astype(np.float32)
    for start in range(0, len(wave), 4 * RATE):
        yield wave[None, start : start + 4 * RATE]


if __name__ == "__main__":
    main()
