"""Recordings of any level reach the networks at one level, and leave at their own."""

from pathlib import Path

import numpy as np
import pytest
import torch

import clearmel
from clearmel.audio import levels, sound_file, working_level
from clearmel.audio.features import MelFeatures
from clearmel.augmentation.policy import TRAINING
from clearmel.checkpoints import weights_file
from clearmel.inference import denoise
from clearmel.metrics import signal
from clearmel.networks import Denoiser
from tests.conftest import ROOT, run_script

RATE = 16000
SPEECH = [sound_file.read(ROOT / f"data/speech/{name}.flac")[0] for name in ("en/vm-sorry", "ru/ss-noservice")]


def at(wave: np.ndarray, level_db: float) -> np.ndarray:
    return (wave * 10 ** ((level_db - levels.active_level_db(wave)) / 20)).astype(np.float32)


def noisy_and_clean(level_db: float) -> tuple[np.ndarray, np.ndarray]:
    """Twelve seconds of speech in a market at 5 dB, and the speech."""
    clean = np.tile(SPEECH[0], 4)
    noise = np.resize(sound_file.read(ROOT / "data/noise/val_market.flac")[0], len(clean))
    noisy = clean + at(noise, levels.active_level_db(clean) - 5)
    gain = 10 ** ((level_db - levels.active_level_db(noisy)) / 20)
    return (noisy * gain).astype(np.float32), (clean * gain).astype(np.float32)


def si_sdr(estimate: np.ndarray, clean: np.ndarray) -> float:
    pair = (torch.from_numpy(wave).double()[None] for wave in (estimate, clean))
    return float(signal.si_sdr(*pair))


@pytest.fixture(scope="module")
def shipped() -> Denoiser:
    return weights_file.load_denoiser(str(ROOT / "models/denoiser.pth"))


def test_levels_of_training_need_no_gain() -> None:
    lowest, highest = TRAINING.level_range_db
    assert lowest <= working_level.ORDINARY_DB[0]
    assert highest >= working_level.ORDINARY_DB[1]
    for wave in SPEECH:
        for level_db in (-44.5, -30, -16, -12.5):
            assert working_level.measure([at(wave, level_db)[None]], RATE).gain() == 1.0


@pytest.mark.parametrize("level_db", [-85.0, -65.0, -46.0, -11.0, 65.0])
def test_other_levels_become_the_working_one_whatever_the_pieces(level_db: float) -> None:
    wave = at(SPEECH[0], level_db)
    gain = working_level.measure([wave[None]], RATE).gain()
    assert levels.active_level_db(wave * gain) == pytest.approx(-25, abs=0.2)
    stereo = np.stack([wave, -wave])  # of opposite phase
    pieces = np.split(stereo, [1, 7000, 7001, 20000], axis=1)
    assert working_level.measure(pieces, RATE).gain() == pytest.approx(gain)


def test_pauses_silence_and_an_offset_count_nothing(rng: np.random.Generator) -> None:
    wave = at(SPEECH[0], -65)
    gain = working_level.measure([wave[None]], RATE).gain()
    assert working_level.measure([wave[None] + np.float32(0.05)], RATE).gain() == pytest.approx(gain, rel=0.02)
    minutes = np.concatenate([rng.normal(0, 1e-5, 300 * RATE).astype(np.float32), at(SPEECH[0], -25)])
    assert (
        working_level.measure([minutes[None]], RATE).gain() == 1.0
    )  # one per cent of it is speech, at an ordinary level
    assert working_level.measure([np.zeros((1, RATE), np.float32)], RATE).gain() == 1.0
    assert working_level.measure([], RATE).gain() == 1.0


def test_a_mel_has_the_level_of_its_recording() -> None:
    features = MelFeatures()
    for level_db in (-60.0, -55.0, 20.0):
        wave = at(SPEECH[1], level_db)
        mel = features.mel(wave)
        gain = working_level.measured_mel(mel, features)
        assert 20 * np.log10(gain) == pytest.approx(-25 - level_db, abs=0.5)
        loud = features.mel(wave * np.float32(gain))
        np.testing.assert_allclose(working_level.scaled_mel(mel, gain)[10:-10], loud[10:-10], atol=0.02)
    mel = features.mel(SPEECH[1])
    assert working_level.scaled_mel(mel, working_level.measured_mel(mel, features)) is mel


def test_an_ordinary_recording_is_denoised_to_the_bit_as_without_any_gain() -> None:
    noisy, _ = noisy_and_clean(-25)
    plain = np.concatenate(list(denoise.denoise_blocks(clearmel.load("denoiser"), [noisy[None]], RATE, 1)), axis=1)[0]
    np.testing.assert_array_equal(clearmel.denoise(noisy, RATE), plain)


@pytest.mark.parametrize("level_db", [-65.0, 65.0])  # the second is that of floats in the range of int16
def test_quiet_and_huge_recordings_are_denoised_as_well_as_ordinary_ones(level_db: float, workplace: Path) -> None:
    found = []
    for level in (-25.0, level_db):
        noisy, clean = noisy_and_clean(level)
        sound_file.write("in.wav", noisy, RATE, "FLOAT")
        clearmel.denoise_file("in.wav", "out.wav")
        denoised = sound_file.read("out.wav")[0]
        found.append(si_sdr(denoised, clean))
        assert levels.active_level_db(denoised) == pytest.approx(levels.active_level_db(clean), abs=1)
    assert found[1] > found[0] - 0.1
    assert found[0] > 10


@pytest.mark.parametrize("level_db", [-65.0, 0.0, 20.0, 65.0])
def test_a_stream_reaches_the_same_quality_within_seconds(level_db: float) -> None:
    found = []
    for level in (-25.0, level_db):
        noisy, clean = noisy_and_clean(level)
        stream = clearmel.Denoiser().stream(RATE)
        denoised = np.concatenate([stream.push(noisy[:50001]), stream.push(noisy[50001:]), stream.finish()])
        found.append(si_sdr(denoised[5 * RATE :], clean[5 * RATE :]))
    assert found[1] > found[0] - 0.5


def test_the_answer_does_not_depend_on_the_level(workplace: Path) -> None:
    for level_db in (-55.0, 65.0):
        for wave in (SPEECH[0], noisy_and_clean(-25)[0]):
            wanted = clearmel.classify(at(wave, -25), RATE)["p_noisy"]
            assert clearmel.classify(at(wave, level_db), RATE)["p_noisy"] == pytest.approx(wanted, abs=0.02)
        talk = np.concatenate([SPEECH[0], np.zeros(2 * RATE, np.float32), SPEECH[1]])
        sound_file.write("talk.wav", at(talk, level_db), RATE, "FLOAT")
        ran = run_script("cut", "talk.wav", "-o", "cut.wav")
        assert ran.status == 0, ran
        parts = clearmel.cut(at(talk, -25), RATE)
        np.testing.assert_allclose(clearmel.cut(at(talk, level_db), RATE), parts, atol=0.05)
        assert sound_file.inspect("cut.wav").duration_s == pytest.approx(sum(b - a for a, b in parts), abs=0.1)
        assert levels.active_level_db(sound_file.read("cut.wav")[0]) == pytest.approx(level_db, abs=1)


def test_a_quiet_mel_is_denoised_as_a_loud_one() -> None:
    network, features = clearmel.load("denoiser"), MelFeatures()
    errors = []
    for level in (-25.0, -50.0):
        noisy, clean = (features.mel(wave) for wave in noisy_and_clean(level))
        errors.append(float(np.square(denoise.estimate_mel(network, noisy) - clean).mean()))
    assert errors[1] == pytest.approx(errors[0], rel=0.05)
