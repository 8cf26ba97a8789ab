"""Broadcasted residual learning: small networks of 2-D and frequency-averaged 1-D convolutions.

Shapes: B batch, C channels or classes, T frames, M mel bands, F rows of bands left by the strides.
"""

from torch import Tensor, arange, nn
from torch.nn import functional

from clearmel.networks.base import Network

STAGES = ((8, 1, 1, 2), (12, 2, 2, 2), (16, 2, 4, 4), (20, 1, 8, 4))
"""Channels at scale 1, stride over bands, dilation over frames, blocks (the first of which changes the channels)."""


class SubSpectralNorm(nn.Module):
    """Batch normalisation with separate statistics in each of several equal sub-bands.

    Source: Chang et al., Subspectral Normalization for Neural Audio Data Processing, ICASSP 2021.

    Args:
        n_channels: channels C.
        n_rows: rows F. The number of sub-bands is the largest divisor of F up to 5; published: 5.
    """

    def __init__(self, n_channels: int, n_rows: int) -> None:
        super().__init__()
        self.n_bands = max(n for n in range(1, 6) if n_rows % n == 0)
        self.norm = nn.BatchNorm2d(n_channels * self.n_bands)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, T), normalised."""
        n_items, n_channels, n_rows, n_frames = x.shape
        x = x.reshape(n_items, n_channels * self.n_bands, n_rows // self.n_bands, n_frames)
        return self.norm(x).reshape(n_items, n_channels, n_rows, n_frames)  # type: ignore[no-any-return]


class BroadcastedBlock(nn.Module):
    """Features of the bands plus temporal features of the mean over all bands, broadcast to every band.

    Args:
        n_in: channels of the input.
        n_out: channels of the output. If it differs from n_in, the block is a transition without a residual path.
        n_rows: rows F of the output.
        stride: over the rows.
        dilation: over frames.
        dropout: of whole channels of the temporal branch, in training.
    """

    def __init__(self, n_in: int, n_out: int, n_rows: int, stride: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.residual = n_in == n_out
        self.enter = (
            nn.Identity()
            if self.residual
            else nn.Sequential(nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())
        )
        self.bands = nn.Sequential(
            nn.Conv2d(n_out, n_out, (3, 1), (stride, 1), (1, 0), groups=n_out, bias=False),
            SubSpectralNorm(n_out, n_rows),
        )
        self.frames = nn.Sequential(
            nn.Conv2d(n_out, n_out, (1, 3), 1, (0, dilation), (1, dilation), groups=n_out, bias=False),
            nn.BatchNorm2d(n_out),
            nn.SiLU(),
            nn.Conv2d(n_out, n_out, 1, bias=False),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, n_out, F, T) from (B, n_in, F before the stride, T); `mask` (B, 1, 1, T) is False in the padding."""
        bands = self.bands(self.enter(x))  # (B, n_out, F, T)
        total = bands + self.frames(bands.mean(2, keepdim=True) * mask)
        return functional.relu(total + x if self.residual else total)


class BCResNet(Network):
    """Logits of a whole recording from 12 broadcasted residual blocks and a mean over its real frames.

    With 40 or 80 mel bands and one class it has 8,808 parameters at scale 1, 317,760 at 8 and 1,200,768 at 16.

    Source: Kim et al., Broadcasted Residual Learning for Efficient Keyword Spotting, Interspeech 2021.

    Args:
        input_dim: mel bands M.
        n_classes: logits C.
        scale: multiplies all channels; 1, 8 and 16 are usual.
        dropout: of channels, in training; 0.1 as published.
    """

    def __init__(self, input_dim: int = 80, n_classes: int = 1, scale: int = 1, dropout: float = 0.1) -> None:
        super().__init__(input_dim=input_dim, n_classes=n_classes, scale=scale, dropout=dropout)
        n_channels, n_rows = 16 * scale, -(-input_dim // 2)
        self.stem = nn.Conv2d(1, n_channels, 5, (2, 1), 2)
        self.blocks = nn.ModuleList()
        for width, stride, dilation, n_blocks in STAGES:
            n_rows = -(-n_rows // stride)
            for i in range(n_blocks):
                block = BroadcastedBlock(n_channels, width * scale, n_rows, stride if i == 0 else 1, dilation, dropout)
                self.blocks.append(block)
                n_channels = width * scale
        self.last = nn.Conv2d(n_channels, n_channels, (min(5, n_rows), 5), 1, (0, 2), groups=n_channels)
        # Both are linear and may therefore follow the mean instead of preceding it.
        self.head = nn.Sequential(
            nn.Linear(n_channels, 32 * scale, bias=False), nn.Linear(32 * scale, n_classes, bias=False)
        )

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C) of a padded batch (B, T, M) with `lengths` (B,) real frames each."""
        real = arange(mel.shape[1], device=mel.device) < lengths[:, None]  # (B, T)
        x = mel.masked_fill(~real[..., None], 0.0).transpose(1, 2)[:, None]  # (B, 1, M, T)
        mask = real[:, None, None]
        x = self.stem(x)  # (B, 16 scale, F, T)
        for block in self.blocks:
            x = block(x, mask)
        x = self.last(x * mask).mean(2) * mask[:, 0]  # (B, 20 scale, T)
        logits: Tensor = self.head(x.sum(2) / lengths[:, None])
        return logits
