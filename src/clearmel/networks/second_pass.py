"""The pass of a denoiser backwards in time, which corrects the result of its causal pass.

Shapes: B batch, T frames, M mel bands, K STFT bins, H hidden.
"""

import torch
from torch import Tensor, nn

from clearmel.networks import gain_logits
from clearmel.networks.bin_refiner import BinRefiner
from clearmel.networks.gain_logits import FINE_SPREAD, MEAN, SPREAD


class SecondPass(nn.Module):
    """Corrects the estimate and the log-factors of a first pass by what follows each frame.

    It has the stages of the first pass, see `GainDenoiser`, and receives, besides the same input, the attenuation and
    the log-factors that were found. Its outputs are added to the logits of these, and are initially 0.

    Source: a layer backwards in time on top of the output of one forwards is the deep bidirectional network of Graves,
    Jaitly and Mohamed, "Hybrid speech recognition with deep bidirectional LSTM", ASRU 2013.

    Args:
        n_bands: M.
        width: LSTM width H.
        n_layers: LSTM layers.
        n_bins: K, 0 for none.
        fine_dim: width of the LSTM of the second stage.
        near_dim: channels of the third stage, 0 for none.
        least: the smallest gain.
    """

    def __init__(
        self, n_bands: int, width: int, n_layers: int, n_bins: int, fine_dim: int, near_dim: int, least: float
    ) -> None:
        super().__init__()
        self.least, self.knee = least, 0.0
        self.lstm = nn.LSTM(2 * n_bands, width, n_layers, batch_first=True)
        self.hidden2gain = nn.Linear(width, n_bands)
        if n_bins:
            self.mix = nn.Linear(width + 2 * n_bins, fine_dim)
            self.refiner = nn.LSTM(fine_dim, fine_dim, batch_first=True)
            self.hidden2factor = nn.Linear(fine_dim, n_bins)
        self.neighbours = BinRefiner(n_bands, n_bins, near_dim) if n_bins and near_dim else None

    def begin_at(self, first: nn.Module) -> None:
        """Takes over the weights of a first pass of the same sizes, except the last layers, which become 0."""
        theirs = first.state_dict()
        with torch.no_grad():
            for name, weight in self.named_parameters():
                given = theirs[name]
                if weight.shape == given.shape:
                    weight.copy_(given)
                else:  # the further inputs come last, and have no effect at first
                    weight.zero_()
                    weight[:, : given.shape[1]] = given
            for name, weight in self.named_parameters():
                if name.startswith(("hidden2", "neighbours.out")):
                    weight.zero_()

    def forward(
        self, mel: Tensor, fine: Tensor | None, estimate: Tensor, factor: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Corrected estimates (B, T, M) and log-factors (B, T, K), or None.

        Args:
            mel: noisy log-mel (B, T, M); the pass begins at its last frame, without a state.
            fine: fine structure (B, T, K), or None.
            estimate: of the first pass (B, T, M).
            factor: log-factors of the first pass (B, T, K), or None.
        """
        mel = mel.flip(1)
        before = 5 * (mel - estimate.flip(1)).float().clamp(min=0)  # nepers of amplitude
        level = (mel - MEAN) / SPREAD
        hidden, _ = self.lstm(torch.cat([level, before.to(level)], dim=2))
        logit = self.hidden2gain(hidden).float() + gain_logits.logit_of_lowered(before, self.least, self.knee)
        lowered = gain_logits.lowered(logit, self.least, self.knee)
        found = (mel - lowered / 5).flip(1)
        if fine is None or factor is None:
            return found, None
        factor, shape = factor.flip(1).float(), fine.flip(1).to(hidden) / FINE_SPREAD
        seen = nn.functional.elu(self.mix(torch.cat([hidden, shape, factor.to(hidden)], dim=2)))
        logit = self.hidden2factor(self.refiner(seen)[0]).float() + gain_logits.logit_of_factor(factor)
        if self.neighbours is not None:
            logit = logit + self.neighbours(level, lowered, shape, logit)[0]
        return found, gain_logits.factor(logit).flip(1)
