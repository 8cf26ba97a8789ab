"""Networks that separate voices in a complex spectrum.

Shapes: B batch, T frames, F STFT bins, S voices, K bands, D width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from clearmel.networks.base import Network, Separator

GROUPS = ((125.0, 1000.0), (250.0, 2500.0), (500.0, 4500.0), (1187.5, 8000.0))
"""Width of the bands up to a frequency, both in Hz."""


class BandSplitSeparator(Separator):
    """Alternates LSTMs along time, within each band, and along the bands, within each frame.

    The spectrum is split into bands, narrower at low frequencies. A linear layer maps each band to a vector of width D,
    and after the blocks another one maps each vector to the masks of its bins.

    By default the input is the magnitude, and the output is the fraction of each bin that belongs to each voice; the
    fractions may sum to less than 1. With `phase`, input and output are complex, which needs more than a few hours of
    speech to learn.

    Source: Luo and Yu, "Music Source Separation with Band-split RNN", TASLP 2023, for the bands; Luo, Chen and
    Yoshioka, "Dual-path RNN", ICASSP 2020, for the alternation.

    Args:
        n_bins: STFT bins F.
        n_voices: S.
        hidden_dim: width D of a band's vector, and of each direction of the LSTMs.
        num_layers: blocks.
        dropout: after each LSTM, in training.
        phase: see above.
    """

    def __init__(
        self,
        n_bins: int = 513,
        n_voices: int = 2,
        hidden_dim: int = 64,
        num_layers: int = 4,
        dropout: float = 0.0,
        phase: bool = False,
    ) -> None:
        super().__init__(
            n_bins=n_bins,
            n_voices=n_voices,
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            dropout=dropout,
            phase=phase,
        )
        self.n_voices, self.n_bins, self.phase = n_voices, n_bins, phase
        self.groups = _groups(n_bins)  # (bands, bins in each), from low to high
        n_inputs, self.said = (3, 2) if phase else (2, 1)  # numbers of a bin going in, and coming out for a voice
        self.inwards = nn.ModuleList(_Banded(n_bands, n_inputs * width, hidden_dim) for n_bands, width in self.groups)
        self.along_time = nn.ModuleList(_Path(hidden_dim, dropout) for _ in range(num_layers))
        self.along_bands = nn.ModuleList(_Path(hidden_dim, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_dim)
        self.hidden = nn.ModuleList(_Banded(n_bands, hidden_dim, 2 * hidden_dim) for n_bands, _ in self.groups)
        self.outwards = nn.ModuleList(
            _Banded(n_bands, 2 * hidden_dim, self.said * width * n_voices) for n_bands, width in self.groups
        )

    def begin_from(self, other: Network) -> Network:
        """See `Network.begin_from`; if `other` has fewer blocks, it gets further ones, which at first change nothing.

        Each of them has the LSTM weights of a block of `other`, from the last one backwards, and an output of zeros.
        Source: Bachlechner et al., "ReZero is all you need", UAI 2021, for blocks that begin as the identity.
        """
        kept = super().begin_from(other)
        old, new = int(kept.sizes["num_layers"]), int(self.sizes["num_layers"])
        if new <= old:
            return kept
        sizes: dict[str, Any] = kept.sizes | {"num_layers": new}
        network = type(self)(**sizes)
        state = kept.state_dict()
        for layer in range(old, new):
            for path in ("along_time", "along_bands"):
                part = kept.get_submodule(f"{path}.{max(0, 2 * old - 1 - layer)}").state_dict()
                for name, weight in part.items():
                    state[f"{path}.{layer}.{name}"] = torch.zeros_like(weight) if "linear" in name else weight
        network.load_state_dict(state)
        return network

    def forward(self, spectrum: Tensor, faces: Tensor | None = None) -> Tensor:
        """See `Separator.forward`."""
        x = compressed(spectrum)
        magnitude = x.norm(dim=3, keepdim=True)
        x = torch.cat([x, magnitude] if self.phase else [magnitude, (magnitude + 0.01).log()], dim=3)
        whole = sum(n_bands * width for n_bands, width in self.groups)
        x = nn.functional.pad(x, (0, 0, 0, whole - self.n_bins))
        parts, first = [], 0
        for (n_bands, width), layer in zip(self.groups, self.inwards, strict=True):
            part = x[:, :, first : first + n_bands * width]
            parts.append(layer(part.reshape(*x.shape[:2], n_bands, -1)))  # (B, T, bands, D)
            first += n_bands * width
        y = torch.cat(parts, dim=2)  # (B, T, K, D)
        for along_time, along_bands in zip(self.along_time, self.along_bands, strict=True):
            y = y + along_time(y.transpose(1, 2)).transpose(1, 2)
            y = y + along_bands(y)
        y = self.norm(y)
        masks, first = [], 0
        for (n_bands, width), hidden, layer in zip(self.groups, self.hidden, self.outwards, strict=True):
            part = layer(hidden(y[:, :, first : first + n_bands]).tanh())  # (B, T, bands, numbers)
            part = part.unflatten(3, (self.n_voices, width, self.said)).permute(0, 3, 1, 2, 4, 5)
            masks.append(part.flatten(3, 4))  # (B, S, T, bins, numbers)
            first += n_bands
        mask = torch.cat(masks, dim=3)[:, :, :, : self.n_bins].float().contiguous()
        if self.phase:
            return torch.view_as_complex(mask)
        nobody = torch.full_like(mask[:, :1, ..., 0], -2.0)
        share = torch.cat([mask[..., 0], nobody], dim=1).softmax(dim=1)[:, :-1]
        return torch.complex(share, torch.zeros_like(share))


class _Path(nn.Module):
    """A bidirectional LSTM along L of (B, A, L, D), and a linear layer; the sequences of A are independent."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden, _ = self.lstm(self.norm(x).flatten(0, 1))
        out: Tensor = self.linear(self.dropout(hidden)).unflatten(0, x.shape[:2])
        return out


class _Banded(nn.Module):
    """A separate linear layer for each band: (..., K, in) to (..., K, out)."""

    def __init__(self, n_bands: int, width_in: int, width_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_bands, width_in, width_out) / width_in**0.5)
        self.bias = nn.Parameter(torch.zeros(n_bands, width_out))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("...ki,kio->...ko", x, self.weight) + self.bias


def compressed(spectrum: Tensor, exponent: float = 0.3) -> Tensor:
    """Real and imaginary parts (B, T, F, 2) with power-law compressed magnitudes, independent of the recording's level.

    Source: the power law of Ephrat et al., "Looking to Listen at the Cocktail Party", SIGGRAPH 2018.
    """
    power = spectrum.real.square() + spectrum.imag.square()
    level = power.mean(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    power = power / level
    scale = (power + 1e-8) ** ((exponent - 1) / 2) / level.sqrt()
    return torch.view_as_real(spectrum) * scale[..., None]


def _groups(n_bins: int) -> list[tuple[int, int]]:
    """Groups of equally wide bands as (bands, bins per band) that cover all bins; the last may exceed them."""
    found, first, top = [], 0, GROUPS[-1][1]
    for width_hz, top_hz in GROUPS:
        width = max(1, round(width_hz * (n_bins - 1) / top))
        last = top_hz == top
        end = n_bins if last else min(n_bins, round(n_bins * top_hz / top))
        count = -(-(end - first) // width) if last else (end - first) // width
        if count > 0:
            found.append((count, width))
            first += count * width
    return found
