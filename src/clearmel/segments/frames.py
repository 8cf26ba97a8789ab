"""Converts labels between time spans and frame lists of the legacy format, one 0 (cut) or 1 (keep) per 40 ms.

Frame i is centred at i * 40 ms, like column i of a spectrogram with centred windows. A list therefore has
1 + duration / 40 ms entries, and the border between two frames lies half-way between their centres.
"""

import math
from collections.abc import Sequence

import numpy as np

from clearmel.core.errors import InputError

FRAME_S = 0.04
SHORTEST_S = 0.001
"""Shorter spans are dropped as accidental."""
MOST_SPANS = 100_000
Spans = list[tuple[float, float]]
"""[start_s, end_s] to remove, in order and without overlap."""


def n_frames(duration_s: float) -> int:
    """Number of frames of a recording."""
    return 1 + int(duration_s / FRAME_S + 1e-6)


def tidy(spans: object, duration_s: float) -> Spans:
    """Sorts spans, clips them to the recording, and merges those that touch.

    Args:
        spans: a list of [start_s, end_s] from outside, not yet checked.
        duration_s: of the recording.

    Raises:
        InputError: it is anything else.
    """
    if not isinstance(spans, list | tuple) or len(spans) > MOST_SPANS:
        raise InputError(f"remove is not a list of at most {MOST_SPANS} spans; expected [[start_s, end_s], ...].")
    found: Spans = []
    for start_s, end_s in sorted(_span(span) for span in spans):
        start_s, end_s = round(max(0.0, start_s), 6), round(min(duration_s, end_s), 6)
        if found and start_s <= found[-1][1]:
            found[-1] = found[-1][0], max(end_s, found[-1][1])
        elif end_s - start_s >= SHORTEST_S:
            found.append((start_s, end_s))
    return found


def _span(span: object) -> tuple[float, float]:
    numbers = [isinstance(edge, int | float) and not isinstance(edge, bool) for edge in _sequence(span)]
    if len(numbers) != 2 or not all(numbers):
        raise InputError(f"remove holds {str(span)[:60]}; expected [start_s, end_s].")
    start_s, end_s = (_number(edge) for edge in span)  # type: ignore[attr-defined]
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s <= end_s):
        raise InputError(f"remove holds {str(span)[:60]}; expected finite seconds, the start before the end.")
    return start_s, end_s


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def checked(label: object, name: str) -> list[int]:
    """Checks that a value is a list of 0 and 1, and returns it as integers.

    Raises:
        InputError: it is anything else.
    """
    if not isinstance(label, list) or not label or any(value not in (0, 1) for value in label):
        raise InputError(f"{name} is not a list of 0 and 1; expected one value per 40 ms, 1 = keep.")
    return [int(value) for value in label]


def from_spans(spans: Spans, count: int, duration_s: float) -> list[int]:
    """A list of `count` frames: 0 where a span covers the centre of the frame, else 1.

    A span to the end of the recording also covers frames centred at or after the end.
    """
    centres = np.arange(count) * FRAME_S
    keep = np.ones(count, int)
    for start_s, end_s in spans:
        last_s = math.inf if end_s >= duration_s - 1e-6 else end_s
        keep[(centres >= start_s) & (centres < last_s)] = 0
    return [int(value) for value in keep]


def to_spans(label: Sequence[float], duration_s: float) -> Spans:
    """The spans that a frame list or keep probabilities remove: all frames below one half."""
    cut = np.concatenate([[False], np.asarray(label) < 0.5, [False]])
    edges = np.flatnonzero(cut[1:] != cut[:-1])
    spans = [
        ((start - 0.5) * FRAME_S, duration_s if end == len(label) else (end - 0.5) * FRAME_S)
        for start, end in edges.reshape(-1, 2).tolist()
    ]
    return tidy([(max(0.0, start_s), max(0.0, start_s, end_s)) for start_s, end_s in spans], duration_s)
