"""Classifiers that attend to frames: an LSTM with attention heads, and a transformer.

Shapes: B batch, T frames, M mel bands, H hidden, C classes.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearmel.networks.base import Network, along_frames


class MultiHeadAttention(Network):
    """A bidirectional LSTM over frames and attention heads whose query is the output at the middle frame.

    The original system flattened bands and frames into one sequence of single numbers. Here the sequence has one vector
    of (M - 8) / 2 bands for every two frames; all other layers are the original ones. It has 875,782 parameters for 40
    mel bands and one class.

    Source: Rybakov et al., Streaming Keyword Spotting on Mobile Devices, Interspeech 2020 (MHAtt-RNN).

    Args:
        input_dim: mel bands M, at least 9.
        n_classes: logits C.
        hidden_dim: LSTM width in each direction.
        num_layers: LSTM layers.
        num_heads: attention heads.
        dropout: of the output of the heads, in training.
    """

    def __init__(
        self,
        input_dim: int = 80,
        n_classes: int = 1,
        hidden_dim: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(
            input_dim=input_dim,
            n_classes=n_classes,
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            num_heads=num_heads,
            dropout=dropout,
        )
        width = 2 * hidden_dim
        self.bands = nn.Sequential(
            nn.Conv2d(1, 10, (5, 1)),
            nn.BatchNorm2d(10),
            nn.ReLU(),
            nn.Conv2d(10, 1, (5, 1)),
            nn.BatchNorm2d(1),
            nn.ReLU(),
        )
        self.lstm = nn.LSTM((input_dim - 7) // 2, hidden_dim, num_layers, batch_first=True, bidirectional=True)
        self.query = nn.Linear(width, num_heads * width)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(num_heads * width, 64),
            nn.ReLU(),
            nn.Linear(64, 32),
            nn.Linear(32, n_classes),
        )

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C) of a padded batch (B, T, M) with `lengths` (B,) real frames each."""
        real = torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]  # (B, T)
        x = self.bands(mel.masked_fill(~real[..., None], 0.0).transpose(1, 2)[:, None])  # (B, 1, M - 8, T)
        mask = real[:, None, None]
        share = functional.avg_pool2d(mask.to(x), (1, 2), ceil_mode=True)  # a last odd frame counts in full
        x = functional.avg_pool2d(x * mask, 2, ceil_mode=True) / share.clamp(min=0.5)
        lengths, mask = (lengths + 1) // 2, mask[:, :, 0, ::2]  # (B,), (B, 1, T / 2)
        hidden = along_frames(self.lstm, x[:, 0].transpose(1, 2), lengths)  # (B, T / 2, 2 H)
        middle = hidden[torch.arange(len(mel), device=mel.device), lengths // 2]  # (B, 2 H)
        query = self.query(middle).unflatten(1, (-1, hidden.shape[2]))  # (B, heads, 2 H)
        weights = (query @ hidden.transpose(1, 2)).masked_fill(~mask, -math.inf).softmax(dim=2)  # (B, heads, T / 2)
        logits: Tensor = self.head((weights @ hidden).flatten(1))
        return logits


class KeywordTransformer(Network):
    """A transformer over patches of whole frames; a class token that attends to all patches gives the logits.

    The defaults are the sizes of KWT-1, 605,249 parameters for 80 mel bands and one class. There are two differences:
    positions are sines instead of a learned table, so that recordings may have any length; and normalisation comes
    before attention and linear layers (pre-norm), since twelve post-norm layers may not train without a warm-up.

    Source: Berg et al., Keyword Transformer: A Self-Attention Model for Keyword Spotting, Interspeech 2021; sines:
    Vaswani et al., Attention Is All You Need, NIPS 2017, section 3.5.

    Args:
        input_dim: mel bands M.
        n_classes: logits C.
        hidden_dim: width of a token, a multiple of num_heads.
        num_layers: transformer layers.
        num_heads: attention heads.
        patch_frames: frames in a patch.
        dropout: after attention and linear layers, in training.
    """

    def __init__(
        self,
        input_dim: int = 80,
        n_classes: int = 1,
        hidden_dim: int = 64,
        num_layers: int = 12,
        num_heads: int = 1,
        patch_frames: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            input_dim=input_dim,
            n_classes=n_classes,
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            num_heads=num_heads,
            patch_frames=patch_frames,
            dropout=dropout,
        )
        self.patch_frames = patch_frames
        self.embed = nn.Linear(input_dim * patch_frames, hidden_dim)
        self.summary = nn.Parameter(torch.randn(hidden_dim))
        self.layers = nn.ModuleList(  # drawn separately; nn.TransformerEncoder would start from equal layers
            nn.TransformerEncoderLayer(
                hidden_dim, num_heads, 4 * hidden_dim, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(num_layers)
        )
        self.head = nn.Sequential(nn.LayerNorm(hidden_dim), nn.Linear(hidden_dim, n_classes))

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C) of a padded batch (B, T, M) with `lengths` (B,) real frames each."""
        real = torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]  # (B, T)
        mel = functional.pad(mel.masked_fill(~real[..., None], 0.0), (0, 0, 0, -mel.shape[1] % self.patch_frames))
        patches = mel.reshape(len(mel), -1, self.patch_frames * mel.shape[2])  # (B, P, M patch_frames)
        tokens = self.embed(patches)  # (B, P, H)
        tokens = tokens + positions(*tokens.shape[1:]).to(tokens)
        x = torch.cat([self.summary.to(tokens).expand(len(mel), 1, -1), tokens], dim=1)  # (B, 1 + P, H)
        padding = functional.pad(~real[:, :: self.patch_frames], (1, 0))  # the summary is always real
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        logits: Tensor = self.head(x[:, 0])
        return logits


def positions(n_tokens: int, hidden_dim: int) -> Tensor:
    """Sines and cosines (n_tokens, hidden_dim) of wavelengths from 2 pi to 20000 pi tokens."""
    rates = torch.exp(torch.arange(0, hidden_dim, 2) * (-math.log(10000) / hidden_dim))
    angles = torch.arange(n_tokens)[:, None] * rates  # (n_tokens, H / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :hidden_dim]
