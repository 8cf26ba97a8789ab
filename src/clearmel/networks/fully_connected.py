"""Linear layers over short windows of frames.

Shapes: B batch, W windows, T frames, M mel bands, C classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearmel.networks.base import Network


class FullyConnected(Network):
    """Logits of a whole recording: the mean over its windows, weighted by their frames without padding.

    The original had one window of a fixed number of frames, to which every recording was cut or padded. Here windows
    follow one another without overlap and share their weights, and the last one is padded with zeros, so recordings
    may have any length. With 128 mel bands, a window of 300 and two classes the layers are the original ones, 9,863,810
    parameters.

    Args:
        input_dim: mel bands M.
        n_classes: logits C.
        window: frames in a window.
        hidden_dim: width of the first layer, twice that of the second.
        dropout: after both hidden layers, in training.
    """

    def __init__(
        self, input_dim: int = 80, n_classes: int = 1, window: int = 30, hidden_dim: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__(
            input_dim=input_dim, n_classes=n_classes, window=window, hidden_dim=hidden_dim, dropout=dropout
        )
        self.window = window
        self.layers = nn.Sequential(
            nn.Linear(window * input_dim, hidden_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, hidden_dim // 2),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim // 2, n_classes),
        )

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C) of a padded batch (B, T, M) with `lengths` (B,) real frames each."""
        n_windows = (mel.shape[1] + self.window - 1) // self.window
        real = torch.arange(n_windows * self.window, device=mel.device) < lengths[:, None]  # (B, W window)
        mel = functional.pad(mel, (0, 0, 0, n_windows * self.window - mel.shape[1])).masked_fill(~real[..., None], 0.0)
        windows = mel.reshape(len(mel), n_windows, self.window * mel.shape[2])  # (B, W, window M)
        weights = real.reshape(len(mel), n_windows, self.window).sum(2) / lengths[:, None]  # (B, W), 1 in sum
        logits: Tensor = (self.layers(windows) * weights[..., None]).sum(1)
        return logits
