"""The published LSTMs over mel frames: one score per recording, or one clean frame per noisy frame.

Both are unidirectional: padding at the end does not affect the frames before it, and a recording can be processed in
blocks. Shapes: B batch, T frames, M mel bands.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearmel.networks.base import Denoiser, Network
from clearmel.networks.lstm_step import State, lstm_step


class LSTMClassifier(Network):
    """Logits of a whole recording, read from the last real frame.

    The defaults are the published sizes, 37,441 parameters.

    Args:
        input_dim: mel bands M.
        n_classes: logits C.
        hidden_dim: LSTM width.
        num_layers: LSTM layers.
        dropout: between the layers, in training.
    """

    def __init__(
        self, input_dim: int = 80, n_classes: int = 1, hidden_dim: int = 64, num_layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__(
            input_dim=input_dim, n_classes=n_classes, hidden_dim=hidden_dim, num_layers=num_layers, dropout=dropout
        )
        self.lstm = nn.LSTM(input_dim, hidden_dim, num_layers, batch_first=True, dropout=dropout)
        self.hidden2class = nn.Linear(hidden_dim, n_classes)

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C) of a padded batch (B, T, M) with `lengths` (B,) real frames each."""
        hidden, _ = self.lstm(mel)  # (B, T, H)
        last = hidden[torch.arange(len(mel), device=mel.device), lengths - 1]  # (B, H)
        logits: Tensor = self.hidden2class(last)
        return logits


class LSTMDenoiser(Denoiser):
    """Clean log-mel estimate for every noisy frame.

    The defaults are the published sizes, 58,320 parameters.

    Args:
        input_dim: mel bands M of the noisy input.
        hidden_dim: LSTM width.
        spectrogram_resolution: mel bands of the estimate.
        num_layers: LSTM layers.
        dropout: between the layers, in training.
        attenuation: the output layer predicts, through softplus, by how much the estimate is below the noisy input,
            instead of the estimate itself. The estimate is then never above the input, and clean bands pass easily.
    """

    def __init__(
        self,
        input_dim: int = 80,
        hidden_dim: int = 80,
        spectrogram_resolution: int = 80,
        num_layers: int = 1,
        dropout: float = 0.0,
        attenuation: bool = False,
    ) -> None:
        super().__init__(
            input_dim=input_dim,
            hidden_dim=hidden_dim,
            spectrogram_resolution=spectrogram_resolution,
            num_layers=num_layers,
            dropout=dropout,
            attenuation=attenuation,
        )
        self.attenuation = attenuation
        self.lstm = nn.LSTM(input_dim, hidden_dim, num_layers, batch_first=True, dropout=dropout)
        self.hidden2spectrogram = nn.Linear(hidden_dim, spectrogram_resolution)
        if attenuation:
            nn.init.constant_(self.hidden2spectrogram.bias, -2.0)  # begins as 6 dB below the input

    def forward(
        self, mel: Tensor, fine: Tensor | None = None, state: State | None = None, last: bool = True
    ) -> tuple[Tensor, None, State]:
        """See `Denoiser.forward`."""
        hidden, state = lstm_step(self.lstm, mel, state)
        output = self.hidden2spectrogram(hidden)
        return (mel - functional.softplus(output) if self.attenuation else output), None, state
