"""The PESQ loss."""

import numpy as np
import pytest
import torch

from clearmel.metrics import pesq_loss
from tests.conftest import hiss

RATE = 16000


def test_equal_sounds_at_any_level_do_not_differ(speech: torch.Tensor) -> None:
    assert float(pesq_loss.pesq_loss(speech, speech)) == pytest.approx(0, abs=1e-2)
    assert float(pesq_loss.pesq_loss(0.1 * speech, speech)) == pytest.approx(0, abs=1e-2)


def test_more_noise_is_a_larger_loss(speech: torch.Tensor) -> None:
    losses = [float(pesq_loss.pesq_loss(speech + hiss(speech, snr_db), speech)) for snr_db in (40, 20, 10, 0)]
    assert losses == sorted(losses)
    assert losses[0] < 1.5
    assert losses[-1] > losses[0] + 1


def test_masked_noise_is_a_smaller_loss_than_noise_alone(speech: torch.Tensor) -> None:
    """The same noise power under a loud vowel's band, or far from it."""
    time = torch.arange(speech.shape[1]) / RATE
    vowel = 0.1 * torch.sin(2 * torch.pi * 500 * time)[None] * (1 + torch.sin(2 * torch.pi * 3 * time))
    near, far = (0.01 * torch.sin(2 * torch.pi * hertz * time)[None] for hertz in (505, 3000))
    assert float(pesq_loss.pesq_loss(vowel + far, vowel)) > 2 * float(pesq_loss.pesq_loss(vowel + near, vowel))


def test_silence_as_target_teaches_nothing_and_gradients_stay_finite(speech: torch.Tensor) -> None:
    estimate = torch.cat([speech + hiss(speech, 5), hiss(speech, 5), torch.zeros_like(speech)]).requires_grad_()
    target = torch.cat([speech, torch.zeros_like(speech), speech])
    found = pesq_loss.pesq_loss(estimate, target)
    assert found[1] == 0
    found.sum().backward()
    assert estimate.grad is not None
    assert torch.isfinite(estimate.grad).all()
    assert estimate.grad[0].abs().max() > 0


def test_it_orders_sounds_as_pesq_does(speech: torch.Tensor) -> None:
    pesq = pytest.importorskip("pesq")
    sounds = [speech + hiss(speech, snr_db, seed) for seed, snr_db in enumerate(np.linspace(-5, 30, 8))]
    sounds += [torch.nn.functional.avg_pool1d(speech, 9, 1, 4), speech.clamp(-0.02, 0.02)]
    scores = [pesq.pesq(RATE, speech[0].numpy(), sound[0].numpy(), "wb") for sound in sounds]
    losses = [float(pesq_loss.pesq_loss(sound, speech)) for sound in sounds]
    ranks = (np.argsort(np.argsort(values)) for values in (scores, losses))
    assert np.corrcoef(*ranks)[0, 1] < -0.85
