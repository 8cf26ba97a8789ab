"""A stage that corrects the factor of each STFT bin from neighbouring bins and frames, with weights shared by all bins.

Shapes: B batch, T frames, K bins, M mel bands, C channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

REACH = 2
"""Past frames in the receptive field of its first convolution, and bins on either side."""
PLANES = 4
PIECE_FRAMES = 128
"""Frames per forward pass in inference, so that activations fit into the processor's cache."""
SLOPE = 0.1


class BinRefinerState(NamedTuple):
    """State of a stream: the last input frames (B, REACH, K, PLANES), and the LSTM's state (1, B K, C)."""

    seen: Tensor
    hidden: Tensor
    cell: Tensor


class BinRefiner(nn.Module):
    """Corrections of bin factors from neighbouring bins and frames: a convolution, an LSTM along time, a convolution.

    The weights are shared by all bins, so that the continuity of a harmonic or the position of a hum is learned once
    and not for each bin. The corrections are initially 0.

    Source: one small LSTM shared by all bins is from Hao et al., "FullSubNet", ICASSP 2021.

    Args:
        n_bands: mel bands M.
        n_bins: K.
        channels: C.
    """

    def __init__(self, n_bands: int, n_bins: int, channels: int) -> None:
        super().__init__()
        self.place = nn.Linear(n_bands, n_bins, bias=False)
        self.around = nn.Conv2d(PLANES, channels, (REACH + 1, 2 * REACH + 1), padding=(0, REACH))
        self.along = nn.LSTM(channels, channels, batch_first=True)
        self.beside = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.out = nn.Linear(channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def begin_at(self, spreading: Tensor) -> None:
        """Initialises the mapping from bands to bins with weights (M, F) of the bands in each bin, F >= K."""
        with torch.no_grad():
            self.place.weight.copy_(spreading[:, : self.place.out_features].T)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each field of `BinRefinerState` for one recording."""
        n_bins, channels = self.place.out_features, self.along.hidden_size
        state = (1, n_bins, channels)
        return {"seen": (1, REACH, n_bins, PLANES), "hidden": state, "cell": state}

    def forward(
        self, level: Tensor, lowered: Tensor, fine: Tensor, factor: Tensor, state: BinRefinerState | None = None
    ) -> tuple[Tensor, BinRefinerState]:
        """Corrections (B, T, K) of the next frames, and the state after them.

        Args:
            level: of the bands (B, T, M).
            lowered: attenuation of the bands (B, T, M).
            fine: fine structure (B, T, K).
            factor: logits (B, T, K) to be corrected.
            state: as returned for the previous frames; None at the start.
        """
        if torch.is_grad_enabled():
            return self._corrected(level, lowered, fine, factor, state)
        corrections = []
        for start in range(0, fine.shape[1], PIECE_FRAMES):
            a, b, c, d = (x[:, start : start + PIECE_FRAMES] for x in (level, lowered, fine, factor))
            correction, state = self._corrected(a, b, c, d, state)
            corrections.append(correction)
        assert state is not None
        return torch.cat(corrections, dim=1), state

    def _corrected(
        self, level: Tensor, lowered: Tensor, fine: Tensor, factor: Tensor, state: BinRefinerState | None
    ) -> tuple[Tensor, BinRefinerState]:
        n_items, n_frames, n_bins = fine.shape
        planes = torch.stack([fine, factor, self.place(level), self.place(lowered)], dim=3)  # (B, T, K, PLANES)
        if state is None:
            planes = functional.pad(planes, (0, 0, 0, 0, REACH, 0))
        else:
            planes = torch.cat([state.seen.to(planes), planes], dim=1)
        local = functional.leaky_relu(self.around(planes.permute(0, 3, 1, 2)), SLOPE)  # (B, C, T, K)
        rows = local.permute(2, 0, 3, 1).reshape(n_frames, n_items * n_bins, -1).transpose(0, 1)  # (B K, T, C)
        turned, (hidden, cell) = self.along(rows, None if state is None else (state.hidden, state.cell))
        turned = turned.transpose(0, 1).reshape(n_frames, n_items, n_bins, -1).permute(1, 3, 0, 2)  # (B, C, T, K)
        wide = functional.leaky_relu(self.beside(local + turned), SLOPE)
        correction = self.out(wide.permute(0, 2, 3, 1))[..., 0]
        return correction.float(), BinRefinerState(planes[:, n_frames:], hidden, cell)
