"""A classifier that splits every mel band into speech and noise, and compares the levels of the two.

Shapes: B batch, C classes, T frames, M mel bands, H hidden.
"""

import torch
from torch import Tensor, nn

from clearmel.networks.base import Network
from clearmel.networks.gain_denoiser import GainDenoiser
from clearmel.networks.gain_logits import SPREAD

MEAN = -0.11
"""Subtracted from mels: 0.25, as in `GainDenoiser`, less the level of the loudest mel at the working level, 0.36."""
FLOOR = 1e-8
"""Added to the power of each frame, relative to the loudest mel; 80 dB below it."""
LOUDEST = 10.0
"""Largest power that counts, in nepers above that of the loudest mel; only mels that are not relative reach it."""
N_LEVELS = 4


class MaskSNR(Network):
    """Logits of a whole recording from the levels of its speech and of its noise.

    An LSTM predicts which share of the power of each band is speech, as a denoiser does. Speech and noise have two
    levels each: of the mean power over all frames, and of the mean weighted by the power itself, which is that of the
    active frames. A linear layer combines these four with the output of a perceptron, whose input is the mean and the
    maximum of the LSTM's output over time and the mean share in each band. The parameter `weight` (M,) is the logarithm
    of how much the power of each band counts.

    The mels must be relative to the loudest (`top_db`).

    Args:
        input_dim: mel bands M.
        n_classes: logits C.
        hidden_dim: LSTM width H.
        num_layers: LSTM layers.
        head_dim: width of the perceptron.
        dropout: of its input, in training.
    """

    def __init__(
        self,
        input_dim: int = 80,
        n_classes: int = 1,
        hidden_dim: int = 256,
        num_layers: int = 2,
        head_dim: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(
            input_dim=input_dim,
            n_classes=n_classes,
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            head_dim=head_dim,
            dropout=dropout,
        )
        self.lstm = nn.LSTM(input_dim, hidden_dim, num_layers, batch_first=True)
        self.hidden2gain = nn.Linear(hidden_dim, input_dim)
        self.weight = nn.Parameter(torch.zeros(input_dim))
        self.first = nn.Linear(2 * hidden_dim + input_dim, head_dim)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(N_LEVELS + head_dim, n_classes)

    def begin_at(self, boundary_db: float, db_per_logit: float) -> None:
        """Makes a single logit the SNR between the active levels: (SNR in dB - boundary_db) / db_per_logit."""
        nn.init.zeros_(self.last.weight)
        nn.init.constant_(self.last.bias, -boundary_db / db_per_logit)
        with torch.no_grad():
            self.last.weight[0, :N_LEVELS] = torch.tensor([0.0, 10.0, 0.0, -10.0]) / db_per_logit

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, C) of a padded batch (B, T, M) with `lengths` (B,) real frames each."""
        real = (torch.arange(mel.shape[1], device=mel.device) < lengths[:, None])[..., None]  # (B, T, 1)
        mel = mel.masked_fill(~real, 0.0)
        hidden, _ = self.lstm((mel - MEAN) / SPREAD)  # (B, T, H)
        gain = self.hidden2gain(hidden)
        with torch.autocast(mel.device.type, enabled=False):
            hidden, share = hidden.float(), gain.float().sigmoid().square()  # of the power
            power = torch.exp((10 * (mel.float() - 1)).clamp(max=LOUDEST)) * self.weight.exp() * real
            levels = [_levels((power * part).sum(dim=2) + FLOOR * real[..., 0]) for part in (share, 1 - share)]
            count = lengths[:, None]
            seen = torch.cat(
                [
                    (hidden * real).sum(dim=1) / count,
                    hidden.masked_fill(~real, -1.0).amax(dim=1),
                    (share * real).sum(dim=1) / count,
                ],
                dim=1,
            )
            found: Tensor = self.last(torch.cat([*levels, self.first(self.dropout(seen)).relu()], dim=1))
        return found

    def begin_from(self, other: Network) -> Network:
        """See `Network.begin_from`; `other` may also be a `GainDenoiser`, whose first stage predicts the shares."""
        if not isinstance(other, GainDenoiser):
            return super().begin_from(other)
        state = {name: weight for name, weight in other.state_dict().items() if isinstance(weight, Tensor)}
        own = [name for name in self.state_dict() if name.startswith(("lstm.", "hidden2gain."))]
        shapes = {name: weight.shape for name, weight in self.named_parameters()}
        if any(name not in state or state[name].shape != shapes[name] for name in own):
            sizes = {key: other.sizes.get(key) for key in ("input_dim", "hidden_dim", "num_layers")}
            raise ValueError(f"holds a denoiser of {sizes}; expected the sizes of the flags")
        self.load_state_dict({name: state[name] for name in own}, strict=False)
        return self


def _levels(power: Tensor) -> Tensor:
    """The two levels (B, 2) of the power of each frame (B, T), in bels; padding has a power of 0."""
    total, square = power.sum(dim=1), power.square().sum(dim=1)
    frames = (power > 0).sum(dim=1)
    return torch.stack([total / frames, square / total], dim=1).log10()
