"""The loss by DNSMOS, against the package that it follows."""

import numpy as np
import pytest
import torch

from clearmel.core.errors import InputError
from clearmel.data.batching import Batch
from clearmel.metrics import dnsmos_loss
from clearmel.options import LossOptions
from clearmel.tasks.denoising import DenoisingTask
from tests.conftest import hiss

dnsmos = pytest.importorskip("speechmos.dnsmos")
WINDOW = 144_160  # samples that the package scores at once


def lasting(sound: torch.Tensor, n_samples: int) -> torch.Tensor:
    """The sound (1, N) over and over, at -26 dB."""
    sound = sound.repeat(1, -(-n_samples // sound.shape[1]))[:, :n_samples]
    return sound * 10 ** (dnsmos_loss.LEVEL_DB / 20) / sound.square().mean().sqrt()


@pytest.mark.parametrize("snr_db", [60, 20, 5])
def test_the_score_is_that_of_the_package(speech: torch.Tensor, snr_db: float) -> None:
    sound = lasting(speech + hiss(speech, snr_db), WINDOW)
    wanted = dnsmos.run(sound[0].numpy().astype(np.float64), sr=16000)["ovrl_mos"]
    assert 5 - float(dnsmos_loss.dnsmos_loss(sound, sound)) == pytest.approx(wanted, abs=1e-3)


def test_the_level_of_the_target_decides_on_the_gain(speech: torch.Tensor) -> None:
    clean, noisy = speech[:, :16000], (speech + hiss(speech, 10))[:, :16000]
    quiet, loud = (dnsmos_loss.dnsmos_loss(gain * noisy, gain * clean) for gain in (0.01, 3.0))
    assert float(quiet) == pytest.approx(float(loud), abs=1e-3)


def test_silence_as_target_teaches_nothing_and_gradients_stay_finite(speech: torch.Tensor) -> None:
    clean = speech[:, :16000]
    estimate = torch.cat([clean + hiss(clean, 5), hiss(clean, 5), torch.zeros_like(clean)]).requires_grad_()
    found = dnsmos_loss.dnsmos_loss(estimate, torch.cat([clean, torch.zeros_like(clean), clean]))
    assert found[1] == 0
    found.sum().backward()
    assert estimate.grad is not None
    assert torch.isfinite(estimate.grad).all()
    assert estimate.grad[0].abs().max() > 0
    assert not estimate.grad[1].any()


def test_it_trains_and_is_validated(speech: torch.Tensor) -> None:
    """The denoiser's own step: a sixth of the items is scored in training, every item in validation."""
    losses = LossOptions(mel_weight=0, spectrum_weight=0, dnsmos_weight=1)
    task = DenoisingTask(losses=losses, network_name="gain", sizes={"hidden_dim": 8})
    network, clean = task.network(), speech[:, :16000].repeat(7, 1)
    waves = {"noisy": clean + hiss(clean, 5), "clean": clean}
    unknown = torch.zeros(7)
    batch = Batch([str(k) for k in range(7)], {}, unknown, unknown, unknown, waves)
    task.loss(network.train(), batch).backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in network.parameters())
    lacking = task._errors(network, batch)["dnsmos_lacking"]
    assert (lacking > 0).tolist() == [True] * 2 + [False] * 5
    assert (task._errors(network.eval(), batch)["dnsmos_lacking"] > 0).all()


def test_other_rates_are_refused() -> None:
    with pytest.raises(InputError, match="needs sound of 16000 Hz"):
        dnsmos_loss.require(8000)
