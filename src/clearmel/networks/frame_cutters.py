"""Networks that decide every 40 ms whether speech is kept or cut.

Shapes: B batch, T mel frames, M mel bands, K decisions, W width.
"""

import math

import torch
from torch import Tensor, nn

from clearmel.networks.base import Cutter, along_frames


class RecurrentCutter(Cutter):
    """Convolutions with a total stride of four frames of 10 ms, and a bidirectional GRU over their outputs.

    A decision depends on both directions: a breath differs from the end of a word only by its context.

    Args:
        input_dim: mel bands M.
        hidden_dim: width W of the convolutions and of the GRU in each direction.
        num_layers: GRU layers.
        dropout: between layers, in training.
        members: number of such networks, trained separately, whose logits are averaged.
    """

    stride = 4

    def __init__(
        self,
        input_dim: int = 80,
        hidden_dim: int = 128,
        num_layers: int = 2,
        dropout: float = 0.3,
        members: int = 1,
    ) -> None:
        more = {"members": members} if members > 1 else {}  # one member has the sizes of weights that predate members
        super().__init__(input_dim=input_dim, hidden_dim=hidden_dim, num_layers=num_layers, dropout=dropout, **more)
        steps = (1, 2, 2)  # their product is `stride`
        widths = (input_dim, hidden_dim, hidden_dim)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, hidden_dim, 5, step, padding=2) for width, step in zip(widths, steps, strict=True)
        )
        self.steps = steps
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden_dim) for _ in steps)
        self.dropout = nn.Dropout(dropout)
        between = dropout if num_layers > 1 else 0.0
        self.gru = nn.GRU(hidden_dim, hidden_dim, num_layers, batch_first=True, bidirectional=True, dropout=between)
        self.head = nn.Linear(2 * hidden_dim, 1)
        self.others = nn.ModuleList(
            RecurrentCutter(input_dim, hidden_dim, num_layers, dropout) for _ in range(members - 1)
        )

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """See `Cutter.forward`; in training, several members return (B, K, members)."""
        if not self.others:
            return self._decided(mel, lengths)
        each = torch.stack([self._decided(mel, lengths), *(other(mel, lengths) for other in self.others)], dim=2)
        return each if self.training else each.mean(dim=2)

    def _decided(self, mel: Tensor, lengths: Tensor) -> Tensor:
        x = zero_padding((mel - 0.2) * 1.5, lengths).transpose(1, 2)  # (B, M, T), about zero for speech
        for number, (convolution, norm, step) in enumerate(zip(self.convolutions, self.norms, self.steps, strict=True)):
            lengths = (lengths - 1) // step + 1
            x = norm(convolution(self.dropout(x) if number else x)).relu()
            x = zero_padding(x.transpose(1, 2), lengths).transpose(1, 2)
        x = self.dropout(x.transpose(1, 2))  # (B, K, W)
        logits: Tensor = self.head(self.dropout(along_frames(self.gru, x, lengths)))[..., 0]
        return logits


class ConvolutionalCutter(Cutter):
    """The network of the original system: convolutions over three frames without activations between them.

    As all layers are linear, it is a logistic regression over its receptive field: 5 frames without `levels`, 17 with
    six levels, 29 with six levels repeated twice. It expects mels of the preset "podcast", magnitudes after
    pre-emphasis, and scales them to the range of the original, 0 (-80 dB) to 1 (20 dB). It has 4,881 parameters for
    levels 0 and level_1 20, and 59,463 for levels 6, repeat 2 and level_1 80.

    Args:
        input_dim: mel bands M.
        levels: number of widths, which halve from 2^levels to 2.
        repeat: convolutions of each of these widths.
        level_1: width of the first convolution.
        dropout: after each convolution except the last, in training.
    """

    def __init__(
        self, input_dim: int = 80, levels: int = 6, repeat: int = 2, level_1: int = 80, dropout: float = 0.05
    ) -> None:
        super().__init__(input_dim=input_dim, levels=levels, repeat=repeat, level_1=level_1, dropout=dropout)
        widths = [level_1, *(2 ** (levels - level) for level in range(levels) for _ in range(repeat)), 1]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, width, 3, padding=1) for before, width in zip([input_dim, *widths], widths, strict=False)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """See `Cutter.forward`."""
        decibels = (mel - 1) * (200 / math.log(10))  # of a magnitude whose logarithm is 10 (mel - 1)
        x = ((decibels + 80) / 100).clamp(1e-8, 1.0).transpose(1, 2)
        for number, convolution in enumerate(self.convolutions):
            x = zero_padding((self.dropout(x) if number else x).transpose(1, 2), lengths).transpose(1, 2)
            x = convolution(x)
        return x[:, 0]


def zero_padding(x: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, ...) with the padding of each item set to zero."""
    real = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
    return x * real[..., None]
