"""Turns keep probabilities per frame into the parts of a recording to keep.

The decision uses the probabilities of the complete recording. `clearmel.audio.splice` joins the parts; `attenuate`
lowers the level of everything else instead, block by block.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from clearmel.core.file_io import FloatArray
from clearmel.options import CutOptions

Parts = list[tuple[float, float]]
"""(start, end) of the parts to keep in seconds, in order and without overlap."""


def parts_to_keep(
    probabilities: FloatArray, frame_s: float, duration_s: float, options: CutOptions, first_s: float = 0.0
) -> Parts:
    """The parts of a recording to keep.

    A part is a run of frames at or above the lower threshold in which at least one reaches the upper threshold
    (hysteresis). Parts shorter than `min_keep_s` are dropped, the others are extended by the margins, and cuts shorter
    than `min_cut_s` are closed.

    Args:
        probabilities: (T,) of keeping each frame.
        frame_s: seconds between frames.
        duration_s: of the recording.
        options: thresholds and durations.
        first_s: start of the first frame; minus half a frame if its centre is at the start of the recording.
    """
    above = probabilities >= options.lower()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(np.int8), [0]])))
    parts = [
        (first_s + start * frame_s, first_s + end * frame_s)
        for start, end in edges.reshape(-1, 2).tolist()
        if probabilities[start:end].max() >= options.threshold
    ]
    parts = [(start, end) for start, end in parts if end - start >= options.min_keep_s - 1e-9]
    extended: Parts = []
    for start, end in parts:
        start, end = max(0.0, start - options.margin_before_s), min(duration_s, end + options.margin_after_s)
        if extended and start - extended[-1][1] < options.min_cut_s:
            extended[-1] = (extended[-1][0], max(end, extended[-1][1]))
        elif start < end:
            extended.append((start, end))
    if extended and extended[0][0] < options.min_cut_s:
        extended[0] = (0.0, extended[0][1])
    if extended and duration_s - extended[-1][1] < options.min_cut_s:
        extended[-1] = (extended[-1][0], duration_s)
    return extended


def attenuate(
    blocks: Iterable[FloatArray], parts: Sequence[tuple[int, int]], gain_db: float, fade: int
) -> Iterator[FloatArray]:
    """The recording with everything outside the parts lowered by `gain_db`, with fades of `fade` samples.

    Args:
        blocks: the recording in pieces (C, N).
        parts: (start, end) in samples, in order; each part, and each cut between two, at least `fade` long.
        gain_db: gain outside the parts, below 0.
        fade: length of a fade in samples.

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
