"""Residual networks of 18, 34 and 50 layers with a stem for one channel.

Shapes: B batch, C channels or classes, T frames, M mel bands, F rows of bands left by the strides.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearmel.networks.base import Network


def convolution(n_in: int, n_out: int, kernel: int, stride: int) -> nn.Sequential:
    """A convolution and its normalisation; the output has the size of the input divided by the stride, rounded up."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(n_out),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of 1x1, 3x3 and 1x1, and a shortcut.

    Args:
        n_in: channels of the input.
        width: channels inside.
        stride: over bands and frames, at the first 3x3.
        bottleneck: the output has four times the width.
    """

    def __init__(self, n_in: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        n_out = 4 * width if bottleneck else width
        self.strides = (1, stride) if bottleneck else (stride,)
        self.inner = nn.ModuleList([convolution(n_in, width, 1, 1)] if bottleneck else [])
        self.inner.append(convolution(width if bottleneck else n_in, width, 3, stride))
        self.last = convolution(width, n_out, 1 if bottleneck else 3, 1)
        same = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if same else convolution(n_in, n_out, 1, stride)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The output (B, C', F', T') and its mask, from (B, C, F, T) and `mask` (B, 1, 1, T), False in the padding."""
        y = x
        for unit, stride in zip(self.inner, self.strides, strict=True):
            mask = mask[..., ::stride]
            y = functional.relu(unit(y)) * mask
        return functional.relu(self.last(y) + self.shortcut(x)) * mask, mask


class ResNet(Network):
    """Logits of a whole recording, seen as an image of one channel: the mean over all bands and real frames.

    Each depth is a subclass. The layers are those of the 2015 paper, except that the stride of a
    bottleneck is in its 3x3 convolution, as is usual today.

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016.

    Args:
        input_dim: mel bands M; the layers do not depend on it.
        n_classes: logits C.
        width: channels of the stem and the first stage; each later stage doubles them.
        dropout: before the last layer, in training.
    """

    n_blocks: tuple[int, ...]
    bottleneck = False

    def __init__(self, input_dim: int = 80, n_classes: int = 1, width: int = 64, dropout: float = 0.0) -> None:
        super().__init__(input_dim=input_dim, n_classes=n_classes, width=width, dropout=dropout)
        self.stem = convolution(1, width, 7, 2)
        self.blocks, n_channels = nn.ModuleList(), width
        for stage, n_blocks in enumerate(self.n_blocks):
            inside = width * 2**stage
            for i in range(n_blocks):
                stride = 2 if stage > 0 and i == 0 else 1
                self.blocks.append(ResidualBlock(n_channels, inside, stride, self.bottleneck))
                n_channels = 4 * inside if self.bottleneck else inside
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(n_channels, n_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C) of a padded batch (B, T, M) with `lengths` (B,) real frames each."""
        logits: Tensor = self.head(pooled(self.stem, self.blocks, mel, lengths))
        return logits


def pooled(stem: nn.Module, blocks: nn.ModuleList, mel: Tensor, lengths: Tensor) -> Tensor:
    """The input (B, channels) of the last layer: the mean over bands and real frames; see `ResNet.forward`."""
    real = torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]  # (B, T)
    x = mel.masked_fill(~real[..., None], 0.0).transpose(1, 2)[:, None]  # (B, 1, M, T)
    mask = real[:, None, None, ::2]
    x = functional.relu(stem(x)) * mask  # (B, width, M / 2, T / 2)
    mask = mask[..., ::2]
    x = functional.max_pool2d(x, 3, 2, 1) * mask  # (B, width, M / 4, T / 4): what is masked is never the largest
    for block in blocks:
        x, mask = block(x, mask)
    n_cells = mask.sum(dim=(2, 3)) * x.shape[2]  # (B, 1)
    return x.sum(dim=(2, 3)) / n_cells


class ResNet18(ResNet):
    """11,170,753 parameters for one class, see `ResNet`."""

    n_blocks = (2, 2, 2, 2)


class ResNet34(ResNet):
    """21,278,913 parameters for one class, see `ResNet`."""

    n_blocks = (3, 4, 6, 3)


class ResNet50(ResNet):
    """23,503,809 parameters for one class, see `ResNet`."""

    n_blocks, bottleneck = (3, 4, 6, 3), True
