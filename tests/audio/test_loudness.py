"""Loudness against the formulae of EBU Tech 3341 and against pyloudnorm; the true-peak limit against a plain FFT."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from scipy import ndimage, signal

import clearmel
from clearmel.audio import filtering, sound_file
from clearmel.audio.loudness import LoudnessMeter, Matched, impulse_response, k_weighting
from tests.conftest import ROOT, refused, run_script


def lufs(wave: np.ndarray, rate: int, size: int = 7001) -> float:
    meter = LoudnessMeter(rate, len(wave))
    for start in range(0, wave.shape[1], size):
        meter.push(wave[:, start : start + size])
    return meter.integrated()


def sine(level_db: float, seconds: float, rate: int = 48000, frequency: float = 1000.0) -> np.ndarray:
    """Both channels (2, N) of a sine with its peak at a level."""
    time = np.arange(round(seconds * rate)) / rate
    return np.tile(10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * time), (2, 1)).astype(np.float32)


def true_peak_db(wave: np.ndarray) -> float:
    return float(20 * np.log10(np.abs(signal.resample(wave, 8 * wave.shape[1], axis=1)).max()))


def test_the_filter_is_that_of_the_standard_at_48_khz() -> None:
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    high_pass = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    np.testing.assert_allclose(k_weighting(48000), [shelf, high_pass], atol=1e-6)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_cases_1_to_5_of_ebu_tech_3341(rate: int) -> None:
    """Stereo sines of 1 kHz; the answer may be off by 0.1 LU."""
    for pieces, wanted in (
        ([(-23, 20)], -23.0),
        ([(-33, 20)], -33.0),
        ([(-36, 10), (-23, 60), (-36, 10)], -23.0),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23.0),
    ):
        wave = np.concatenate([sine(level, seconds, rate) for level, seconds in pieces], axis=1)
        assert lufs(wave, rate) == pytest.approx(wanted, abs=0.1)


def test_surround_weighs_as_in_the_standard() -> None:
    """Case 6: L, R -28, C -24, Ls, Rs -30 dBFS is -23 LUFS; the LFE counts nothing."""
    levels = (-28, -28, -24, -3, -30, -30)
    wave = np.concatenate([sine(level, 20)[:1] for level in levels])
    assert lufs(wave, 48000) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("name", ["speech/en/vm-sorry", "speech/ru/ss-noservice", "noise/fire", "noise/val_market"])
def test_recordings_measure_as_in_pyloudnorm(name: str) -> None:
    """Its class "DeMan" has the filters of the standard at any rate."""
    wave, rate = sound_file.read(ROOT / f"data/{name}.flac")
    own = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(wave.astype(np.float64))
    assert lufs(wave[None], rate) == pytest.approx(own, abs=0.1)
    assert lufs(wave[None], rate, 100) == pytest.approx(lufs(wave[None], rate, len(wave)), abs=1e-6)


def test_memory_does_not_grow() -> None:
    meter = LoudnessMeter(16000, 1)
    kept = []
    for _ in range(50):
        meter.push(np.ones((1, 12345), np.float32))
        kept.append(sum(value.nbytes for value in vars(meter).values() if isinstance(value, np.ndarray)))
    assert max(kept[10:]) < max(kept[:10]) + 8 * 1600  # a step of 100 ms


@pytest.mark.parametrize("target", [-16.0, -23.0, -30.0])
def test_a_recording_comes_to_its_target_below_the_true_peak(target: float, rng: np.random.Generator) -> None:
    speech, rate = sound_file.read(ROOT / "data/speech/en/vm-sorry.flac")
    wave = np.stack([np.tile(speech, 3), 0.5 * np.tile(speech, 3)])
    edges = sorted(rng.integers(0, wave.shape[1], 9).tolist())

    def make() -> Iterator[np.ndarray]:
        yield from np.split(wave, edges, axis=1)

    matched = Matched(make, rate, 2, target)
    made = np.concatenate(list(matched), axis=1)
    assert made.shape == wave.shape
    assert true_peak_db(made) < -1.0
    assert pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(made.T.astype(np.float64)) == pytest.approx(
        target, abs=0.3
    )
    assert matched.summary() == f"{lufs(wave, rate):.1f} to {lufs(made, rate):.1f} LUFS"
    if target == -30:  # nothing to limit: one gain throughout
        np.testing.assert_allclose(made, wave * (made[0, 20000] / wave[0, 20000]), atol=1e-6)


def test_peaks_between_the_samples_are_limited() -> None:
    """A sine of a quarter of the rate, sampled 45 degrees off its peaks, lies 3 dB higher than its samples say."""
    time = np.arange(5 * 48000)
    wave = 1.3 * np.sin(np.pi * time / 2 + np.pi / 4).astype(np.float32)[None]
    target = lufs(wave, 48000)
    made = np.concatenate(list(Matched(lambda: [wave], 48000, 1, target)), axis=1)
    assert true_peak_db(wave) == pytest.approx(2.3, abs=0.1)
    assert -1.2 < true_peak_db(made[:, 4800:-4800]) < -1.0


def test_silence_and_the_shortest_sounds_are_left_alone() -> None:
    for wave in (np.zeros((1, 48000), np.float32), sine(-20, 0.3)[:1], sine(-80, 2)[:1]):
        matched = Matched(lambda wave=wave: [wave], 48000, 1, -16.0)
        np.testing.assert_array_equal(np.concatenate(list(matched), axis=1), wave)
        assert "left as it is" in matched.summary()


@pytest.mark.parametrize(("verb", "words"), [("denoise", "noise down"), ("cut", "kept 00:04 of 00:04")])
def test_the_commands_print_the_loudness_before_and_after(verb: str, words: str, workplace: Path) -> None:
    ran = run_script(verb, ROOT / "data/noisy.wav", "-o", "out.wav", "--loudness", "podcast")
    assert ran.status == 0, ran
    wave, rate = sound_file.read("out.wav")
    found = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(wave.astype(np.float64))
    assert found == pytest.approx(-16, abs=0.5)
    assert true_peak_db(wave[None]) < -1
    (line,) = (text for text in (ran.out + ran.err).splitlines() if words in text)
    before, after = re.search(r", (\S+) to (\S+) LUFS", line).groups()
    assert float(after) == pytest.approx(found, abs=0.2)  # its blocks end elsewhere
    assert float(before) < float(after)


def test_python_takes_names_and_numbers(workplace: Path) -> None:
    told = list[float]()
    clearmel.denoise_file(
        ROOT / "data/noisy.wav", "out.wav", loudness="broadcast", progress=lambda done, total: told.append(done / total)
    )
    wave, rate = sound_file.read("out.wav")
    assert lufs(wave[None], rate) == pytest.approx(-23, abs=0.2)
    assert told[-1] == pytest.approx(1)
    with pytest.raises(clearmel.InputError, match="loudness loud; expected podcast, broadcast"):
        clearmel.denoise_file(ROOT / "data/noisy.wav", "out.wav", loudness="loud")


def test_what_has_no_loudness_is_refused(workplace: Path) -> None:
    refused(run_script("denoise", "-", "-o", "-", "--loudness", "-16"), "--loudness", "whole files")
    refused(run_script("denoise", ROOT / "data/noisy.npy", "-o", "o.npy", "--loudness", "-16"), "--loudness", ".npy")
    ran = run_script("cut", ROOT / "data/noisy.wav", "-o", "o.wav", "--loudness", "16")
    assert (ran.status, "expected podcast, broadcast, or -60 to -5 LUFS" in ran.err) == (2, True)


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
def test_the_filters_of_numpy_are_those_of_scipy(rate: int, rng: np.random.Generator) -> None:
    wave = rng.standard_normal((2, 3 * rate // 10 + 17)).astype(np.float32) + np.float32(0.5)
    response = impulse_response(rate)
    padded = np.pad(wave, ((0, 0), (len(response) - 1, 0)))
    wanted = signal.sosfilt(k_weighting(rate), wave.astype(np.float64), axis=1)
    np.testing.assert_allclose(filtering.convolved(padded, response), wanted, atol=1e-7)
    for length in (1, 7, 300):
        lowest = ndimage.minimum_filter1d(wave[0], length)[length // 2 : len(wave[0]) - (length - 1) // 2]
        np.testing.assert_array_equal(filtering.sliding_minimum(wave[0], length), lowest)
