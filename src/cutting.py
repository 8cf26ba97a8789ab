"""From the probability that each frame is kept to the parts of a recording that stay, and to the sound of them.

Frames last 40 ms by default; a part is (start, end) in seconds. Decisions are made on the whole recording's
probabilities, which are few; the sound goes by in blocks.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from src.files import FloatArray
from src.options import CutOptions

Parts = list[tuple[float, float]]
"""Parts that stay, in order and apart from each other, in seconds."""


def kept_parts(probabilities: FloatArray, frame_s: float, duration_s: float, options: CutOptions) -> Parts:
    """What stays of a recording.

    A part begins where a probability reaches the upper threshold, and reaches as far as they stay above the lower one
    (hysteresis). Parts shorter than `min_keep_s` go; the others grow by the margins; cuts shorter than `min_cut_s` are
    closed.

    Args:
        probabilities: (T,) that a frame is kept.
        frame_s: seconds from frame to frame.
        duration_s: of the recording.
        options: thresholds and lengths.
    """
    above = probabilities >= options.lower()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(np.int8), [0]])))
    parts = [
        (start * frame_s, end * frame_s)
        for start, end in edges.reshape(-1, 2).tolist()
        if probabilities[start:end].max() >= options.threshold
    ]
    parts = [(start, end) for start, end in parts if end - start >= options.min_keep_s - 1e-9]
    grown: Parts = []
    for start, end in parts:
        start, end = max(0.0, start - options.margin_before_s), min(duration_s, end + options.margin_after_s)
        if grown and start - grown[-1][1] < options.min_cut_s:
            grown[-1] = (grown[-1][0], max(end, grown[-1][1]))
        elif start < end:
            grown.append((start, end))
    if grown and grown[0][0] < options.min_cut_s:
        grown[0] = (0.0, grown[0][1])
    if grown and duration_s - grown[-1][1] < options.min_cut_s:
        grown[-1] = (grown[-1][0], duration_s)
    return grown


def joined(
    blocks: Iterable[FloatArray], parts: Sequence[tuple[int, int]], n_samples: int, fade: int
) -> Iterator[FloatArray]:
    """The parts of a recording one after the other, each join an equal-power cross-fade.

    A cross-fade lies half in the end of one part and half in the cut behind it, and likewise before the next part, so
    that the result is exactly as long as the parts together and every part keeps its place. Where the recording's own
    beginning or end is cut off, the sound fades in or out.

    Args:
        blocks: the recording in pieces (C, N).
        parts: (start, end) in samples, in order; each part, and each cut between two, at least `fade` long.
        n_samples: of the recording.
        fade: samples, even.

    Yields:
        Pieces (C, K).
    """
    half, last = fade // 2, len(parts) - 1
    rising = np.sin((np.arange(2 * half) + 0.5) * np.pi / (4 * max(1, half))).astype(np.float32)
    reach = [(s - half * (k > 0), e + half * (k < last)) for k, (s, e) in enumerate(parts)]  # with half of each fade
    lengths = np.cumsum([0] + [e - s for s, e in parts])
    place = [int(lengths[k]) - (s - low) for k, ((s, _), (low, _)) in enumerate(zip(parts, reach, strict=True))]
    held: FloatArray | None = None  # what later blocks may add to
    given = at = first = 0
    for block in blocks:
        if held is None:
            held = np.zeros((len(block), 0), np.float32)
        stop = at + block.shape[1]
        for k in range(first, len(parts)):
            low, high = max(at, reach[k][0]), min(stop, reach[k][1])
            if low >= high:
                break
            index = np.arange(low, high)
            gain = np.ones(high - low, np.float32)
            edges = (
                (index - reach[k][0], k == 0, parts[0][0] == 0),
                (reach[k][1] - 1 - index, k == last, parts[-1][1] == n_samples),
            )
            for edge, outer, uncut in edges:
                near = edge < (half if outer else 2 * half)
                if near.any() and not (outer and uncut):
                    gain[near] *= rising[edge[near] * (2 if outer else 1)]
            start = place[k] + low - reach[k][0] - given
            missing = start + high - low - held.shape[1]
            if missing > 0:
                held = np.concatenate([held, np.zeros((len(block), missing), np.float32)], axis=1)
            held[:, start : start + high - low] += block[:, low - at : high - at] * gain
        at = stop
        while first < len(parts) and reach[first][1] <= at:
            first += 1
        ahead = [place[k] + max(0, at - reach[k][0]) for k in range(first, min(first + 2, len(parts)))]
        ready = min(ahead, default=int(lengths[-1])) - given
        if ready > 0:
            yield held[:, :ready]
            held, given = held[:, ready:], given + ready


def lowered(
    blocks: Iterable[FloatArray], parts: Sequence[tuple[int, int]], gain_db: float, fade: int
) -> Iterator[FloatArray]:
    """The whole recording, with everything but the parts lowered by `gain_db`, faded over `fade` samples.

    Args:
        blocks: the recording in pieces (C, N).
        parts: (start, end) in samples, in order; each part, and each cut between two, at least `fade` long.
        gain_db: of what is not kept, below 0.
        fade: samples.

    Yields:
        Pieces (C, N) of the same lengths.
    """
    half, low = fade / 2, 10 ** (gain_db / 20)
    knots = [(0.0, 1.0 if parts and parts[0][0] == 0 else low)]
    for start, end in parts:
        if start:
            knots += [(start - half, low), (start + half, 1.0)]
        knots += [(end - half, 1.0), (end + half, low)]
    places, gains = (np.array(column) for column in zip(*knots, strict=True))
    at = 0
    for block in blocks:
        gain = np.interp(np.arange(at, at + block.shape[1]), places, gains).astype(np.float32)
        yield block * gain
        at += block.shape[1]
