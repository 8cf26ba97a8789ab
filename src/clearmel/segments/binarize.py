"""Turns the probability of each frame to be kept into the parts of a recording that stay.

Decisions are made on the whole recording's probabilities, which are few. The parts are put together by
`src.splicing`, or the rest is lowered here, block by block.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from clearmel.core.file_io import FloatArray
from clearmel.options import CutOptions

Parts = list[tuple[float, float]]
"""Parts that stay, in order and apart from each other, in seconds."""


def parts_to_keep(
    probabilities: FloatArray, frame_s: float, duration_s: float, options: CutOptions, first_s: float = 0.0
) -> Parts:
    """The parts of a recording that stay.

    A part begins where a probability reaches the upper threshold, and reaches as far as they stay above the lower one
    (hysteresis). Parts shorter than `min_keep_s` go; the others grow by the margins; cuts shorter than `min_cut_s` are
    closed.

    Args:
        probabilities: (T,) that a frame is kept.
        frame_s: seconds from frame to frame.
        duration_s: of the recording.
        options: thresholds and lengths.
        first_s: where the first frame begins; minus half a frame, if its centre is where the recording begins.
    """
    above = probabilities >= options.lower()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(np.int8), [0]])))
    parts = [
        (first_s + start * frame_s, first_s + end * frame_s)
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


def attenuate(
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
