"""Recordings that are denoised in pieces by a network with two passes."""

import numpy as np
import pytest
import torch

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints.weights_file import make_card
from clearmel.inference import denoise
from clearmel.inference.denoise_stream import DenoiseStream
from clearmel.networks import GainDenoiser
from clearmel.options import DenoiseOptions

RATE = 16000


@pytest.fixture(scope="module")
def network() -> GainDenoiser:
    torch.manual_seed(0)
    made = GainDenoiser(hidden_dim=8, fine_bins=20, fine_dim=8, near_dim=3, two_passes=True)
    assert made.second is not None
    with torch.no_grad():
        for weight in made.second.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    made.card = make_card(made, "denoising", MelFeatures())
    return made.eval()


def cleaned(network: GainDenoiser, blocks: list[np.ndarray], **options: float) -> np.ndarray:
    return np.concatenate(
        list(denoise.denoise_blocks(network, blocks, RATE, len(blocks[0]), DenoiseOptions(**options))), axis=1
    )


@pytest.mark.parametrize("seconds", [0.5, 33.9, 71.0])
def test_long_recordings_are_as_long_and_the_same_in_blocks_of_any_length(
    network: GainDenoiser, seconds: float, rng: np.random.Generator
) -> None:
    wave = rng.normal(0, 0.1, (2, round(seconds * RATE))).astype(np.float32)
    whole = cleaned(network, [wave])
    pieces = cleaned(network, np.split(wave, np.sort(rng.integers(0, wave.shape[1], 9)), axis=1))
    assert whole.shape == wave.shape
    np.testing.assert_allclose(pieces, whole, atol=1e-6)


def test_what_follows_acts_backwards_but_not_across_a_piece(network: GainDenoiser, rng: np.random.Generator) -> None:
    wave = rng.normal(0, 0.1, (1, 71 * RATE)).astype(np.float32)
    changed = wave.copy()
    changed[:, 33 * RATE : 34 * RATE] *= 10
    both = [cleaned(network, [given])[0] for given in (wave, changed)]
    once = [cleaned(network, [given], passes=1)[0] for given in (wave, changed)]
    differs, causal = (np.abs(one - other) > 1e-6 for one, other in (both, once))
    assert abs(causal.argmax() / RATE - 33) < 0.1
    assert differs.argmax() / RATE < 32.9  # the first piece ends at 30 s and is primed by the next 4 s


def test_a_stream_and_one_pass_are_the_same(network: GainDenoiser, rng: np.random.Generator) -> None:
    wave = rng.normal(0, 0.1, (1, 2 * RATE)).astype(np.float32)
    stream = DenoiseStream(network, RATE, 1, gain=1.0)
    live = np.concatenate(
        [stream.push(wave[:, at : at + 700]) for at in range(0, wave.shape[1], 700)] + [stream.finish()], 1
    )
    once, twice = (cleaned(network, [wave], passes=passes, warm_up_s=0) for passes in (1, 2))
    np.testing.assert_allclose(live, once, atol=1e-6)
    assert np.abs(twice - once).max() > 0.001


def test_a_mel_gets_both_passes_too(network: GainDenoiser, rng: np.random.Generator) -> None:
    mel = rng.uniform(0, 0.5, (60, 80)).astype(np.float32)
    once, twice = (denoise.estimate_mel(network, mel, DenoiseOptions(passes=passes)) for passes in (1, 2))
    whole = network.estimate(torch.from_numpy(mel)[None], torch.tensor([60]), 250)[0].detach().numpy()
    np.testing.assert_allclose(twice, whole, atol=1e-5)
    assert np.abs(twice - once).max() > 0.001
