import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from torch import Tensor

from clearmel.audio import gains, sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints.weights_file import make_card
from clearmel.inference import denoise, denoise_stream
from clearmel.networks import Denoiser, GainDenoiser, LSTMDenoiser
from clearmel.options import DenoiseOptions

SHAPES = [(16000, 1, 50000), (44100, 2, 100001), (8000, 1, 20000), (48000, 8, 70000), (192000, 1, 30000), (11025, 2, 1)]


class Untouched(LSTMDenoiser):
    """Takes every input for clean."""

    def forward(self, mel: Tensor, *_: Any) -> tuple[Tensor, None, None]:
        return mel, None, None


class Quieter(LSTMDenoiser):
    """Asks for 20 dB less everywhere."""

    def forward(self, mel: Tensor, *_: Any) -> tuple[Tensor, None, None]:
        return mel - 0.1 * np.log(100), None, None


def with_card(network: Denoiser) -> Denoiser:
    network.card = make_card(LSTMDenoiser(), "denoising", MelFeatures())
    return network.eval()


def cleaned(
    network: Denoiser, wave: np.ndarray, rate: int, cuts: tuple[int, ...] = (), options: DenoiseOptions = denoise.FULL
) -> np.ndarray:
    pieces = np.split(wave, cuts, axis=1)
    return np.concatenate(list(denoise.denoise_blocks(network, pieces, rate, len(wave), options)), axis=1)


AHEAD = {"look_ahead": 3, "ahead_dim": 16, "fine_bins": 200, "knee_db": 1}


def gain_network(**sizes: int) -> Denoiser:
    """Random weights whose later stages say something."""
    torch.manual_seed(1)
    network = GainDenoiser(hidden_dim=24, fine_dim=16, **sizes)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(3)
        if network.ahead_dim:
            torch.nn.init.normal_(network.ahead2hidden.weight)
        if network.neighbours is not None:
            torch.nn.init.normal_(network.neighbours.out.weight)
    return with_card(network)


def pauses(n_samples: int, rate: int) -> np.ndarray:
    """100 dB less in every second 150 ms: above 8 kHz, sound that goes on and on would be taken for noise."""
    return np.where(np.arange(n_samples) // (0.15 * rate) % 2, 1e-5, 1).astype(np.float32)


@pytest.mark.parametrize(("rate", "n_channels", "n_samples"), SHAPES)
def test_a_gain_of_one_returns_the_recording(rate: int, n_channels: int, n_samples: int, rng) -> None:
    wave = rng.normal(0, 0.1, (n_channels, n_samples)).astype(np.float32) * pauses(n_samples, rate)
    result = cleaned(with_card(Untouched()), wave, rate, (n_samples // 3, n_samples // 2))
    assert result.shape == wave.shape
    assert np.abs(result - wave).max() < 1e-5


NEAR = {"look_ahead": 2, "fine_bins": 100, "near_dim": 5}
TWICE = {"fine_bins": 100, "near_dim": 5, "two_passes": True}


@pytest.mark.parametrize("sizes", [{}, {"fine_bins": 200}, {"look_ahead": 3, "fine_bins": 256}, AHEAD, NEAR, TWICE])
@pytest.mark.parametrize(("rate", "n_channels", "n_samples"), SHAPES)
def test_pieces_give_what_one_pass_gives(
    rate: int, n_channels: int, n_samples: int, sizes: dict[str, int], rng
) -> None:
    network = gain_network(**sizes)
    wave = rng.normal(0, 0.1, (n_channels, n_samples)).astype(np.float32)
    cuts = tuple(sorted(rng.integers(0, n_samples + 1, 9).tolist()))
    np.testing.assert_allclose(cleaned(network, wave, rate, cuts), cleaned(network, wave, rate), atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_gain_is_applied_at_every_rate_and_the_stereo_image_stays(rate: int, rng) -> None:
    left = rng.normal(0, 0.1, rate).astype(np.float32) * pauses(rate, rate)
    wave = np.stack([left, -0.5 * left])
    result = cleaned(with_card(Quieter()), wave, rate)
    middle = slice(rate // 4, -rate // 4)
    np.testing.assert_allclose(result[:, middle], 0.1 * wave[:, middle], atol=2e-5)


@pytest.mark.parametrize("sizes", [{}, {"look_ahead": 3, "fine_bins": 200}, AHEAD])
def test_one_pass_is_the_gain_on_the_recordings_own_phase(sizes: dict[str, int], rng) -> None:
    network, features = gain_network(**sizes), MelFeatures()
    wave = rng.normal(0, 0.1, (1, 20000)).astype(np.float32)
    spectrum, noisy = features.stft(torch.from_numpy(wave)), features.mel(torch.from_numpy(wave))
    fine = (
        gains.fine_structure(features, spectrum.abs().square(), noisy, network.fine_bins) if network.fine_bins else None
    )
    with torch.no_grad():
        estimate, factor, _ = network(noisy, fine)
        gain = gains.bin_gain(features, gains.band_gain(noisy, estimate), factor)
    wanted = features.istft(spectrum * gain, 20000).numpy()
    np.testing.assert_allclose(cleaned(network, wave, 16000, options=DenoiseOptions(warm_up_s=0)), wanted, atol=1e-6)


@pytest.mark.parametrize("sizes", [{}, {"fine_bins": 200}])
@pytest.mark.parametrize("n_samples", [20000, 96000])
def test_the_opening_primes_the_state(n_samples: int, sizes: dict[str, int], rng) -> None:
    network, features = gain_network(**sizes), MelFeatures()
    wave = (rng.normal(0, 0.1, (1, n_samples)) * np.linspace(1, 0.01, n_samples)).astype(np.float32)
    spectrum = features.stft(torch.from_numpy(wave))
    opening = features.stft(torch.from_numpy(np.resize(wave, (1, 64000))))[:, :-2]  # without those over its end
    both = torch.cat([opening, spectrum], dim=1)
    noisy = features.mel_of_power(both.abs().square())
    power = both.abs().square()
    fine = gains.fine_structure(features, power, noisy, network.fine_bins) if network.fine_bins else None
    with torch.no_grad():
        estimate, factor, _ = network(noisy, fine)
        gain = gains.bin_gain(features, gains.band_gain(noisy, estimate), factor)[:, opening.shape[1] :]
    wanted = features.istft(spectrum * gain, n_samples).numpy()
    np.testing.assert_allclose(cleaned(network, wave, 16000), wanted, atol=1e-6)
    cold = cleaned(network, wave, 16000, options=DenoiseOptions(warm_up_s=0))
    assert np.abs(cold - wanted)[0, :4000].max() > 1e-3


@pytest.mark.parametrize("sizes", [{}, {"look_ahead": 3}, AHEAD])
def test_the_opening_of_a_mel_primes_the_state_in_any_batch(sizes: dict[str, int], rng) -> None:
    network = gain_network(**sizes)
    mel = torch.from_numpy(rng.normal(0.2, 0.3, (2, 90, 80)).astype(np.float32))
    lengths = torch.tensor([90, 40])
    with torch.no_grad():
        found = network.estimate(mel, lengths, 60)
        for row, length in enumerate(lengths.tolist()):
            own = mel[row : row + 1, :length]
            wanted = network(own, None, network.prime(own[:, torch.arange(60) % length]))[0]
            alone = denoise.estimate_mel(network, own[0].numpy(), DenoiseOptions(warm_up_s=60 * 256 / 16000))
            stop = length - network.look_ahead * (length < 90)  # what stands beside it is what lies ahead there
            torch.testing.assert_close(found[row, :stop], wanted[0, :stop])
            torch.testing.assert_close(torch.from_numpy(alone), wanted[0])
            assert (network(own)[0] - wanted).abs().max() > 1e-3


def test_strength_scales_the_attenuation_in_decibels_and_the_limit_bounds_it(rng) -> None:
    wave = rng.normal(0, 0.1, (1, 16000)).astype(np.float32)
    for options, factor in (
        (DenoiseOptions(strength=0), 1.0),
        (DenoiseOptions(strength=0.5), 10 ** (-10 / 20)),
        (DenoiseOptions(max_suppression_db=6), 10 ** (-6 / 20)),
        (DenoiseOptions(strength=0.5, max_suppression_db=30), 10 ** (-10 / 20)),
    ):
        result = cleaned(with_card(Quieter()), wave, 16000, options=options)
        np.testing.assert_allclose(result[:, 4000:-4000], factor * wave[:, 4000:-4000], atol=2e-5)
        mel = rng.normal(0, 0.3, (20, 80)).astype(np.float32)
        change = denoise.estimate_mel(Quieter().eval(), mel, options) - mel
        np.testing.assert_allclose(np.exp(change * 5), factor, rtol=1e-4)


def test_an_unlinked_channel_is_denoised_as_if_it_were_alone(workplace: Path, rng) -> None:
    """Two microphones, one of them 50 dB lower: as one recording of two channels, and as two recordings."""
    network = gain_network(fine_bins=256)
    burst = np.repeat(rng.random((2, 20)) > 0.5, 2205, axis=1)
    wave = (rng.normal(0, 0.1, burst.shape) * (0.05 + burst) * [[1], [0.003]]).astype(np.float32)
    sound_file.write(Path("both.wav"), wave, 22050, "FLOAT")
    for number, channel in enumerate(wave):
        sound_file.write(Path(f"{number}.wav"), channel[None], 22050, "FLOAT")
        denoise.denoise_file(network, Path(f"{number}.wav"), Path(f"{number}_out.wav"))
    alone = np.stack([sf.read(f"{number}_out.wav", dtype="float32")[0] for number in (0, 1)])
    for unlinked in (False, True):
        denoise.denoise_file(network, Path("both.wav"), Path("out.wav"), DenoiseOptions(unlink_channels=unlinked))
        found = sf.read("out.wav", dtype="float32", always_2d=True)[0].T
        change_db = 20 * np.log10(np.abs(found - alone).max(axis=1) / np.abs(alone).max(axis=1) + 1e-12)
        assert (change_db < -100).all() == unlinked
        assert (change_db > -40).any() != unlinked


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("reconstruction", ["gain", "griffin_lim"])
def test_rate_channels_and_length_stay_in_every_format(
    suffix: str, reconstruction: str, denoiser: Denoiser, workplace: Path, rng
) -> None:
    wave = rng.normal(0, 0.05, (2, 32000)).astype(np.float32)
    source, target = workplace / f"in{suffix}", workplace / "sub" / f"out{suffix}"
    sound_file.write(source, wave, 32000)
    denoise.denoise_file(denoiser, source, target, DenoiseOptions(reconstruction=reconstruction))
    before, after = sf.info(source), sf.info(target)
    assert (before.samplerate, before.channels, before.subtype) == (after.samplerate, after.channels, after.subtype)
    assert before.frames == after.frames
    assert np.isfinite(sf.read(target)[0]).all()


def test_memory_does_not_grow_with_the_recording(rng) -> None:
    """What a stream keeps between blocks is bounded: the ten-hour file is only more blocks."""
    stream = denoise_stream.DenoiseStream(gain_network(look_ahead=2, fine_bins=256), 44100, 2)
    kept = []
    for _ in range(12):
        stream.push(rng.normal(0, 0.1, (2, 44100)).astype(np.float32))
        tensors = [value for value in vars(stream).values() if isinstance(value, Tensor)]
        kept.append(sum(tensor.untyped_storage().nbytes() for tensor in tensors))
    assert max(kept[6:]) <= 1.5 * max(kept[1:6])


def test_the_closing_line_says_how_far_the_noise_fell(workplace: Path, rng) -> None:
    sound_file.write("in.wav", rng.normal(0, 0.1, (2, 4 * 16000)).astype(np.float32), 16000, "FLOAT")
    done = denoise.denoise_file(with_card(Quieter()), workplace / "in.wav", workplace / "out.wav")
    assert done.noise_down_db == pytest.approx(20, abs=0.6)
    assert done.summary().startswith("denoised 00:04, noise down 20 dB, ")
    sound_file.write("silent.wav", np.zeros(16000, np.float32), 16000)
    done = denoise.denoise_file(with_card(Quieter()), workplace / "silent.wav", workplace / "out.wav")
    assert re.fullmatch(r"denoised 00:01, \d+\.\d s", done.summary())
