"""A denoiser that predicts a gain for each mel band and, in later stages, a factor for each STFT bin.

Shapes: B batch, T frames, M mel bands, K STFT bins, H hidden.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from clearmel.core.arrays import with_closing
from clearmel.networks import gain_logits
from clearmel.networks.base import Denoiser, Network
from clearmel.networks.bin_refiner import BinRefiner, BinRefinerState
from clearmel.networks.gain_logits import FINE_SPREAD, MEAN, SPREAD
from clearmel.networks.lstm import LSTMDenoiser
from clearmel.networks.lstm_step import lstm_step
from clearmel.networks.second_pass import SecondPass


class GainState(NamedTuple):
    """State of a stream: the states of all stages, and the frames whose look-ahead is incomplete.

    bands, refined, near: states of the three stages. mel, fine: the incomplete frames. skip: outputs of the first LSTM
    still to be dropped because of the look-ahead. hidden: its outputs (B, T, H) for these frames, with `ahead_dim`.
    """

    bands: Any
    refined: Any
    mel: Tensor
    fine: Tensor | None
    skip: int
    hidden: Tensor | None = None
    near: BinRefinerState | None = None


class GainDenoiser(Denoiser):
    """Band gains from log-mels and, with `fine_bins`, factors for STFT bins from the fine structure of the STFT.

    The estimate is the noisy log-mel plus the logarithm of a gain between -bound_db and 0 dB, so clean sound passes
    unchanged. The input of the second stage is the hidden state of the first and the fine structure: the level of each
    of the lowest `fine_bins` STFT bins above its band, which shows the harmonics of a voice. Its output is a factor for
    each bin. The third stage corrects these factors from the neighbouring bins and frames, see `BinRefiner`.

    These stages are causal. With `two_passes`, a second network corrects whole recordings, see `SecondPass`.

    Args:
        input_dim: mel bands M.
        hidden_dim: LSTM width H.
        num_layers: LSTM layers.
        dropout: between the layers, in training.
        bound_db: largest attenuation of a band.
        look_ahead: future frames that an output depends on.
        ahead_dim: with a look-ahead, width of a convolution over the LSTM's outputs of the present and the future
            frames, which corrects that of the present frame; 0: the output of the last future frame is used. The
            correction is initially 0, so training can start from weights without look-ahead.
        fine_bins: bins K of the second stage, 0 for none.
        fine_dim: width of its LSTM.
        near_dim: channels of the third stage, 0 for none.
        knee_db: an attenuation of a dB becomes a * a / (a + knee_db): far below the knee it vanishes, so clean speech
            passes, and far above it, it is reduced by `knee_db`. 0: unchanged.
        two_passes: whether there is a second pass.

    Raises:
        ValueError: a second pass and a look-ahead, which has no use then.
    """

    warm_up_s = 4.0

    def __init__(
        self,
        input_dim: int = 80,
        hidden_dim: int = 80,
        num_layers: int = 1,
        dropout: float = 0.0,
        bound_db: float = 60.0,
        look_ahead: int = 0,
        fine_bins: int = 0,
        fine_dim: int = 256,
        ahead_dim: int = 0,
        knee_db: float = 0.0,
        near_dim: int = 0,
        two_passes: bool = False,
    ) -> None:
        super().__init__(
            input_dim=input_dim,
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            dropout=dropout,
            bound_db=bound_db,
            look_ahead=look_ahead,
            fine_bins=fine_bins,
            fine_dim=fine_dim,
            ahead_dim=ahead_dim,
            knee_db=knee_db,
            near_dim=near_dim,
            two_passes=two_passes,
        )
        if two_passes and look_ahead:
            raise ValueError("a network with two passes has no look-ahead")
        self.fine_bins, self.look_ahead, self.ahead_dim = fine_bins, look_ahead, ahead_dim
        self.least = 10 ** (-bound_db / 20)
        self.lstm = nn.LSTM(input_dim, hidden_dim, num_layers, batch_first=True, dropout=dropout)
        self.hidden2gain = nn.Linear(hidden_dim, input_dim)
        nn.init.constant_(self.hidden2gain.bias, 1.0)  # begins 3 dB below the input
        if ahead_dim:
            self.ahead = nn.Conv1d(hidden_dim, ahead_dim, look_ahead + 1)
            self.ahead2hidden = nn.Linear(ahead_dim, hidden_dim)
            nn.init.zeros_(self.ahead2hidden.weight)
            nn.init.zeros_(self.ahead2hidden.bias)
        if fine_bins:
            self.mix = nn.Linear(hidden_dim + fine_bins, fine_dim)
            self.refiner = nn.LSTM(fine_dim, fine_dim, batch_first=True)
            self.hidden2factor = nn.Linear(fine_dim, fine_bins)
        self.neighbours = BinRefiner(input_dim, fine_bins, near_dim) if fine_bins and near_dim else None
        self.second: SecondPass | None = None
        if two_passes:
            self.second = SecondPass(input_dim, hidden_dim, num_layers, fine_bins, fine_dim, near_dim, self.least)
            self.second.begin_at(self)
        self._bend(knee_db)

    def begin_from(self, other: Network) -> Network:
        """See `Network.begin_from`; `other` may also be an `LSTMDenoiser`, or a `GainDenoiser` with fewer stages.

        If `knee_db` is 0 here, the knee of `other` is used.

        The LSTM of an `LSTMDenoiser` is unchanged except for the scale of its input. If its output layer predicts
        attenuation through softplus, it is replaced by the closest linear layer:
        sigmoid(-1.7 x - 3.2) ~ exp(-5 softplus(x)).
        """
        complete = isinstance(other, GainDenoiser) and (other.fine_bins or not self.fine_bins)
        complete = complete and (other.neighbours is not None or self.neighbours is None)
        complete = complete and (other.second is not None or self.second is None)
        if isinstance(other, GainDenoiser):
            other._bend(self.sizes["knee_db"] or other.sizes["knee_db"])
            self._bend(other.sizes["knee_db"])
        if complete and (other.ahead_dim or not self.ahead_dim):
            return other
        state = {name: weight for name, weight in other.state_dict().items() if isinstance(weight, Tensor)}
        fits = all(f"lstm.{name}" in state for name, _ in self.lstm.named_parameters()) and all(
            weight.shape == state[name].shape for name, weight in self.named_parameters() if name in state
        )
        if not isinstance(other, GainDenoiser | LSTMDenoiser) or not fits:
            sizes = {key: other.sizes.get(key) for key in ("hidden_dim", "num_layers")}
            raise ValueError(f"holds a {type(other).__name__} of {sizes}; expected the sizes of the flags")
        if isinstance(other, LSTMDenoiser):
            first = state["lstm.weight_ih_l0"]
            state["lstm.bias_ih_l0"] = state["lstm.bias_ih_l0"] + MEAN * first.sum(dim=1)
            state["lstm.weight_ih_l0"] = SPREAD * first
            weight, bias = state.pop("hidden2spectrogram.weight"), state.pop("hidden2spectrogram.bias")
            if other.attenuation:
                state |= {"hidden2gain.weight": -1.7 * weight, "hidden2gain.bias": -1.7 * bias - 3.2}
        self.load_state_dict(state, strict=False)
        if self.second is not None and not any(name.startswith("second.") for name in state):
            self.second.begin_at(self)
        return self

    def _bend(self, knee_db: float) -> None:
        self.sizes["knee_db"], self.knee = knee_db, knee_db * math.log(10) / 20  # nepers
        if self.second is not None:
            self.second.knee = self.knee

    def forward(
        self, mel: Tensor, fine: Tensor | None = None, state: GainState | None = None, last: bool = True
    ) -> tuple[Tensor, Tensor | None, GainState]:
        """See `Denoiser.forward`."""
        estimate, factor, after = self._advanced(mel, fine, state, last, self.neighbours)
        if self.second is not None and state is None and last:
            estimate, factor = self.second(mel, fine, estimate, factor)
        return estimate, factor, after

    def causal(
        self, mel: Tensor, fine: Tensor | None = None, state: GainState | None = None, last: bool = True
    ) -> tuple[Tensor, Tensor | None, GainState]:
        """See `Denoiser.causal`."""
        return self._advanced(mel, fine, state, last, self.neighbours)

    def prime(self, mel: Tensor, fine: Tensor | None = None) -> GainState:
        """See `Denoiser.prime`. The third stage is not primed, which costs .0003 of ESTOI; no frame is delayed."""
        *_, state = self._advanced(mel, fine, None, False, None)
        return GainState(state.bands, state.refined, mel[:, :0], None if fine is None else fine[:, :0], self.look_ahead)

    def estimate(self, mel: Tensor, lengths: Tensor, n_opening: int = 0) -> Tensor:
        """See `Denoiser.estimate`."""
        found = super().estimate(mel, lengths, n_opening)
        if self.second is None:
            return found
        corrected = found.clone()
        for item, length in enumerate(lengths.tolist()):
            frames = torch.from_numpy(with_closing(length, n_opening)).to(mel.device)
            whole, _ = self.second(mel[item, frames][None], None, found[item, frames][None], None)
            corrected[item, :length] = whole[0, :length]
        return corrected

    def _advanced(
        self, mel: Tensor, fine: Tensor | None, state: GainState | None, last: bool, neighbours: BinRefiner | None
    ) -> tuple[Tensor, Tensor | None, GainState]:
        """`forward` with the given third stage; None: without it."""
        if state is None:
            state = GainState(None, None, mel[:, :0], None if fine is None else fine[:, :0], self.look_ahead)
        ahead = torch.cat([mel, mel[:, -1:].expand(-1, self.look_ahead, -1)], dim=1) if last else mel
        hidden, bands = lstm_step(self.lstm, (ahead - MEAN) / SPREAD, state.bands)  # (B, T, H)
        if self.ahead_dim:
            skip, kept, hidden = 0, *self._corrected(hidden, state.hidden)
        else:
            skip, kept = min(state.skip, hidden.shape[1]), None
            hidden = hidden[:, skip:]
        n_frames = hidden.shape[1]
        mel = torch.cat([state.mel, mel], dim=1)
        lowered = gain_logits.lowered(self.hidden2gain(hidden).float(), self.least, self.knee)
        estimate = mel[:, :n_frames] - lowered / 5
        refined, near, factor = state.refined, state.near, None
        if fine is not None and state.fine is not None and self.fine_bins:
            fine = torch.cat([state.fine, fine], dim=1)
            if not n_frames:
                return estimate, fine[:, :0], GainState(bands, refined, mel, fine, state.skip - skip, kept, near)
            shape = fine[:, :n_frames].to(hidden) / FINE_SPREAD
            seen = torch.nn.functional.elu(self.mix(torch.cat([hidden, shape], dim=-1)))
            turned, refined = lstm_step(self.refiner, seen, refined)
            logit = self.hidden2factor(turned).float() - 1.456
            if neighbours is not None:
                level = (mel[:, :n_frames] - MEAN) / SPREAD
                correction, near = neighbours(level, lowered, shape, logit, near)
                logit = logit + correction
            factor = gain_logits.factor(logit)  # initially 0
            fine = fine[:, n_frames:]
        after = GainState(bands, refined, mel[:, n_frames:], fine, state.skip - skip, kept, near)
        return estimate, factor, after

    def _corrected(self, hidden: Tensor, held: Tensor | None) -> tuple[Tensor, Tensor]:
        """LSTM outputs (B, L, H) without complete look-ahead, and the earlier ones, corrected with theirs."""
        hidden = hidden if held is None else torch.cat([held, hidden], dim=1)
        n_frames = max(0, hidden.shape[1] - self.look_ahead)
        present, kept = hidden[:, :n_frames], hidden[:, n_frames:]
        if not n_frames:
            return kept, present
        seen = nn.functional.elu(self.ahead(hidden.transpose(1, 2))).transpose(1, 2)  # (B, n_frames, ahead_dim)
        return kept, present + self.ahead2hidden(seen)
