from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from torch import Tensor

from src import audio, enhancement
from src.checkpoint import make_card
from src.features import MelFeatures
from src.networks import LSTMDenoiser, Network
from src.networks.lstm import State

SHAPES = [(16000, 1, 50000), (44100, 2, 100001), (8000, 1, 20000), (48000, 8, 70000), (192000, 1, 30000), (11025, 2, 1)]


class Untouched(LSTMDenoiser):
    """Takes every input for clean."""

    def forward(self, mel: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        return mel, (mel, mel)


class Quieter(LSTMDenoiser):
    """Asks for 20 dB less everywhere."""

    def forward(self, mel: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        return mel - 0.1 * np.log(100), (mel, mel)


def with_card(network: Network) -> Network:
    network.card = make_card(LSTMDenoiser(), "denoising", MelFeatures())
    return network.eval()


def cleaned(network: Network, wave: np.ndarray, rate: int, cuts: tuple[int, ...] = ()) -> np.ndarray:
    pieces = np.split(wave, cuts, axis=1)
    return np.concatenate(list(enhancement.clean_blocks(network, pieces, rate, len(wave))), axis=1)


@pytest.mark.parametrize(("rate", "n_channels", "n_samples"), SHAPES)
def test_a_gain_of_one_returns_the_recording(rate: int, n_channels: int, n_samples: int, rng) -> None:
    wave = rng.normal(0, 0.1, (n_channels, n_samples)).astype(np.float32)
    result = cleaned(with_card(Untouched()), wave, rate, (n_samples // 3, n_samples // 2))
    assert result.shape == wave.shape
    assert np.abs(result - wave).max() < 1e-5


@pytest.mark.parametrize(("rate", "n_channels", "n_samples"), SHAPES)
def test_pieces_give_what_one_pass_gives(rate: int, n_channels: int, n_samples: int, rng) -> None:
    torch.manual_seed(1)
    network = with_card(LSTMDenoiser())
    wave = rng.normal(0, 0.1, (n_channels, n_samples)).astype(np.float32)
    cuts = tuple(sorted(rng.integers(0, n_samples + 1, 9).tolist()))
    np.testing.assert_allclose(cleaned(network, wave, rate, cuts), cleaned(network, wave, rate), atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_gain_is_applied_at_every_rate_and_the_stereo_image_stays(rate: int, rng) -> None:
    left = rng.normal(0, 0.1, rate).astype(np.float32)
    wave = np.stack([left, -0.5 * left])
    result = cleaned(with_card(Quieter()), wave, rate)
    middle = slice(rate // 4, -rate // 4)
    np.testing.assert_allclose(result[:, middle], 0.1 * wave[:, middle], atol=2e-5)


def test_one_pass_is_the_band_gain_on_the_recordings_own_phase(rng) -> None:
    torch.manual_seed(2)
    network, features = with_card(LSTMDenoiser()), MelFeatures()
    wave = rng.normal(0, 0.1, (1, 20000)).astype(np.float32)
    spectrum, noisy = features.stft(torch.from_numpy(wave)), features.mel(torch.from_numpy(wave))
    with torch.no_grad():
        gain = features.spread(features.band_gain(noisy, network(noisy)[0]))
    wanted = features.istft(spectrum * gain, 20000).numpy()
    np.testing.assert_allclose(cleaned(network, wave, 16000), wanted, atol=1e-6)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("reconstruction", ["gain", "griffin_lim"])
def test_rate_channels_and_length_stay_in_every_format(
    suffix: str, reconstruction: str, denoiser: Network, workplace: Path, rng
) -> None:
    wave = rng.normal(0, 0.05, (2, 32000)).astype(np.float32)
    source, target = workplace / f"in{suffix}", workplace / "sub" / f"out{suffix}"
    audio.write(source, wave, 32000)
    enhancement.clean_file(denoiser, source, target, reconstruction)
    before, after = sf.info(source), sf.info(target)
    assert (before.samplerate, before.channels, before.subtype) == (after.samplerate, after.channels, after.subtype)
    assert before.frames == after.frames
    assert np.isfinite(sf.read(target)[0]).all()


def test_memory_does_not_grow_with_the_recording(denoiser: Network, rng) -> None:
    """What a stream keeps between blocks is bounded: the ten-hour file is only more blocks."""
    stream = enhancement.GainStream(denoiser, 44100, 2)
    kept = []
    for _ in range(12):
        stream.push(rng.normal(0, 0.1, (2, 44100)).astype(np.float32))
        tensors = [value for value in vars(stream).values() if isinstance(value, Tensor)]
        kept.append(sum(tensor.untyped_storage().nbytes() for tensor in tensors))
    assert max(kept[6:]) <= 1.5 * max(kept[1:6])
