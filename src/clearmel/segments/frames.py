"""Marks as time spans and as the original's lists: one 0 (cut) or 1 (keep) for every 40 ms.

Frame i of a list stands for the sound around i * 40 ms, as the column i of a spectrogram with centred windows does: a
list is 1 + duration / 40 ms long, and the border between two frames lies half-way between their centres.
"""

import math
from collections.abc import Sequence

import numpy as np

from clearmel.core.errors import InputError

FRAME_S = 0.04
SHORTEST_S = 0.001
"""Spans shorter than this are no marks but slips of the hand."""
MOST_SPANS = 100_000
Spans = list[tuple[float, float]]
"""What to remove: [start_s, end_s] in order, without overlap."""


def n_frames(duration_s: float) -> int:
    """Length of the list of a recording."""
    return 1 + int(duration_s / FRAME_S + 1e-6)


def tidy(spans: object, duration_s: float) -> Spans:
    """Spans sorted, clipped to the recording, and merged where they touch.

    Args:
        spans: a list of [start_s, end_s], as it came from outside.
        duration_s: of the recording.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(spans, list | tuple) or len(spans) > MOST_SPANS:
        raise InputError(f"remove is no list of at most {MOST_SPANS} spans; expected [[start_s, end_s], ...].")
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
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def checked(label: object, what: str) -> list[int]:
    """A list of 0 and 1 as whole numbers.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(label, list) or not label or any(value not in (0, 1) for value in label):
        raise InputError(f"{what} is no list of 0 and 1; expected one for every 40 ms, 1 = keep.")
    return [int(value) for value in label]


def from_spans(spans: Spans, count: int, duration_s: float) -> list[int]:
    """The list of `count` frames: 0 where a frame's centre is removed.

    A span to the end of the recording also covers frames whose centre lies there or behind.
    """
    centres = np.arange(count) * FRAME_S
    keep = np.ones(count, int)
    for start_s, end_s in spans:
        last_s = math.inf if end_s >= duration_s - 1e-6 else end_s
        keep[(centres >= start_s) & (centres < last_s)] = 0
    return [int(value) for value in keep]


def to_spans(label: Sequence[float], duration_s: float) -> Spans:
    """What a list, or probabilities of keeping, removes: all frames below one half."""
    cut = np.concatenate([[False], np.asarray(label) < 0.5, [False]])
    edges = np.flatnonzero(cut[1:] != cut[:-1])
    spans = [
        ((start - 0.5) * FRAME_S, duration_s if end == len(label) else (end - 0.5) * FRAME_S)
        for start, end in edges.reshape(-1, 2).tolist()
    ]
    return tidy([(max(0.0, start_s), max(0.0, start_s, end_s)) for start_s, end_s in spans], duration_s)
