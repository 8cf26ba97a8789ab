"""The gains of a recording that is complete: those of a causal pass, corrected by one backwards in time.

Shapes: C channels, N samples, T frames, M mel bands, K bins of the later stages.
"""

import numpy as np

from clearmel.audio import gains
from clearmel.core.arrays import with_closing
from clearmel.core.file_io import FloatArray
from clearmel.inference.frame_gains import FrameGains
from clearmel.runtime.model import Model

PIECE_S = 30.0
"""The second pass runs over pieces of this length, from each end of a piece backwards, so that memory is bounded."""


class TwoPassGains(FrameGains):
    """`FrameGains` that come a piece and its priming later, after the second pass.

    The second pass begins `closing_s` behind the end of each piece. At the end of the recording its last `closing_s`
    are used again, as the opening is for the first pass. The pieces do not depend on the blocks.

    Args:
        model: a denoiser with two passes.
        sample_rate: of the recording in Hz.
        n_channels: C.
        level: see `FrameGains`.
        closing_s: primes the second pass.
    """

    def __init__(self, model: Model, sample_rate: int, n_channels: int, level: float | None, closing_s: float) -> None:
        super().__init__(model, sample_rate, n_channels, level)
        self.n_piece, self.n_closing = self.features.frames_in(PIECE_S), self.features.frames_in(closing_s)
        self.held: list[FloatArray] = []  # mel, fine structure, estimate and factors (1, T, ...) without a second pass

    def push(self, block: FloatArray, *, last: bool) -> FloatArray:
        """See `FrameGains.push`."""
        frames = self._frames(block, last=last)
        if frames is not None:
            noisy, fine = frames
            estimate, factor, self.state = self.model.denoised(noisy, fine, self.state, last)
            new = [part for part in (noisy, estimate, fine, factor) if part is not None]
            if self.held:
                new = [np.concatenate(parts, axis=1) for parts in zip(self.held, new, strict=True)]
            self.held = new
        rows = [np.zeros((0, self.features.n_mels + self.model.fine_bins), np.float32)]
        while self._n_held() >= self.n_piece + self.n_closing:
            rows.append(self._rows([part[:, : self.n_piece + self.n_closing] for part in self.held], self.n_piece))
            self.held = [part[:, self.n_piece :] for part in self.held]
        if last and self._n_held():
            n_left = self._n_held()
            ends = with_closing(n_left, self.n_closing)
            rows.append(self._rows([part[:, ends] for part in self.held], n_left))
            self.held = []
        return np.concatenate(rows)

    def _n_held(self) -> int:
        return self.held[0].shape[1] if self.held else 0

    def _rows(self, parts: list[FloatArray], n_frames: int) -> FloatArray:
        """Rows of the first frames of a piece and its closing."""
        noisy, estimate, *bins = parts
        fine, factor = bins or (None, None)
        estimate, factor = self.model.corrected(noisy, fine, estimate, factor)
        bands = gains.band_gain(noisy[0, :n_frames], estimate[0, :n_frames])
        found: FloatArray = bands if factor is None else np.concatenate([bands, factor[0, :n_frames]], axis=1)
        return found
