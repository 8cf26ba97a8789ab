"""Embeddings of speakers: convolutions over log-mels, and the statistics of their outputs over time.

Shapes: B batch, T frames, M mel bands, H width, E dimension of an embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearmel.networks.base import Network

DILATIONS = (1, 2, 3, 4)


class SpeakerEncoder(Network):
    """An embedding of length 1 of a whole recording; those of one speaker have a large inner product.

    A convolution over five frames, four residual convolutions over three frames each with growing dilation, and the
    mean and standard deviation of 2 H channels over time, weighted by attention for each channel.

    Sources: Snyder et al., "X-vectors: Robust DNN embeddings for speaker recognition", ICASSP 2018; attention as in
    Desplanques et al., "ECAPA-TDNN", Interspeech 2020.

    Args:
        input_dim: mel bands M.
        hidden_dim: width H.
        embedding_dim: dimension E.
    """

    def __init__(self, input_dim: int = 80, hidden_dim: int = 160, embedding_dim: int = 128) -> None:
        super().__init__(input_dim=input_dim, hidden_dim=hidden_dim, embedding_dim=embedding_dim)
        self.enter = nn.Sequential(
            nn.Conv1d(input_dim, hidden_dim, 5, padding=2), nn.ReLU(), nn.BatchNorm1d(hidden_dim)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(hidden_dim, hidden_dim, 3, padding=step, dilation=step), nn.ReLU(), nn.BatchNorm1d(hidden_dim)
            )
            for step in DILATIONS
        )
        self.wide = nn.Sequential(nn.Conv1d(hidden_dim, 2 * hidden_dim, 1), nn.ReLU())
        self.attention = nn.Sequential(
            nn.Conv1d(2 * hidden_dim, hidden_dim // 2, 1), nn.Tanh(), nn.Conv1d(hidden_dim // 2, 2 * hidden_dim, 1)
        )
        self.norm = nn.BatchNorm1d(4 * hidden_dim)
        self.head = nn.Linear(4 * hidden_dim, embedding_dim)

    def forward(self, mel: Tensor) -> Tensor:
        """Embeddings (B, E) of log-mels (B, T, M) without padding."""
        x = self.enter(mel.transpose(1, 2))  # (B, H, T)
        for block in self.blocks:
            x = x + block(x)
        x = self.wide(x)  # (B, 2 H, T)
        share = self.attention(x).softmax(dim=2)
        mean = (share * x).sum(dim=2)
        deviation = ((share * x.square()).sum(dim=2) - mean.square()).clamp(min=1e-5).sqrt()
        found: Tensor = self.head(self.norm(torch.cat([mean, deviation], dim=1)))
        return functional.normalize(found.float(), dim=1)
