"""Synthetic training speech of artificial speakers, by the synthesiser Kokoro.

A Kokoro voice is a table of styles (P, 256) with one row per text length in symbols. The first half of a row is the
timbre, the second half the prosody. A weighted mean of voices is again a voice.

Source: Li et al., "StyleTTS 2", NeurIPS 2023.
"""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soxr
from tqdm import tqdm

from clearmel.audio import sound_file
from clearmel.core import temp_files
from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import FloatArray, claiming, existing, list_files, quoted

RATE, RATE_OUT = 24000, 16000
STYLE, TIMBRE = 256, 128
LONGEST = 500
"""Largest number of symbols per call of the synthesiser."""
PACKAGES = ("onnxruntime", "phonemizer", "espeakng_loader")
ENGLISH = (("ʲ", "j"), ("r", "ɹ"), ("x", "k"), ("ɬ", "l"))
"""English symbols of eSpeak, and those of Kokoro for the same sounds."""


class Speaker(NamedTuple):
    """An artificial speaker: the mixture of voices, its modifications, and the indices of the lines it reads."""

    name: str
    timbre: dict[str, float]
    prosody: str | None
    spread: float
    shift: FloatArray
    speed: float
    british: bool
    lines: list[int]


def plan(voices: Sequence[str], n_lines: int, n_speakers: int, n_utterances: int, seed: int) -> list[Speaker]:
    """Draws speakers, each a mixture of one to three voices; about a third has the prosody of a further voice."""
    rng = np.random.default_rng(seed)
    names, speakers = sorted(voices), list[Speaker]()
    for number in range(n_speakers):
        count = int(rng.choice([1, 2, 3], p=[0.1, 0.55, 0.35]))
        chosen = [str(name) for name in rng.choice(names, min(count, len(names)), replace=False)]
        shares = rng.dirichlet([2] * len(chosen))
        prosody = str(rng.choice(names)) if rng.random() < 0.3 else None
        spread, shift = rng.uniform(1.0, 1.25), rng.normal(0, 0.02, TIMBRE).astype(np.float32)
        speed = rng.uniform(0.85, 1.2)
        lines = [int(rng.integers(n_lines)) for _ in range(n_utterances)]
        timbre = dict(zip(chosen, shares, strict=True))
        speakers.append(
            Speaker(f"kokoro_{number:04d}", timbre, prosody, spread, shift, speed, chosen[0][0] == "b", lines)
        )
    return speakers


def style(speaker: Speaker, voices: dict[str, FloatArray]) -> FloatArray:
    """The style table (P, 256) of a speaker; `spread` moves its timbre away from the mean, which mixing approaches."""
    mixed = np.sum([share * voices[name] for name, share in speaker.timbre.items()], axis=0)
    prosody = mixed if speaker.prosody is None else voices[speaker.prosody]
    mean = np.mean([voice.mean(axis=0)[:TIMBRE] for _, voice in sorted(voices.items())], axis=0)
    timbre = mean + (mixed[:, :TIMBRE] - mean) * speaker.spread + speaker.shift
    return np.concatenate([timbre, prosody[:, TIMBRE:]], axis=1).astype(np.float32)


def build(
    text: str, weights: str, voices_path: str, symbols: str, output: Path, n_speakers: int, n_utterances: int, seed: int
) -> float:
    """Writes `<output>/<speaker>/N.flac`, 16 kHz; skips existing files.

    Args:
        text: a file with an English sentence in each line.
        weights: Kokoro as .onnx, with inputs tokens, style and speed.
        voices_path: its voices, a folder of .bin files.
        symbols: .json with its "vocab", from symbol to number.
        output: folder of the speech.
        n_speakers: number of speakers.
        n_utterances: number of lines per speaker.
        seed: seed of all random draws.

    Returns:
        Seconds of speech written by this run.

    Raises:
        InputError: a package or a file is missing, or a file has another format.
    """
    lines = read_lines(text)
    folder = existing(voices_path, folder=True)
    voices = {path.stem: read_voice(folder / path) for path in list_files(folder, [".bin"])}
    for package in PACKAGES:
        if not importlib.util.find_spec(package):
            raise InputError(f"{package} is not installed. pip install 'clearmel[speech]'.")
    synthesiser, seconds = Synthesiser(weights, symbols), 0.0
    speakers = plan(list(voices), len(lines), n_speakers, n_utterances, seed)
    with claiming(output / "speech"):
        temp_files.sweep(output, deep=True)
        for speaker in tqdm(speakers, desc="speakers", unit="speaker", leave=False, disable=None):
            table = style(speaker, voices)
            for number, line in enumerate(speaker.lines):
                target = output / speaker.name / f"{number}.flac"
                if not target.exists():
                    wave = synthesiser.say(lines[line], table, speaker.speed, british=speaker.british)
                    if len(wave) >= RATE_OUT:  # shorter ones are failures of the synthesiser
                        sound_file.write(target, wave, RATE_OUT)
                        seconds += len(wave) / RATE_OUT
    return seconds


def read_lines(path: str) -> list[str]:
    """The non-empty lines of a text file."""
    try:
        content = existing(path, folder=False).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{quoted(path)} is not text in UTF-8.") from error
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{quoted(path)} holds no text.")
    return lines


def read_voice(path: Path) -> FloatArray:
    """A table of styles (P, 256), float32 without a header."""
    content = path.read_bytes()
    if not content or len(content) % (4 * STYLE):
        raise InputError(f"{quoted(path)} is not a voice; expected rows of {STYLE} float32 numbers.")
    table = np.frombuffer(content, "<f4").reshape(-1, STYLE)
    if not np.isfinite(table).all():
        raise InputError(f"{quoted(path)} holds NaN or infinity.")
    return table


class Synthesiser:
    """Kokoro on one thread, so that equal texts give equal waves."""

    def __init__(self, weights: str, symbols: str) -> None:
        """Loads the model; raises an InputError on failure."""
        import onnxruntime

        try:
            vocabulary = json.loads(existing(symbols, folder=False).read_text(encoding="utf-8"))["vocab"]
            self._numbers = {str(symbol): int(number) for symbol, number in vocabulary.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f'{quoted(symbols)} holds no "vocab" from symbol to number: {reason(error)}.') from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = existing(weights, folder=False)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no base class for its exceptions
            raise InputError(f"{quoted(path)} does not load: {reason(error)}.") from error
        missing = {"tokens", "style", "speed"} - {put.name for put in self._session.get_inputs()}
        if missing:
            raise InputError(f"{quoted(path)} is not a Kokoro model: it has no input {', '.join(sorted(missing))}.")
        self._backends: dict[str, Any] = {}

    def phonemes(self, text: str, *, british: bool) -> str:
        """Phonemes of an English text as IPA symbols."""
        language = "en-gb" if british else "en-us"
        if language not in self._backends:
            import espeakng_loader
            from phonemizer.backend import EspeakBackend
            from phonemizer.backend.espeak.wrapper import EspeakWrapper

            EspeakWrapper.set_library(espeakng_loader.get_library_path())
            EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
            self._backends[language] = EspeakBackend(language, preserve_punctuation=True, with_stress=True)
        said: str = self._backends[language].phonemize([text])[0]
        for theirs, ours in ENGLISH:
            said = said.replace(theirs, ours)
        return said

    def say(self, text: str, table: FloatArray, speed: float, *, british: bool = False) -> FloatArray:
        """Speaks a text: a wave (N,) at 16 kHz with a peak of -6 dB and at most 0.1 s of silence at both ends."""
        return self.say_symbols(self.phonemes(text, british=british), table, speed)

    def say_symbols(self, symbols: str, table: FloatArray, speed: float) -> FloatArray:
        """The same for IPA symbols; symbols unknown to the synthesiser are dropped."""
        numbers = [self._numbers[symbol] for symbol in symbols if symbol in self._numbers][:LONGEST]
        row = table[min(len(numbers), len(table)) - 1]
        fed = {"tokens": np.array([[0, *numbers, 0]]), "style": row[None], "speed": np.array([speed], np.float32)}
        wave = np.asarray(self._session.run(None, fed)[0], np.float32).ravel()
        loud = np.flatnonzero(np.abs(wave) > 0.01)
        if not len(loud):
            return wave[:0]
        wave = wave[max(0, loud[0] - RATE // 10) : loud[-1] + RATE // 10]
        wave = np.asarray(soxr.resample(wave, RATE, RATE_OUT, "VHQ"), np.float32)
        return np.asarray(wave / np.abs(wave).max() * np.float32(0.5), np.float32)
