import numpy as np
import pytest
import torch

from clearmel.audio import gains, sound_file
from clearmel.audio.features import MelFeatures
from tests.conftest import ROOT

FEATURES = MelFeatures()


def test_equal_mels_give_a_gain_of_one_and_a_band_gain_stays_in_its_band() -> None:
    mel = FEATURES.mel(torch.from_numpy(sound_file.read(ROOT / "data/noisy.wav", FEATURES.sample_rate)[0]))
    assert gains.band_gain(mel, mel).eq(1).all()
    assert gains.spread(FEATURES, torch.ones(80)).sub(1).abs().max() < 1e-6
    only = torch.zeros(80)
    only[40] = 1.0
    spread = gains.spread(FEATURES, only)
    assert spread.count_nonzero() < 15
    assert int(spread.argmax()) == pytest.approx(int(FEATURES.filters()[40].argmax()), abs=1)


def test_ten_times_less_power_is_a_gain_of_minus_ten_decibels() -> None:
    noisy = torch.zeros(1, 80)
    gain = gains.band_gain(noisy, noisy - 0.1 * np.log(10))  # ten times less power
    assert 20 * torch.log10(gain).mean().item() == pytest.approx(-10, abs=1e-4)
    assert gains.band_gain(noisy, noisy + 1).max() == 1


def test_fine_structure_shows_the_harmonics_within_a_band() -> None:
    seconds = torch.arange(16000) / 16000
    wave = torch.stack([torch.sin(2 * torch.pi * 250 * k * seconds) for k in range(1, 17)]).sum(0) * 0.05
    power = FEATURES.stft(wave).abs().square()
    fine = gains.fine_structure(FEATURES, power, FEATURES.mel_of_power(power), 256)[20]  # (256,)
    peaks = [round(250 * k / 15.625) for k in range(8, 15)]  # bins 128, 144, ...
    assert min(float(fine[k] - fine[k - 8]) for k in peaks) > 0.15
    louder = gains.fine_structure(FEATURES, power * 100, FEATURES.mel_of_power(power * 100), 256)[20]
    torch.testing.assert_close(louder, fine, atol=2e-3, rtol=0)


def test_bin_gains_are_band_gains_times_factors_at_any_rate_and_never_above_one() -> None:
    gain = torch.full((3, 80), 0.5)
    factor = torch.zeros(3, 100)
    factor[:, 40:60] = np.log(0.1)
    factor[:, 80:] = np.log(100.0)
    for n_fft, rate in ((1024, 16000), (2824, 44100), (512, 8000), (704, 11025)):
        found = gains.bin_gain(FEATURES, gain, factor, n_fft, rate)
        assert found.shape == (3, n_fft // 2 + 1)
        width = rate / n_fft
        for hz, wanted in ((300, 0.5), (780, 0.05), (1400, 1.0), (2500, 0.5)):
            assert float(found[0, round(hz / width)]) == pytest.approx(wanted, abs=1e-3)
