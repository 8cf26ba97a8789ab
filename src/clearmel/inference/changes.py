"""Where the class of a recording changes: stretches of one class from the predictions of its windows."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from clearmel.core.file_io import FloatArray
from clearmel.core.progress import clock
from clearmel.inference.classify import SILENCE, UNKNOWN, WindowClassifier, WindowPredictions, described

SMOOTHING = (0.25, 0.5, 0.25)
"""Weights of the window before, the window itself and the next one, so that a single uncertain window is no change."""
MARGIN = 0.2
"""A class follows another if it is more probable by this much, so that a recording at the boundary does not flicker."""


class Stretch(NamedTuple):
    """A part of a recording with one class: start and end in seconds, and its row, see `WindowClassifier.row`."""

    start_s: float
    end_s: float
    row: dict[str, Any]

    def __str__(self) -> str:
        return f"{clock(self.start_s)} to {clock(self.end_s)}  {described(self.row)}"


def stretches(classifier: WindowClassifier, windows: WindowPredictions) -> list[Stretch]:
    """The stretches of a recording in order, of a class or of silence.

    Overlapping windows meet in the middle of their overlap. A stretch has the mean probabilities of its windows.
    """
    found, at_s = list[Stretch](), 0.0
    for first, last in _joined(windows):
        part = windows.between(first, last)
        starts, ends = part.spans.T.astype(float)
        found += _silence(at_s, float(starts[0]))
        at_s = float(ends[-1])
        edges = [starts[0], *((ends[:-1] + starts[1:]) / 2).tolist(), ends[-1]]
        smooth = _smoothed(part)
        labels = _steady(smooth, classifier)
        begin = 0
        for number in range(1, len(labels) + 1):
            if number == len(labels) or labels[number] != labels[begin]:
                own = part.between(begin, number)._replace(probabilities=smooth[begin:number])
                row, label = classifier.row(own.mean(), own.mean_snr_db()), labels[begin]
                row |= {"label": label, "probability": row.get(f"p_{label}", row["probability"])}
                found.append(Stretch(float(edges[begin]), float(edges[number]), row))
                begin = number
    return found + _silence(at_s, windows.end_s)


def _silence(start_s: float, end_s: float) -> list[Stretch]:
    return [Stretch(start_s, end_s, {"label": SILENCE, "probability": 1.0})] if end_s > start_s + 1e-3 else []


def _joined(windows: WindowPredictions) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each run of windows without a gap."""
    gaps = np.flatnonzero(windows.spans[1:, 0] > windows.spans[:-1, 1] + 1e-3) + 1
    edges = [0, *gaps.tolist(), len(windows.spans)]
    yield from itertools.pairwise(edges)


def _steady(probabilities: FloatArray, classifier: WindowClassifier) -> list[str]:
    """The label of each window (W, C); that of the window before stays unless another is clearly more probable."""
    found = list[str]()
    for own in probabilities:
        label = classifier.row(own)["label"]
        if found and UNKNOWN not in (label, found[-1]):
            new, old = (own[classifier.labels.index(name)] for name in (label, found[-1]))
            label = label if new - old > MARGIN else found[-1]
        found.append(label)
    return found


def _smoothed(windows: WindowPredictions) -> FloatArray:
    """Probabilities (W, C), each a weighted mean with those of its neighbours."""
    padded = np.pad(windows.probabilities, ((1, 1), (0, 0)), mode="edge")
    parts = [weight * padded[k : k + len(windows.spans)] for k, weight in enumerate(SMOOTHING)]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float32)
