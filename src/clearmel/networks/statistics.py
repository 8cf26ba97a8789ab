"""Fixed statistics of a recording's mels and small perceptrons on them: cheap, and suited to few examples.

Shapes: B batch, C classes, T frames, M mel bands, S statistics, K members.
"""

import itertools
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearmel.networks.base import Network
from clearmel.networks.resnet import ResNet18, pooled

N_CEPSTRA, N_GROUPS, N_FRAMES = 25, 8, 1024
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAGS = (1, 2, 4, 6, 9, 13, 19, 28, 40, 57, 80, 113, 160, 226)
"""Edges of the ranges of lags of the autocorrelation, in frames."""
MODULATION = (1, 3, 6, 12, 25, 50, 100, 200, 400)
"""Edges of the ranges of modulation frequency, in bins of a spectrum over N_FRAMES frames."""


class Statistics(Network):
    """Logits of a whole recording from the distribution of its levels and the speed of their changes.

    The statistics are not learned: means and standard deviations of the cepstrum and of its differences; quantiles,
    deviation, skewness and kurtosis of every band; modulation spectra, correlations and autocorrelations of eight
    groups of bands; the mean step from frame to frame and from band to band; the length. They are standardised with
    the statistics of the training data. Several perceptrons (members) are trained on them independently, each with
    its own dropout; their log-probabilities are averaged.

    With a `width`, the output of a ResNet18 before its last layer joins the statistics. `begin_from` takes it from a
    trained `ResNet18`; if its parameters are frozen, its normalisation is, too.

    Args:
        input_dim: mel bands M.
        n_classes: logits C; with a single one, the logits of the members are averaged.
        hidden_dim: width of the hidden layer of each member.
        members: perceptrons K.
        dropout: of the hidden layers, in training.
        input_dropout: of the statistics, in training.
        width: of the ResNet18, 0 for none.
    """

    basis: Tensor

    def __init__(
        self,
        input_dim: int = 80,
        n_classes: int = 1,
        hidden_dim: int = 256,
        members: int = 8,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        width: int = 0,
    ) -> None:
        super().__init__(
            input_dim=input_dim,
            n_classes=n_classes,
            hidden_dim=hidden_dim,
            members=members,
            dropout=dropout,
            input_dropout=input_dropout,
            width=width,
        )
        self.members, self.dropout, self.input_dropout = members, dropout, input_dropout
        place = (torch.arange(input_dim) + 0.5) * math.pi / input_dim
        basis = torch.cos(torch.arange(min(N_CEPSTRA, input_dim))[:, None] * place) * math.sqrt(2 / input_dim)
        basis[0] /= math.sqrt(2)
        self.register_buffer("basis", basis, persistent=False)
        n_statistics = self.statistics(torch.zeros(1, 4, input_dim), torch.tensor([4])).shape[1]
        self.body = nn.ModuleDict()
        if width:
            resnet, n_statistics = ResNet18(input_dim, width=width), n_statistics + 8 * width
            self.body.update({"stem": resnet.stem, "blocks": resnet.blocks})
        self.standard = nn.BatchNorm1d(n_statistics, affine=False, momentum=0.02)
        self.first = nn.Parameter(torch.randn(members, n_statistics, hidden_dim) / math.sqrt(n_statistics))
        self.norm = nn.BatchNorm1d(members * hidden_dim)
        self.second = nn.Parameter(torch.randn(members, hidden_dim, n_classes) / math.sqrt(hidden_dim))
        self.bias = nn.Parameter(torch.zeros(members, n_classes))

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits of a padded batch (B, T, M) with `lengths` (B,) real frames each.

        Returns:
            (B, C); in training (B, K, C), one for each member.
        """
        with torch.autocast(mel.device.type, enabled=False), torch.no_grad():
            seen = self.statistics(mel.float(), lengths)
        if self.body:
            seen = torch.cat([seen, self.resnet(mel, lengths).float()], dim=1)
        seen = self.standard(seen)[:, None].expand(-1, self.members, -1)
        seen = functional.dropout(seen, self.input_dropout, self.training)
        hidden = torch.einsum("bks,ksh->bkh", seen, self.first)
        hidden = functional.relu(self.norm(hidden.flatten(1))).reshape(hidden.shape)
        hidden = functional.dropout(hidden, self.dropout, self.training)
        logits: Tensor = torch.einsum("bkh,khc->bkc", hidden, self.second) + self.bias
        if self.training:
            return logits
        return (logits if logits.shape[2] == 1 else logits.float().log_softmax(dim=2)).mean(dim=1)

    def train(self, mode: bool = True) -> "Statistics":
        """See `nn.Module.train`."""
        super().train(mode)
        if not any(weight.requires_grad for weight in self.body.parameters()):
            self.body.eval()
        return self

    def begin_from(self, other: Network) -> Network:
        """See `Network.begin_from`; `other` may also be a `ResNet18` of the same width."""
        if not self.body or not isinstance(other, ResNet18):
            return super().begin_from(other)
        if other.sizes["width"] != self.sizes["width"]:
            raise ValueError(f"has the width {other.sizes['width']}; expected {self.sizes['width']}, as in --width")
        self.body.load_state_dict(
            {name: weight for name, weight in other.state_dict().items() if name.startswith(tuple(self.body))}
        )
        return self

    def resnet(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """The output (B, 8 width) of the ResNet18 before its last layer; arguments as in `forward`."""
        return pooled(self.body["stem"], cast(nn.ModuleList, self.body["blocks"]), mel, lengths)

    def statistics(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """The statistics (B, S) of a padded batch; arguments as in `forward`."""
        real = torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]  # (B, T)
        level = 10 * (mel - 1).masked_fill(~real[..., None], 0.0)  # nepers of power
        count, steps = lengths[:, None].to(mel), (lengths - 1).clamp(min=1)[:, None].to(mel)
        here, there = real[..., None].to(mel), real[:, 1:, None].to(mel)

        def mean(values: Tensor) -> Tensor:
            weight, number = (here, count) if values.shape[1] == mel.shape[1] else (there, steps)
            return (values * weight).sum(dim=1) / number

        def deviation(values: Tensor) -> Tensor:
            return (mean((values - mean(values)[:, None]).square()) + 1e-6).sqrt()

        cepstrum = level @ self.basis.T  # (B, T, cepstra)
        change = cepstrum[:, 1:] - cepstrum[:, :-1]
        ranked = level.masked_fill(~real[..., None], math.inf).sort(dim=1).values
        places = [((count - 1) * share).round().long()[:, :, None].expand(-1, 1, mel.shape[2]) for share in QUANTILES]
        centred = (level - mean(level)[:, None]) / deviation(level)[:, None]
        groups = functional.adaptive_avg_pool1d(level, N_GROUPS)  # (B, T, groups)
        groups = (groups - mean(groups)[:, None]) * here
        whole = level.mean(dim=2, keepdim=True)
        whole = (whole - mean(whole)[:, None]) * here
        return torch.cat(
            [
                *(mean(cepstrum), deviation(cepstrum), deviation(change), mean(change.abs())),
                *(ranked.gather(1, place)[:, 0] for place in places),
                *(deviation(level), mean(centred**3), mean(centred**4).clamp(min=1e-3).log()),
                modulation(groups, count),
                together(groups / deviation(groups)[:, None], count),
                repetition(torch.cat([groups, whole], dim=2)),
                mean((level[:, 1:] - level[:, :-1]).abs()),
                mean((level[..., 1:] - level[..., :-1]).abs()),
                count.log(),
            ],
            dim=1,
        )


def modulation(groups: Tensor, count: Tensor) -> Tensor:
    """Log-power (B, ranges x G) in ranges of modulation frequency of groups (B, T, G), over segments of N_FRAMES."""
    n_stretches = (groups.shape[1] + N_FRAMES - 1) // N_FRAMES
    filled = functional.pad(groups, (0, 0, 0, n_stretches * N_FRAMES - groups.shape[1]))
    stretches = filled.reshape(len(groups), n_stretches, N_FRAMES, groups.shape[2])
    power = torch.fft.rfft(stretches, dim=2).abs().square().sum(dim=1) / count[:, :, None]  # (B, bins, G)
    ranges = [power[:, low:high].mean(dim=1) for low, high in itertools.pairwise(MODULATION)]
    return (torch.stack(ranges, dim=1) + 1e-3).log().flatten(1)


def together(groups: Tensor, count: Tensor) -> Tensor:
    """Correlations (B, pairs) of standardised groups (B, T, G), at lag 0 and at a lag of two frames."""
    rows, columns = (list(side) for side in zip(*itertools.combinations(range(groups.shape[2]), 2), strict=True))
    at_once = torch.einsum("btf,btg->bfg", groups, groups)[:, rows, columns]
    apart = torch.einsum("btf,btg->bfg", groups[:, :-2], groups[:, 2:]).flatten(1)
    return torch.cat([at_once, apart], dim=1) / count


def repetition(groups: Tensor) -> Tensor:
    """Maximum and minimum (B, 2 x ranges x G) of the autocorrelation of groups (B, T, G) in each range of lags."""
    size = 1 << (groups.shape[1] + LAGS[-1]).bit_length()
    alike = torch.fft.irfft(torch.fft.rfft(groups, size, dim=1).abs().square(), dim=1)
    alike = alike[:, : LAGS[-1]]
    alike = alike / (alike[:, :1] + 1e-3)
    ranges = [alike[:, low:high] for low, high in itertools.pairwise(LAGS)]
    return torch.cat([part.amax(dim=1) for part in ranges] + [part.amin(dim=1) for part in ranges], dim=1)
