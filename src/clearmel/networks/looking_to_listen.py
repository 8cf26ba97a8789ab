"""The separator of "Looking to Listen": dilated convolutions and one recurrent layer, with or without faces.

Shapes: B batch, T frames, F STFT bins, S voices, P video frames, W channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearmel.audio.face_embeddings import FACE_DIM
from clearmel.networks.band_split import compressed
from clearmel.networks.base import Separator

AUDIO_LAYERS = (
    ((1, 7), (1, 1)), ((7, 1), (1, 1)), ((5, 5), (1, 1)), ((5, 5), (2, 1)), ((5, 5), (4, 1)), ((5, 5), (8, 1)),
    ((5, 5), (16, 1)), ((5, 5), (32, 1)), ((5, 5), (1, 1)), ((5, 5), (2, 2)), ((5, 5), (4, 4)), ((5, 5), (8, 8)),
    ((5, 5), (16, 16)), ((5, 5), (32, 32)),
)  # fmt: skip
"""Kernel and dilation, in time and in frequency, of the layers of full width; an eighth-wide 1 x 1 layer follows."""
FACE_LAYERS = ((7, 1), (5, 1), (5, 2), (5, 4), (5, 8), (5, 16))
"""Kernel and dilation in time."""
BOUND = 145.0
"""Value at which the compressed mask is within a millionth of its bound."""


class LookingToListen(Separator):
    """Audio alone: 15 convolutions on the compressed spectrum, a bidirectional LSTM over time, three linear layers.

    The last layer predicts the masks themselves rather than their compression to (-10, 10), see
    `audio.complex_masks.compress`. The LSTM runs over time and the masks are complex, as published; the original system
    had an LSTM over frequency and multiplied decibels and angles.

    Source: Ephrat et al., SIGGRAPH 2018, section 4.

    Args:
        n_bins: STFT bins F.
        n_voices: S.
        channels: width W of the convolutions.
        hidden_dim: LSTM width in each direction.
        linear_dim: width of the linear layers.
        dropout: before the linear layers, in training.
    """

    def __init__(
        self,
        n_bins: int = 257,
        n_voices: int = 2,
        channels: int = 96,
        hidden_dim: int = 400,
        linear_dim: int = 600,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            n_bins=n_bins, n_voices=n_voices, channels=channels, hidden_dim=hidden_dim, linear_dim=linear_dim,
            dropout=dropout,
        )  # fmt: skip
        self.n_voices, self.n_bins = n_voices, n_bins
        layers: list[nn.Module] = []
        width = 2
        for kernel, dilation in AUDIO_LAYERS:
            layers += _layer(nn.Conv2d(width, channels, kernel, padding="same", dilation=dilation), channels)
            width = channels
        self.audio = nn.Sequential(*layers, *_layer(nn.Conv2d(channels, 8, 1), 8))
        self.lstm = nn.LSTM(8 * n_bins + self._face_width(), hidden_dim, batch_first=True, bidirectional=True)
        self.linear = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * hidden_dim, linear_dim),
            nn.ReLU(),
            nn.Linear(linear_dim, linear_dim),
            nn.ReLU(),
            nn.Linear(linear_dim, linear_dim),
            nn.ReLU(),
            nn.Linear(linear_dim, 2 * n_bins * n_voices),
        )
        if (stream := self._stream()) is not None:
            self.visual = stream

    def _stream(self) -> nn.Module | None:
        """The layers for face embeddings, if the network uses faces."""
        return None

    def _face_width(self) -> int:
        return 0

    def forward(self, spectrum: Tensor, faces: Tensor | None = None) -> Tensor:
        """See `Separator.forward`."""
        sound = self.audio(compressed(spectrum).permute(0, 3, 1, 2))  # (B, 8, T, F)
        return self._masks(sound.transpose(1, 2).flatten(2))

    def _masks(self, features: Tensor) -> Tensor:
        hidden, _ = self.lstm(features)
        out = self.linear(hidden).reshape(*hidden.shape[:2], self.n_voices, self.n_bins, 2)
        mask = out.permute(0, 2, 1, 3, 4).float().clamp(-BOUND, BOUND)
        return torch.view_as_complex(mask.contiguous())


class LookingToListenFaces(LookingToListen):
    """With faces: the same six convolutions run over the embeddings of each face; their outputs also enter the LSTM.

    Its arguments are those of `LookingToListen`.
    """

    visual: nn.Module
    faces = True
    face_channels = 256

    def _stream(self) -> nn.Module | None:
        layers: list[nn.Module] = []
        width = FACE_DIM
        for kernel, dilation in FACE_LAYERS:
            convolution = nn.Conv1d(width, self.face_channels, kernel, padding="same", dilation=dilation)
            layers += [convolution, nn.BatchNorm1d(self.face_channels), nn.ReLU()]
            width = self.face_channels
        return nn.Sequential(*layers)

    def _face_width(self) -> int:
        return self.face_channels * int(self.sizes["n_voices"])

    def forward(self, spectrum: Tensor, faces: Tensor | None = None) -> Tensor:
        """See `Separator.forward`; mask s belongs to face s."""
        if faces is None or faces.shape[1] != self.n_voices or faces.shape[3] != FACE_DIM:
            raise ValueError(f"faces (B, {self.n_voices}, P, {FACE_DIM}) are needed")
        sound = self.audio(compressed(spectrum).permute(0, 3, 1, 2)).transpose(1, 2).flatten(2)  # (B, T, 8 F)
        seen = self.visual(faces.flatten(0, 1).transpose(1, 2))  # (B S, W, P)
        seen = functional.interpolate(seen, size=sound.shape[1], mode="linear")  # (B S, W, T)
        seen = seen.reshape(*faces.shape[:2], *seen.shape[1:]).permute(0, 3, 1, 2).flatten(2)  # (B, T, S W)
        return self._masks(torch.cat([sound, seen], dim=2))


def _layer(convolution: nn.Module, width: int) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]
