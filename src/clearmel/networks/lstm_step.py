"""Runs an LSTM over a few frames at a time, continuing from a state."""

import torch
from torch import Tensor, nn

SHORT_FRAMES = 8
"""Up to this length single steps are faster: oneDNN's LSTM reorders all weights in every call, which takes
milliseconds."""
State = tuple[Tensor, Tensor]
"""Hidden and cell state of all layers, each (layers, B, hidden)."""


def lstm_step(lstm: nn.LSTM, frames: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Equals `lstm(frames, state)` up to rounding, and is many times as fast for the few frames of a live stream.

    Args:
        lstm: forward in time, batch first, without projections.
        frames: (B, T, input size), T >= 1.
        state: as returned for the previous frames; None at the start.

    Returns:
        (B, T, H), and the state: hidden and cell (layers, B, H).
    """
    n_frames = frames.shape[1]
    short = len(frames) == 1 and n_frames <= SHORT_FRAMES
    if not short or lstm.training or torch.is_grad_enabled() or frames.device.type != "cpu":
        return lstm(frames, state)  # type: ignore[no-any-return]
    if state is None:
        zeros = frames.new_zeros(lstm.num_layers, 1, lstm.hidden_size)
        state = zeros, zeros
    hidden, cell = list(state[0]), list(state[1])
    outputs = []
    for step in frames.unbind(dim=1):
        for layer, weights in enumerate(lstm.all_weights):
            hidden[layer], cell[layer] = torch.lstm_cell(step, (hidden[layer], cell[layer]), *weights)
            step = hidden[layer]
        outputs.append(step)
    return torch.stack(outputs, dim=1), (torch.stack(hidden), torch.stack(cell))
