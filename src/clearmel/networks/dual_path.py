"""A stage that corrects the factors of all STFT bins from the whole spectrum, frame by frame.

Shapes: B batch, T frames, K bins, M mel bands, H hidden size of the context, Q frequency groups, C channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

REACH = 2
"""Frames before the present one that the encoder's convolution covers."""
STRIDE = 4
"""Bins between two positions of the encoder."""
GROUPS = 32
"""Q."""
PLANES = 4
CONTEXT = 4
"""Channels of each frequency group that come from the context."""
MIXERS = 4
"""Sets of channels in a block that have a matrix over the frequency groups of their own."""
PIECE_FRAMES = 256
"""Frames at a time in inference, which bounds memory."""


class DualPathState(NamedTuple):
    """What a recording's next piece needs: the encoder's last frames (B, REACH, K, PLANES) and the LSTMs' states.

    hidden, cell: (blocks, B Q, C).
    """

    seen: Tensor
    hidden: Tensor
    cell: Tensor


class Block(nn.Module):
    """An LSTM along time, the same for all frequency groups, then a gated mixing across frequency, frame by frame.

    Source: the alternation of both axes is that of Luo et al., "Dual-path RNN", ICASSP 2020, the gate across positions
    that of Liu et al., "Pay attention to MLPs", NeurIPS 2021.
    """

    def __init__(self, n_groups: int, channels: int) -> None:
        super().__init__()
        self.before_time = nn.LayerNorm(channels)
        self.along_time = nn.LSTM(channels, channels, batch_first=True)
        self.after_time = nn.Linear(channels, channels)
        self.before_frequency = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * channels)
        self.mixers = nn.Parameter(torch.randn(MIXERS, n_groups, n_groups) * 0.02)
        self.mixer_bias = nn.Parameter(torch.ones(MIXERS, n_groups, 1))
        self.narrow = nn.Linear(channels, channels)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, Q, T, C) and the LSTM's state (1, B Q, C) to the same."""
        n_items, n_groups, n_frames, channels = x.shape
        turned, state = self.along_time(self.before_time(x).flatten(0, 1), state)
        x = x + self.after_time(turned).unflatten(0, (n_items, n_groups))
        value, gate = self.widen(self.before_frequency(x)).chunk(2, dim=-1)
        sets = [
            (mixer @ part.flatten(2) + bias).unflatten(2, (n_frames, channels // MIXERS))
            for mixer, bias, part in zip(self.mixers, self.mixer_bias, gate.chunk(MIXERS, dim=-1), strict=True)
        ]
        return x + self.narrow(functional.gelu(value) * torch.cat(sets, dim=-1)), state


class DualPathRefiner(nn.Module):
    """Corrections of all bins: an encoder along frequency, blocks over time and frequency, a decoder. At first 0.

    Args:
        n_bands: mel bands M.
        context_dim: H.
        n_bins: K, a multiple of `STRIDE`.
        channels: C of the blocks, a multiple of `MIXERS`; encoder and decoder have three quarters of it.
        n_blocks: blocks.
    """

    def __init__(self, n_bands: int, context_dim: int, n_bins: int, channels: int, n_blocks: int) -> None:
        super().__init__()
        places, outer = n_bins // STRIDE, channels * 3 // 4
        self.place = nn.Linear(n_bands, n_bins, bias=False)
        self.encode = nn.Conv2d(PLANES, outer, (REACH + 1, 2 * STRIDE), (1, STRIDE), (0, STRIDE // 2))
        self.gather = nn.Linear(places, GROUPS, bias=False)
        self.context = nn.Linear(context_dim, GROUPS * CONTEXT)
        self.enter = nn.Linear(outer + CONTEXT, channels)
        self.group = nn.Parameter(torch.randn(GROUPS, 1, channels) * 0.1)
        self.blocks = nn.ModuleList(Block(GROUPS, channels) for _ in range(n_blocks))
        self.leave = nn.Linear(channels, outer)
        self.scatter = nn.Linear(GROUPS, places, bias=False)
        self.decode = nn.Conv2d(outer, outer, (1, 3), padding=(0, 1))
        self.out = nn.Conv2d(outer, STRIDE, (1, 3), padding=(0, 1))
        with torch.no_grad():  # groups begin as neighbouring places
            near = functional.interpolate(torch.eye(GROUPS)[None], places, mode="linear")[0]  # (Q, places)
            self.gather.weight.copy_(near / near.sum(dim=1, keepdim=True))
            self.scatter.weight.copy_(near.T)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def begin_at(self, spreading: Tensor) -> None:
        """Begins with bands where they lie: (M, F), the share of each band in each bin, F >= K."""
        with torch.no_grad():
            self.place.weight.copy_(spreading[:, : self.place.out_features].T)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each field of `DualPathState` for one recording."""
        state = (len(self.blocks), GROUPS, self.enter.out_features)
        return {"seen": (1, REACH, self.place.out_features, PLANES), "hidden": state, "cell": state}

    def forward(
        self,
        level: Tensor,
        lowered: Tensor,
        fine: Tensor,
        factor: Tensor,
        context: Tensor,
        state: DualPathState | None = None,
    ) -> tuple[Tensor, DualPathState]:
        """Corrections (B, T, K) of the next frames, and the state after them.

        Args:
            level: of the bands (B, T, M).
            lowered: attenuation of the bands (B, T, M).
            fine: fine structure (B, T, K).
            factor: logits of the stages before (B, T, up to K) for the lowest bins.
            context: hidden state of the first stage (B, T, H).
            state: what the piece before gave; None at the start.
        """
        if torch.is_grad_enabled() or torch.compiler.is_exporting():
            return self._corrected(level, lowered, fine, factor, context, state)
        corrections = []
        for start in range(0, fine.shape[1], PIECE_FRAMES):
            a, b, c, d, e = (x[:, start : start + PIECE_FRAMES] for x in (level, lowered, fine, factor, context))
            correction, state = self._corrected(a, b, c, d, e, state)
            corrections.append(correction)
        assert state is not None
        return torch.cat(corrections, dim=1), state

    def _corrected(
        self, level: Tensor, lowered: Tensor, fine: Tensor, factor: Tensor, context: Tensor, state: DualPathState | None
    ) -> tuple[Tensor, DualPathState]:
        n_frames = fine.shape[1]
        factor = functional.pad(factor, (0, fine.shape[2] - factor.shape[2]))
        planes = torch.stack([fine, factor.to(fine), self.place(level), self.place(lowered.to(level))], dim=3)
        if state is None:
            planes = functional.pad(planes, (0, 0, 0, 0, REACH, 0))
            states: list[tuple[Tensor, Tensor] | None] = [None] * len(self.blocks)
        else:
            planes = torch.cat([state.seen.to(planes), planes], dim=1)
            states = [(state.hidden[k : k + 1], state.cell[k : k + 1]) for k in range(len(self.blocks))]
        local = functional.leaky_relu(self.encode(planes.permute(0, 3, 1, 2)), 0.1)  # (B, outer, T, places)
        grouped = self.gather(local).permute(0, 3, 2, 1)  # (B, Q, T, outer)
        known = self.context(context).unflatten(2, (GROUPS, CONTEXT)).transpose(1, 2)  # (B, Q, T, CONTEXT)
        x = self.enter(torch.cat([grouped, known.to(grouped)], dim=3)) + self.group
        after = []
        for block, before in zip(self.blocks, states, strict=True):
            x, own = block(x, before)
            after.append(own)
        wide = self.scatter(self.leave(x).permute(0, 3, 2, 1))  # (B, outer, T, places)
        wide = functional.leaky_relu(self.decode(wide + local), 0.1)
        correction = self.out(wide).permute(0, 2, 3, 1).flatten(2)  # (B, T, places * STRIDE)
        hidden, cell = (torch.cat(parts) for parts in zip(*after, strict=True))
        return correction.float(), DualPathState(planes[:, n_frames:], hidden, cell)
