"""Stationary noise above the network's bands: recordings of 48 kHz, spectra of 64 ms every 16 ms."""

import numpy as np
import pytest
import torch

from clearmel.inference.high_bands import HighBands

RATE, N_FFT, HOP = 48000, 3072, 768


def spectrum(wave: np.ndarray) -> np.ndarray:
    """Power (T, F) of a wave (N,)."""
    frames = torch.from_numpy(wave.astype(np.float32)).unfold(0, N_FFT, HOP)
    return torch.fft.rfft(frames * torch.hann_window(N_FFT)).abs().square().numpy()


def bursts(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """White noise of -26 dBFS that sounds for 0.3 s and pauses for 0.3 s, as speech does."""
    wave = rng.standard_normal(int(seconds * RATE)) * 0.05
    return wave * (np.arange(len(wave)) // (0.3 * RATE) % 2 == 0)


def change_db(bands: HighBands, power: np.ndarray, chosen: slice | np.ndarray) -> float:
    """Change of the power above the lowest band edge in the chosen frames."""
    high = power[:, bands.first :]
    after = high * bands.gains(power) ** 2
    return float(10 * np.log10(after[chosen].sum() / high[chosen].sum()))


def inside(seconds: float, loud: bool) -> np.ndarray:
    """Frames from 4 s on that lie wholly within bursts, or wholly within pauses."""
    sounding = torch.arange(int(seconds * RATE)) // (0.3 * RATE) % 2 == 0
    frames = sounding.unfold(0, N_FFT, HOP)
    chosen = frames.all(dim=1) if loud else ~frames.any(dim=1)
    return (chosen & (torch.arange(len(frames)) > 4 * RATE // HOP)).numpy()


def test_hiss_falls_by_20_db_in_pauses_and_the_voice_stays_within_a_fifth_of_a_db(rng: np.random.Generator) -> None:
    hiss = rng.standard_normal(10 * RATE) * 0.0016  # 30 dB below the bursts
    power = spectrum(bursts(10, rng) + hiss)
    assert change_db(HighBands(8000, RATE, N_FFT, HOP), power, inside(10, loud=False)) < -20
    assert abs(change_db(HighBands(8000, RATE, N_FFT, HOP), power, inside(10, loud=True))) < 0.2


def test_what_has_no_noise_stays_as_it_is(rng: np.random.Generator) -> None:
    """Pauses 100 dB below the bursts, and digitally silent ones."""
    for floor in (5e-7, 0.0):
        power = spectrum(bursts(8, rng) + rng.standard_normal(8 * RATE) * floor)
        assert abs(change_db(HighBands(8000, RATE, N_FFT, HOP), power, slice(None))) < 0.001


def test_the_first_sound_after_silence_stays(rng: np.random.Generator) -> None:
    wave = np.concatenate([np.zeros(4 * RATE), rng.standard_normal(RATE) * 0.05])
    power = spectrum(wave)
    gains = HighBands(8000, RATE, N_FFT, HOP).gains(power)
    start = 4 * RATE // HOP
    np.testing.assert_allclose(gains[start : start + 25], 1, atol=1e-5)


def test_the_noise_level_is_the_least_of_the_last_three_seconds(rng: np.random.Generator) -> None:
    power = rng.uniform(0.1, 1.0, 600).astype(np.float32)  # of each frame; one band at 22.05 kHz
    power[rng.random(600) < 0.1] = 0  # digital silence is no noise
    gains = HighBands(8000, 22050, 1408, 352).gains(np.repeat(power[:, None], 705, axis=1))
    for end in range(188, 601, 7):  # 3 s are 188 frames
        own, recent = power[end - 1], power[end - 188 : end]
        least = recent[recent > 0].min()
        wanted = np.sqrt(max(1 - 1.5 * 1.35 * least / own, 10**-2.5)) if own > 0 else 1.0
        np.testing.assert_allclose(gains[end - 1], wanted, rtol=1e-5)


@pytest.mark.parametrize("rate", [22050, 32000, 44100, 96000])
def test_blocks_give_what_one_pass_gives_at_every_rate(rate: int, rng: np.random.Generator) -> None:
    hop = round(256 * rate / 16000)
    power = rng.exponential(1.0, (300, 2 * hop + 1)).astype(np.float32)
    whole = HighBands(8000, rate, 4 * hop, hop).gains(power)
    stream = HighBands(8000, rate, 4 * hop, hop)
    pieces = np.concatenate([stream.gains(power[a:b]) for a, b in ((0, 1), (1, 40), (40, 41), (41, 250), (250, 300))])
    np.testing.assert_allclose(pieces, whole, rtol=1e-5)
    assert whole.shape == (300, 2 * hop + 1 - stream.first)
    observed = HighBands(8000, rate, 4 * hop, hop)
    observed.observe(power[:200])
    np.testing.assert_allclose(observed.gains(power[200:]), whole[200:], rtol=1e-5)


def test_bands_cover_every_bin_from_the_lower_edge_to_half_the_rate() -> None:
    bands = HighBands(8000, RATE, N_FFT, HOP)
    assert bands.first == 512  # 8000 Hz of 15.625 Hz each
    assert bands.starts[0] == 512
    assert bands.counts.sum() == N_FFT // 2 + 1 - 512
    for place in range(512, N_FFT // 2 + 1, 16):  # a tone is in the mean of one band
        tone = np.zeros((1, N_FFT // 2 + 1), np.float32)
        tone[0, place] = 1
        bands = HighBands(8000, RATE, N_FFT, HOP)
        bands.observe(tone)
        assert np.flatnonzero(bands.seen).tolist() == [int(np.searchsorted(bands.starts, place, "right")) - 1]
        assert bands.seen.sum() == pytest.approx(1 / bands.counts[bands.seen.argmax()])
    np.testing.assert_allclose(bands.spread.sum(axis=1), 1, rtol=1e-6)
