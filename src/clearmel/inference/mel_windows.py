"""Windows of recordings for classifiers: where they lie, their mels, and which of them are silent."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from clearmel.audio.features import MelFeatures
from clearmel.audio.silence import trim_digital_silence
from clearmel.core.file_io import FloatArray

SHORTEST_S = 0.05
"""A shorter window, without digital silence, is silent."""
SILENCE_DB = -75.0
"""A window in which no 20 ms are louder, in dB re full scale at the network's working level, is silent."""


class Window(NamedTuple):
    """Start and end of a window in seconds, its mel (T, M), and its seconds of sound: 0 if it is silent."""

    span: tuple[float, float]
    mel: FloatArray
    sound_s: float


def of_mel(mel: FloatArray, features: MelFeatures, window_s: float, hop_s: float) -> Iterator[Window]:
    """The windows of a log-mel (T, M); a length of 0: one window of all."""
    per_s = features.sample_rate / features.hop_length
    for start, piece in _pieces(iter([mel]), round(window_s * per_s), round(hop_s * per_s)):
        seen = features.relative(piece)
        yield Window((start / per_s, (start + len(piece)) / per_s), seen, len(piece) / per_s)


def of_sound(
    blocks: Iterator[FloatArray], features: MelFeatures, window_s: float, hop_s: float, cut: bool
) -> Iterator[Window]:
    """The windows of a recording in blocks (N,) at the rate of the features.

    Args:
        blocks: the recording.
        features: definition of a mel.
        window_s: length of a window, 0: one window of all.
        hop_s: from window to window.
        cut: whether digital silence is trimmed off the ends of a window, and silent windows are found.
    """
    rate = features.sample_rate
    for start, wave in _pieces(blocks, round(window_s * rate), round(hop_s * rate)):
        sound = trim_digital_silence(wave) if cut else wave
        span = start / rate, (start + len(wave)) / rate
        if cut and (len(sound) < SHORTEST_S * rate or _loudest_db(sound, rate) < SILENCE_DB):
            yield Window(span, sound[:0, None], 0.0)
        else:
            yield Window(span, features.mel(sound), len(sound) / rate)


def _loudest_db(wave: FloatArray, sample_rate: int) -> float:
    """Level of the loudest 20 ms of a wave (N,) in dB re full scale, without constant offset; -inf for silence."""
    size = min(len(wave), sample_rate // 50)
    power = float(wave[: len(wave) // size * size].reshape(-1, size).var(axis=1, dtype=np.float64).max())
    return 10 * math.log10(power) if power else -math.inf


def _pieces(blocks: Iterator[FloatArray], length: int, hop: int) -> Iterator[tuple[int, FloatArray]]:
    """First index and rows of each window; the last one ends with the recording. A length of 0: one window of all."""
    if not length:
        yield 0, np.concatenate(list(blocks))
        return
    held, first, hop = next(blocks), 0, max(1, hop)
    for block in itertools.chain([held[:0]], blocks):
        held = np.concatenate([held, block])
        while len(held) >= length + hop:
            yield first, held[:length]
            held, first = held[hop:], first + hop
    yield first, held[:length]
    if len(held) > length:
        yield first + len(held) - length, held[-length:]
