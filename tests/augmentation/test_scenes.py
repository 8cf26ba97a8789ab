"""Built scenes: rooms decay as asked, crowds are dense, music has notes."""

import numpy as np
import pytest

from clearmel.audio import sound_file
from clearmel.augmentation import scenes
from tests.conftest import ROOT

RATE = 16000


def voices(count: int) -> list[np.ndarray]:
    """Pieces of 3 s of the sample speech, each from another place."""
    names = sorted((ROOT / "data/speech").rglob("*.flac"))
    waves = [sound_file.read(name)[0] for name in names]
    return [np.resize(np.roll(waves[k % len(waves)], 7001 * k), 3 * RATE) for k in range(count)]


@pytest.mark.parametrize("rt60", [0.4, 1.2])
def test_a_hall_decays_by_60_db_in_its_reverberation_time(rt60: float, rng: np.random.Generator) -> None:
    """From -5 to -25 dB of Schroeder's backward integral, as ISO 3382 measures T20."""
    response = scenes.hall_response(RATE, rt60, 10.0, rng)[1:]
    decay_db = 10 * np.log10(np.cumsum(np.square(response[::-1]))[::-1] / np.square(response).sum() + 1e-12)
    first, last = (int(np.argmax(decay_db < limit)) for limit in (-5, -25))
    assert 3 * (last - first) / RATE == pytest.approx(rt60, rel=0.25)


def test_direct_and_reverberant_power_are_equal_at_the_critical_distance(rng: np.random.Generator) -> None:
    """0.057 sqrt(V / RT60) m, where 400 m3 and an RT60 of 1 s belong together."""
    critical = 0.057 * np.sqrt(400 / 1.0)
    tails = [np.square(scenes.hall_response(RATE, 1.0, critical, rng)[RATE // 25 :]).sum() for _ in range(8)]
    assert 10 * np.log10(np.mean(tails)) == pytest.approx(0, abs=2)


def test_a_large_crowd_has_no_pauses_and_a_small_one_does(rng: np.random.Generator) -> None:
    def spread_db(wave: np.ndarray) -> float:
        """Standard deviation of the levels of 50 ms frames."""
        power = np.square(wave[: len(wave) // 800 * 800].reshape(-1, 800)).mean(axis=1)
        return float(np.std(10 * np.log10(power + 1e-9)))

    alone, crowd = voices(1)[0], scenes.crowd(voices(50), RATE, rng)
    assert len(crowd) == 3 * RATE
    assert crowd.dtype == np.float32
    assert spread_db(crowd) < spread_db(alone) / 2


def test_the_size_of_a_crowd_is_within_its_limits(rng: np.random.Generator) -> None:
    sizes = [scenes.draw_crowd_size(rng) for _ in range(2000)]
    assert (min(sizes), max(sizes)) == scenes.CROWD_VOICES
    assert np.median(sizes) == pytest.approx(np.sqrt(5 * 61), rel=0.15)


def test_talkers_are_as_long_as_the_mixture(rng: np.random.Generator) -> None:
    wave = scenes.talkers(voices(2), RATE, rng)
    assert wave.shape == (3 * RATE,)
    assert np.isfinite(wave).all()


def test_music_consists_of_tones(rng: np.random.Generator) -> None:
    """Spectral flatness in 93 ms frames; that of white noise is .56 (exp(-0.5772))."""

    def flatness(wave: np.ndarray) -> float:
        frames = wave[: len(wave) // 1500 * 1500].reshape(-1, 1500) * np.hanning(1500)
        power = np.square(np.abs(np.fft.rfft(frames)))[:, 10:400] + 1e-20
        return float(np.median(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)))

    found = [flatness(scenes.music(3 * RATE, RATE, rng)) for _ in range(5)]
    assert max(found) < 0.3
    assert flatness(rng.standard_normal(3 * RATE)) == pytest.approx(0.56, abs=0.05)


def test_the_sound_of_an_alarm_lies_in_few_tones_that_change(rng: np.random.Generator) -> None:
    loudest, changes = [], []
    for _ in range(12):
        wave = scenes.alarm(4 * RATE, RATE, rng)
        assert wave.shape == (4 * RATE,)
        frames = wave[: len(wave) // 512 * 512].reshape(-1, 512) * np.hanning(512)
        power = np.square(np.abs(np.fft.rfft(frames)))
        some = power.sum(axis=1) > 1e-3 * power.sum(axis=1).max()
        loudest.append(np.median(np.sort(power[some])[:, -24:].sum(axis=1) / power[some].sum(axis=1)))
        level = 10 * np.log10(power.sum(axis=1) + 1e-9)
        changes.append(max(np.ptp(power[some].argmax(axis=1)) * 31.25 / 100, np.ptp(level) / 6))
    assert np.median(loudest) > 0.8  # of 257 bins, 24; of noise 0.25
    assert min(changes) > 1  # by 100 Hz or 6 dB
