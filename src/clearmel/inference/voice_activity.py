"""Who speaks when, from separated tracks.

Shapes: S voices, C channels, N samples, T frames.
"""

import numpy as np
import numpy.typing as npt

from clearmel.core.file_io import FloatArray
from clearmel.segments.frames import Spans

FRAME_S = 0.02
AVERAGE_FRAMES = 5
"""Frames whose mean power decides about the one in the middle."""
LOUD_SHARE = 0.05
"""The level of a voice is the one that this share of all frames exceeds, in any track."""
QUIET_DB, LEAK_DB = 28.0, 12.0
"""A voice is silent so far below its own level, or below another voice at the same time, which then leaks into it."""
LONGEST_GAP_S, SHORTEST_S = 0.3, 0.12
"""Shorter gaps are closed, shorter speech is dropped."""
LEAST_S, LEAST_SHARE = 0.5, 0.05
"""A track holds a voice if it alone is active for so long, and for this share of all speech."""


class VoiceActivity:
    """Finds the speech of each track of a recording in pieces.

    Args:
        sample_rate: in Hz.
        n_voices: S.
    """

    def __init__(self, sample_rate: int, n_voices: int) -> None:
        self.size = max(1, round(FRAME_S * sample_rate))
        self.frame_s = self.size / sample_rate
        self.held = np.zeros((n_voices, 0))
        self.powers = list[npt.NDArray[np.float32]]()

    def push(self, piece: FloatArray) -> None:
        """Takes the next samples (S, C, N)."""
        power = np.square(piece, dtype=np.float64).mean(axis=1)
        held = np.concatenate([self.held, power], axis=1)
        count = held.shape[1] // self.size
        frames = held[:, : count * self.size].reshape(len(held), count, self.size).mean(axis=2)
        self.powers.append(frames.astype(np.float32))
        self.held = held[:, count * self.size :]

    def spans(self) -> list[Spans]:
        """Spans of speech of each voice in seconds, so far."""
        return [self._tidy(row) for row in self._speaks()]

    def alone(self) -> int | None:
        """The only track that holds a voice; None where several do, or nobody speaks."""
        speaks = self._speaks()
        own = (speaks & (speaks.sum(axis=0) == 1)).sum(axis=1) * self.frame_s
        least = max(LEAST_S, LEAST_SHARE * speaks.any(axis=0).sum() * self.frame_s)
        found = np.flatnonzero(own >= least)
        return int(found[0]) if len(found) == 1 else None

    def _speaks(self) -> npt.NDArray[np.bool_]:
        """Whether each voice speaks in each frame (S, T)."""
        power = np.concatenate([np.zeros((len(self.held), 0), np.float32), *self.powers], axis=1)  # (S, T)
        if not power.any():
            return np.zeros(power.shape, bool)
        kernel = np.full(AVERAGE_FRAMES, 1 / AVERAGE_FRAMES)
        smooth = np.stack([np.convolve(row, kernel, "same")[: power.shape[1]] for row in power])
        loud = np.quantile(smooth, 1 - LOUD_SHARE, axis=1)
        least = np.maximum(loud, loud.max() * 10 ** (-LEAK_DB / 10)) * 10 ** (-QUIET_DB / 10)
        found: npt.NDArray[np.bool_] = (smooth > least[:, None]) & (
            smooth >= smooth.max(axis=0) * 10 ** (-LEAK_DB / 10)
        )
        return found

    def _tidy(self, speaks: npt.NDArray[np.bool_]) -> Spans:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], speaks.astype(np.int8), [0]]))).reshape(-1, 2)
        found: Spans = []
        for start, end in (edges * self.frame_s).tolist():
            if found and start - found[-1][1] < LONGEST_GAP_S:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return [(start, end) for start, end in found if end - start >= SHORTEST_S]
