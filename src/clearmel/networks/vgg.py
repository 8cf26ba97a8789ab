"""VGG11: eight plain convolutions and three large linear layers.

Shapes: B batch, C channels or classes, T frames, M mel bands, F rows of bands left by the pooling.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearmel.networks.base import Network

STAGES = ((1,), (2,), (4, 4), (8, 8), (8, 8))
"""Channels of each stage's convolutions in units of the width; a stage ends with a halving of bands and frames."""
N_CELLS = 7
"""Rows and columns of the input of the linear layers."""


def pool_frames(x: Tensor, lengths: Tensor) -> Tensor:
    """Adaptive mean pooling of each item's own frames, see `torch.nn.functional.adaptive_avg_pool1d`.

    Args:
        x: (B, C, F, T).
        lengths: (B,) frames without padding.

    Returns:
        (B, C, F, N_CELLS), each cell the mean of its part of the frames; parts overlap as in torch.
    """
    cell, frame = torch.arange(N_CELLS, device=x.device), torch.arange(x.shape[3], device=x.device)
    first = cell * lengths[:, None] // N_CELLS  # (B, N_CELLS)
    end = ((cell + 1) * lengths[:, None] + N_CELLS - 1) // N_CELLS
    member = (frame[:, None] >= first[:, None]) & (frame[:, None] < end[:, None])  # (B, T, N_CELLS)
    return x @ (member / (end - first)[:, None]).to(x.dtype)[:, None]


class VGG11(Network):
    """Logits of a whole recording, seen as an image of one channel that is pooled to 7 by 7 cells.

    With the default width it has 128,769,281 parameters for one class. Pooling rounds up, so that one frame is enough,
    and only the real frames of a recording are spread over the 7 cells.

    Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015,
    configuration A.

    Args:
        input_dim: mel bands M; the layers do not depend on it.
        n_classes: logits C.
        width: channels of the first convolution.
        hidden_dim: width of the linear layers.
        dropout: after each of the two hidden linear layers, in training.
    """

    def __init__(
        self, input_dim: int = 80, n_classes: int = 1, width: int = 64, hidden_dim: int = 4096, dropout: float = 0.5
    ) -> None:
        super().__init__(input_dim=input_dim, n_classes=n_classes, width=width, hidden_dim=hidden_dim, dropout=dropout)
        n_channels, self.stages = 1, nn.ModuleList()
        for stage in STAGES:
            convolutions = nn.ModuleList()
            for times in stage:
                convolutions.append(nn.Conv2d(n_channels, times * width, 3, padding=1))
                n_channels = times * width
            self.stages.append(convolutions)
        self.head = nn.Sequential(
            nn.Linear(n_channels * N_CELLS**2, hidden_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, n_classes),
        )
        for module in self.modules():  # torch's default would make signals fade over eleven layers
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C) of a padded batch (B, T, M) with `lengths` (B,) real frames each."""
        real = torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]  # (B, T)
        x = mel.masked_fill(~real[..., None], 0.0).transpose(1, 2)[:, None]  # (B, 1, M, T)
        mask = real[:, None, None]
        for stage in self.stages:
            for convolution in stage:  # type: ignore[attr-defined]
                x = functional.relu(convolution(x)) * mask
            x = functional.max_pool2d(x, 2, ceil_mode=True)  # (B, C, F / 2, T / 2): what is masked is never the largest
            mask = mask[..., ::2]
        x = functional.adaptive_avg_pool2d(x, (N_CELLS, x.shape[3]))
        x = pool_frames(x, mask.sum(dim=(1, 2, 3)))  # (B, C, 7, 7)
        logits: Tensor = self.head(x.flatten(1))
        return logits
