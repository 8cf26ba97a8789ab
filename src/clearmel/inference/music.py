"""Where a recording holds music, so that a denoiser can leave it alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clearmel.audio import sound_file, working_level
from clearmel.audio.channels import downmix
from clearmel.core.file_io import FloatArray
from clearmel.inference.classify import WindowClassifier

WEIGHTS, LABEL = "sounds.pth", "music"
WINDOW_S, HOP_S = 2.0, 1.0
SURE = 0.5
"""Probability of music from which a window counts."""
JOINED_S = 4.0
"""Shorter gaps between stretches of music are music: a voice over it covers it for a while."""
FADE_S = 0.5
"""Transition around the ends of a stretch, half of it on each side."""


@dataclass(frozen=True)
class Music:
    """Stretches of music: (P, 2) start and end in seconds, in order and without overlap."""

    spans: FloatArray

    @property
    def duration_s(self) -> float:
        """Seconds of music."""
        return float((self.spans[:, 1] - self.spans[:, 0]).sum())

    def share(self, times_s: FloatArray) -> FloatArray:
        """1 within music, 0 outside, and values between in the transitions, for times (T,)."""
        found = np.zeros(len(times_s), np.float32)
        for start, end in self.spans:
            inside = np.minimum(times_s - start, end - times_s) / FADE_S + 0.5
            np.maximum(found, inside.clip(0, 1), out=found)
        return found


def find_in_file(path: Path, device: str = "cpu") -> Music:
    """The music in a recording.

    Args:
        path: any sound file.
        device: where the classifier computes.

    Raises:
        InputError: the file cannot be read, or `sounds.pth` is not there.
    """
    classifier = WindowClassifier.load(WEIGHTS, device=device)
    meter = working_level.measure(sound_file.blocks(path), sound_file.inspect(path).sample_rate)
    return _found(classifier, sound_file.mono(path, classifier.features.sample_rate), meter.gain())


def find_in_sound(sound: FloatArray, sample_rate: int, device: str = "cpu") -> Music:
    """As `find_in_file`, for sound (C, N)."""
    classifier = WindowClassifier.load(WEIGHTS, device=device)
    mono = sound_file.resample(downmix(sound), sample_rate, classifier.features.sample_rate)
    return _found(classifier, iter([mono]), working_level.measure([sound], sample_rate).gain())


def _found(classifier: WindowClassifier, blocks: Iterator[FloatArray], gain: float) -> Music:
    windows = classifier.predict_blocks(blocks, WINDOW_S, HOP_S, gain)
    if windows is None:
        return Music(np.zeros((0, 2), np.float32))
    sure = windows.probabilities[:, classifier.labels.index(LABEL)] >= SURE
    return Music(np.array(list(_joined(windows.spans[sure].tolist())), np.float32).reshape(-1, 2))


def _joined(spans: Iterable[list[float]]) -> Iterator[tuple[float, float]]:
    """Spans in order, without gaps below `JOINED_S` between them."""
    start = end = -np.inf
    for first, last in spans:
        if first - end >= JOINED_S:
            if end > start:
                yield start, end
            start = first
        end = max(end, last)
    if end > start:
        yield start, end
