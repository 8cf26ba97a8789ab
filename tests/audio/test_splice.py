from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from clearmel.audio import sound_file
from clearmel.audio.splice import FADE_S, Spliced, parts

RATE = 16000


@pytest.fixture
def noise(workplace: Path, rng: np.random.Generator) -> np.ndarray:
    """Two seconds of noise in two channels, also as noise.wav."""
    wave = rng.uniform(-0.5, 0.5, (2, 2 * RATE)).astype(np.float32)
    sound_file.write(workplace / "noise.wav", wave, RATE, "FLOAT")
    return wave


def whole(remove: list[tuple[float, float]], path: str = "noise.wav") -> np.ndarray:
    with Spliced(path, remove) as spliced:
        return spliced.read(0, spliced.n_samples)


def test_without_cuts_it_is_the_recording(noise: np.ndarray) -> None:
    np.testing.assert_array_equal(whole([]), noise)


def test_the_result_lasts_as_long_as_what_is_kept_and_only_the_joins_differ(noise: np.ndarray) -> None:
    made, half = whole([(0.5, 0.9), (1.2, 1.5)]), int(FADE_S * RATE / 2)
    hard = np.concatenate([noise[:, :8000], noise[:, 14400:19200], noise[:, 24000:]], axis=1)
    assert made.shape == hard.shape
    near = np.zeros(hard.shape[1], bool)
    for join in (8000, 8000 + 4800):
        near[join - half : join + half] = True
    np.testing.assert_array_equal(made[:, ~near], hard[:, ~near])
    assert not np.array_equal(made[:, near], hard[:, near])


def test_a_join_keeps_the_power_of_noise_and_has_no_jump(workplace: Path, rng: np.random.Generator) -> None:
    """A hard join of two levels would jump by their difference, and fades of equal amplitude would lose 3 dB."""
    loud = rng.normal(0, 0.1, 400 * RATE // 10).astype(np.float32)
    sound_file.write("loud.wav", loud, RATE, "FLOAT")
    cuts = [(k * 0.4 + 0.1, k * 0.4 + 0.3) for k in range(100)]
    made, half = whole(cuts, "loud.wav")[0], int(FADE_S * RATE / 2)
    joins = [round((0.1 + 0.2 * k) * RATE) for k in range(99)]
    middle = np.concatenate([made[join - half // 2 : join + half // 2] for join in joins])
    assert 0.09 < middle.std() < 0.11
    steps = np.concatenate([np.full(RATE, -0.4), np.full(RATE, 0.4)]).astype(np.float32)
    sound_file.write("steps.wav", steps, RATE, "FLOAT")
    assert np.abs(np.diff(whole([(0.5, 1.5)], "steps.wav")[0])).max() < 0.02


def test_an_offset_does_not_rise_and_white_noise_keeps_its_power(workplace: Path, rng: np.random.Generator) -> None:
    """.05 under sound rose by up to 40 % under gains of equal power."""
    cuts = [(k * 0.1 + 0.03, k * 0.1 + 0.07) for k in range(400)]
    joins = np.cumsum([0.03 * RATE] + [0.06 * RATE] * 399).round().astype(int)
    half = int(FADE_S * RATE / 2)
    near = (joins[:, None] + np.arange(-half, half)).ravel()
    sound_file.write("flat.wav", np.full(40 * RATE, 0.05, np.float32), RATE, "FLOAT")
    np.testing.assert_allclose(whole(cuts, "flat.wav")[0], 0.05, rtol=1e-4)
    noise = rng.normal(0, 0.1, 40 * RATE).astype(np.float32)
    sound_file.write("both.wav", noise + np.float32(0.05), RATE, "FLOAT")
    sound_file.write("noise.wav", noise, RATE, "FLOAT")
    offset = whole(cuts, "both.wav")[0] - whole(cuts, "noise.wav")[0]
    np.testing.assert_allclose(offset[near], 0.05, rtol=0.01)
    power = np.square(whole(cuts, "noise.wav")[0][near]).mean()
    assert abs(10 * np.log10(power / 0.01)) < 0.5


def test_a_tone_that_goes_on_through_a_cut_of_whole_periods_is_unchanged(workplace: Path) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE).astype(np.float32)
    sound_file.write("tone.wav", tone, RATE, "FLOAT")
    np.testing.assert_allclose(whole([(0.4, 0.6)], "tone.wav")[0], tone[: round(0.8 * RATE)], atol=1e-4)


def test_pieces_read_from_anywhere_are_those_of_the_whole(noise: np.ndarray) -> None:
    cuts = [(0.1, 0.101), (0.102, 0.5), (0.5005, 0.9), (1.999, 2.0)]
    made = whole(cuts)
    with Spliced("noise.wav", cuts) as spliced:
        for start, count in ((0, 7), (1590, 60), (1600, 1), (5000, 3000), (made.shape[1] - 5, 5)):
            np.testing.assert_allclose(spliced.read(start, count), made[:, start : start + count], atol=1e-6)
        assert not spliced.read(made.shape[1], 10).any()


def test_short_pieces_are_never_faded_twice_at_once() -> None:
    found = parts(RATE, RATE, [(0.1, 0.2), (0.202, 0.3), (0.3005, 0.4), (0.4, 1.0)])
    for part, following in pairwise(found):
        assert part.behind == following.before
        assert part.before + part.behind <= part.end - part.start
        assert 2 * part.behind <= following.start - part.end


def test_everything_removed_is_nothing(noise: np.ndarray) -> None:
    assert whole([(0.0, 2.0)]).shape == (2, 0)
    assert parts(RATE, RATE, [(0.0, 5.0)]) == []


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "opus"])
def test_every_format_is_entered_at_the_very_sample(workplace: Path, rng: np.random.Generator, suffix: str) -> None:
    sound_file.write(f"a.{suffix}", rng.normal(0, 0.1, 20 * 48000).astype(np.float32), 48000)
    wave = sound_file.read(f"a.{suffix}")[0]
    with Spliced(f"a.{suffix}") as spliced:
        for start in (24000, 400000, 100000, 100000, 700001, 20):
            np.testing.assert_allclose(spliced.read(start, 3000)[0], wave[start : start + 3000], atol=1e-4)
