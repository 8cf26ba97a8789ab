"""How much of speech can be understood."""

import numpy as np
import pytest
import torch

from clearmel.metrics import stoi_loss
from tests.conftest import hiss

RATE = 16000


def test_equal_sounds_at_any_level_are_understood_wholly(speech: torch.Tensor) -> None:
    assert float(stoi_loss.estoi(speech, speech)) == pytest.approx(1, abs=1e-3)
    assert float(stoi_loss.estoi(0.1 * speech, speech)) == pytest.approx(1, abs=1e-2)


def test_it_gives_the_figures_of_estoi(speech: torch.Tensor) -> None:
    pystoi = pytest.importorskip("pystoi")
    sounds = [speech + hiss(speech, snr_db, seed) for seed, snr_db in enumerate((-5, 0, 5, 10, 20))]
    sounds += [torch.nn.functional.avg_pool1d(speech, 9, 1, 4), speech * (torch.arange(speech.shape[1]) % 4000 > 1000)]
    wanted = [pystoi.stoi(speech[0].numpy(), sound[0].numpy(), RATE, extended=True) for sound in sounds]
    found = [float(stoi_loss.estoi(sound, speech)) for sound in sounds]
    assert found == pytest.approx(wanted, abs=0.03)
    assert np.argsort(found).tolist() == np.argsort(wanted).tolist()


def test_pauses_do_not_count(speech: torch.Tensor) -> None:
    padded = torch.nn.functional.pad(speech, (RATE, RATE))
    noisy = speech + hiss(speech, 5)
    alone = float(stoi_loss.estoi(noisy, speech))
    hissing = torch.nn.functional.pad(noisy, (RATE, RATE)) + 0.01 * hiss(padded, 0, 1)
    assert float(stoi_loss.estoi(hissing, padded)) == pytest.approx(alone, abs=0.02)


def test_silence_as_target_teaches_nothing_and_gradients_stay_finite(speech: torch.Tensor) -> None:
    estimate = torch.cat([speech + hiss(speech, 5), hiss(speech, 5), torch.zeros_like(speech)]).requires_grad_()
    found = stoi_loss.estoi(estimate, torch.cat([speech, torch.zeros_like(speech), speech]))
    assert found[1] == 0
    found.sum().backward()
    assert estimate.grad is not None
    assert torch.isfinite(estimate.grad).all()
    assert estimate.grad[0].abs().max() > 0


def test_sound_too_short_to_judge_gives_nothing() -> None:
    assert stoi_loss.estoi(torch.randn(2, 4000), torch.randn(2, 4000)).tolist() == [0, 0]
