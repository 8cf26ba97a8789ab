from pathlib import Path

import numpy as np
import pytest

from clearmel.audio import levels, sound_file
from clearmel.augmentation import mix, recording_chain, reverb
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.recording_chain import Chain
from clearmel.core.errors import InputError
from tests.conftest import ROOT

RATE = 16000


def speech() -> np.ndarray:
    return sound_file.read(ROOT / "data/speech/fr/demo-thanks.flac")[0]


def noise(_: str) -> np.ndarray:
    return sound_file.read(ROOT / "data/noise/rain.flac")[0]


def level(wave: np.ndarray, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(wave)) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    return float(10 * np.log10(spectrum[(frequency >= low) & (frequency < high)].mean()))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_the_mixture_has_the_snr_between_active_levels(snr_db: float) -> None:
    noisy, clean = mix.mix(speech(), Recipe(("rain",), snr_db, seed=1), noise)
    found = levels.active_level_db(clean) - levels.active_level_db(noisy - clean)
    assert found == pytest.approx(snr_db, abs=0.01)


def test_pauses_and_one_click_do_not_move_the_active_level() -> None:
    wave = speech()
    plain = levels.active_level_db(wave)
    assert levels.active_level_db(np.concatenate([wave, np.zeros(len(wave), np.float32)])) == pytest.approx(
        plain, abs=1
    )
    clicked = wave.copy()
    clicked[100] = 1.0
    assert levels.active_level_db(clicked) == pytest.approx(plain, abs=1)
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    assert levels.active_level_db(tone) == pytest.approx(-3.01, abs=0.05)


def test_a_recipe_gives_the_same_bytes_and_another_seed_others() -> None:
    chain = Chain(level_db=-30, tilt_db=4, highpass_hz=100, lowpass_hz=5000, codec="mp3", room=(4, 4, 3, 0.3, 1.0))
    recipe = Recipe(("rain", "coloured"), 3.0, seed=7, noise_tilt_db=-6, chain=chain)
    first, second = (mix.mix(speech(), recipe, noise) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = mix.mix(speech(), Recipe(("rain",), 3.0, seed=8, chain=chain), noise)
    assert np.abs(other[0] - first[0]).max() > 1e-3


def test_nothing_clips_at_any_level() -> None:
    loud = speech() / np.abs(speech()).max()
    noisy, clean = mix.mix(loud, Recipe(("rain",), -20.0, seed=1, chain=Chain(level_db=-1)), noise)
    assert np.abs(noisy).max() <= 0.99
    assert levels.active_level_db(clean) - levels.active_level_db(noisy - clean) == pytest.approx(-20, abs=0.01)


def test_the_chain_does_what_its_numbers_say() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    tilted = recording_chain.filter_bands(wave, RATE, Chain(tilt_db=9.0))
    change = [level(tilted, f / 1.1, f * 1.1) - level(wave, f / 1.1, f * 1.1) for f in (110, 7200)]
    assert change[1] - change[0] == pytest.approx(9.0, abs=0.8)
    cut = recording_chain.filter_bands(wave, RATE, Chain(highpass_hz=300, lowpass_hz=3400))
    assert level(cut, 1000, 2000) - level(wave, 1000, 2000) == pytest.approx(0, abs=0.5)
    assert level(cut, 6000, 8000) - level(wave, 6000, 8000) < -40
    assert level(cut, 20, 100) - level(wave, 20, 100) < -35


@pytest.mark.parametrize("codec", sorted(recording_chain.CODECS))
def test_every_codec_keeps_length_alignment_and_most_of_the_sound(codec: str) -> None:
    wave = speech()
    decoded = recording_chain.apply_codec(wave, RATE, codec)
    assert len(decoded) == len(wave)
    near = recording_chain.filter_bands(wave, RATE, Chain(highpass_hz=300, lowpass_hz=3000))
    far = recording_chain.filter_bands(decoded, RATE, Chain(highpass_hz=300, lowpass_hz=3000))
    assert np.corrcoef(near, far)[0, 1] > 0.9
    assert np.abs(decoded - wave).max() > 0


def test_a_room_adds_a_tail_of_its_reverberation_time_and_keeps_the_direct_sound() -> None:
    click = np.zeros(RATE, np.float32)
    click[1000] = 1.0
    wet = reverb.reverberated(click, RATE, (6.0, 5.0, 3.0, 0.4, 1.0), seed=0)
    assert np.abs(wet).argmax() == pytest.approx(1000, abs=2)
    decay = 10 * np.log10(np.cumsum(wet[::-1].astype(float) ** 2)[::-1] / (wet.astype(float) ** 2).sum() + 1e-12)
    after = decay[1000:]
    fall = np.argmax(after < -25) - np.argmax(after < -5)  # T20: three times the time of a fall by 20 dB
    assert 3 * fall / RATE == pytest.approx(0.4, rel=0.5)


@pytest.mark.parametrize("n_samples", [100, RATE, 80000, 200000])
def test_noise_is_cut_or_repeated_to_length_without_a_jump(n_samples: int) -> None:
    hum = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    piece = mix.random_segment(hum, n_samples, np.random.default_rng(3))
    assert len(piece) == n_samples
    assert np.abs(np.diff(piece)).max() < 0.08


def test_silence_cannot_be_mixed() -> None:
    with pytest.raises(InputError, match="the speech is silent"):
        mix.mix(np.zeros(RATE, np.float32), Recipe(("rain",), 0.0, seed=0), noise)
    with pytest.raises(InputError, match="the noise rain is silent"):
        mix.mix(speech(), Recipe(("rain",), 0.0, seed=0), lambda _: np.zeros(RATE, np.float32))


def test_noise_sounds_only_within_its_span_and_silence_is_on_both_sides() -> None:
    recipe = Recipe(("rain",), 0.0, seed=1, noise_span=(0.25, 0.75, 0.0), silence=(0.4, 0.5))
    noisy, clean = mix.mix(speech(), recipe, noise)
    n = len(clean)
    np.testing.assert_allclose(noisy[: n // 4 - 1], clean[: n // 4 - 1], atol=1e-6)
    np.testing.assert_allclose(noisy[3 * n // 4 + 1 :], clean[3 * n // 4 + 1 :], atol=1e-6)
    assert not noisy[int(0.4 * n) : int(0.5 * n)].any()
    assert not clean[int(0.4 * n) : int(0.5 * n)].any()
    assert np.abs(noisy - clean)[n // 2 + 10 : 3 * n // 4 - 10].max() > 0.01


def test_a_span_without_noise_keeps_the_noise() -> None:
    """A noise that sounds only at its start, and a span behind it: the mixture still has the SNR."""
    click = np.zeros(len(speech()), np.float32)
    click[:400] = 0.5
    noisy, clean = mix.mix(speech(), Recipe(("click",), 0.0, seed=3, noise_span=(5.0, 6.0, 0.0)), lambda _: click)
    assert np.abs(noisy - clean).max() > 0.01


def test_a_band_edge_removes_what_lies_above_it_from_both_sides() -> None:
    """As a recording that was resampled to 11.025 kHz: 60 dB less within 5 % of the edge."""
    plain = mix.mix(speech(), Recipe(("rain",), 5.0, seed=1), noise)
    limited = mix.mix(speech(), Recipe(("rain",), 5.0, seed=1, chain=Chain(band_edge_hz=5500)), noise)
    for before, after in zip(plain, limited, strict=True):
        before, after = before * np.hanning(len(before)), after * np.hanning(len(after))
        assert level(after, 5600, 8000) < level(before, 5600, 8000) - 60
        assert level(after, 300, 5200) == pytest.approx(level(before, 300, 5200), abs=0.1)


def test_a_measured_room_is_the_convolution_with_its_response(tmp_path: Path, rng: np.random.Generator) -> None:
    response = np.zeros(4000, np.float32)
    response[[100, 900]] = 1.0, 0.5  # direct sound after 100 samples, one reflection 800 samples later
    sound_file.write(tmp_path / "room.wav", response, RATE, "FLOAT")
    wave = speech()
    wet = reverb.reverberated(wave, RATE, str(tmp_path / "room.wav"), 0)
    np.testing.assert_allclose(wet[800:], wave[800:] + 0.5 * wave[:-800], atol=1e-5)
    sound_file.write(tmp_path / "silent.wav", np.zeros(100, np.float32), RATE, "FLOAT")
    with pytest.raises(InputError, match="silent"):
        reverb.reverberated(wave, RATE, str(tmp_path / "silent.wav"), 0)
