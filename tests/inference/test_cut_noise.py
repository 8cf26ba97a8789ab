"""Noisy recordings are cut by what the denoiser leaves, and what is cut is the recording itself."""

from pathlib import Path

import numpy as np
import pytest

import clearmel
from clearmel.audio import levels, sound_file
from clearmel.audio.working_level import LevelMeter
from clearmel.inference.cut import CLEAN_DB, NOISY_DB, Editor
from tests.conftest import ROOT, run_script

RATE = 16000
NAMES = ("en/vm-sorry", "it/invalid", "ru/ss-noservice", "fr/vm-starmain")


def talk(kind: str, snr_db: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Four speakers with 1.5 s of pause between them, under noise, and where somebody speaks, for each sample."""
    pieces, speaks = list[np.ndarray](), list[np.ndarray]()
    for name in NAMES:
        wave = sound_file.read(ROOT / f"data/speech/{name}.flac")[0]
        wave = wave * 10 ** ((-20 - levels.active_level_db(wave)) / 20)
        pieces += [wave, np.zeros(int(1.5 * RATE))]
        loud = np.convolve(np.square(wave), np.ones(800) / 800, mode="same") > 10 ** (-50 / 10)
        speaks += [loud, np.zeros(int(1.5 * RATE), bool)]
    clean = np.concatenate(pieces)
    noise = rng.normal(0, 1, len(clean))
    if kind != "hiss":
        noise = np.resize(sound_file.read(ROOT / f"data/noise/{kind}.flac")[0], len(clean))
    gain = 10 ** ((-20 - snr_db - levels.active_level_db(noise.astype(np.float32))) / 20)
    return (clean + noise * gain).astype(np.float32), np.concatenate(speaks)


def kept(parts: list[tuple[float, float]], n_samples: int) -> np.ndarray:
    stays = np.zeros(n_samples, bool)
    for start, end in parts:
        stays[round(start * RATE) : round(end * RATE)] = True
    return stays


@pytest.mark.parametrize(("kind", "snr_db"), [("hiss", 30), ("hiss", 20), ("val_market", 20), ("val_market", 10)])
def test_words_stay_and_pauses_go_under_noise(kind: str, snr_db: float, rng: np.random.Generator) -> None:
    wave, speaks = talk(kind, snr_db, rng)
    parts = clearmel.cut(wave, RATE)
    stays = kept(parts, len(wave))
    assert (speaks & ~stays).sum() < 0.02 * speaks.sum()
    assert len(parts) >= len(NAMES)  # all pauses between them are cut
    assert (~speaks & ~stays).sum() > 3 * RATE


class Said(LevelMeter):
    """Levels of a recording whose speech lies `said` dB above the noise."""

    said = 0.0

    def snr_db(self) -> float:
        return self.said


def test_recordings_that_hardly_differ_are_cut_alike(rng: np.random.Generator) -> None:
    wave, _ = talk("hiss", 30, rng)
    editor, found = Editor(clearmel.load("cutter")), list[np.ndarray]()
    for said in (NOISY_DB - 0.01, NOISY_DB + 0.01, CLEAN_DB - 0.01, CLEAN_DB + 0.01):
        meter = Said(RATE)
        meter.push(wave[None])
        meter.said = said
        found.append(editor.decide(lambda: iter([wave]), meter))
    for one, other in (found[:2], found[2:]):
        np.testing.assert_allclose(one, other, atol=0.02)
    assert np.abs(found[1] - found[2]).max() > 0.1


def test_a_clean_recording_is_cut_as_without_a_denoiser(rng: np.random.Generator) -> None:
    wave, _ = talk("hiss", 60, rng)
    network = clearmel.load("cutter")
    editor, meter = Editor(network), LevelMeter(RATE)
    meter.push(wave[None])
    assert meter.snr_db() > CLEAN_DB
    plain = editor.probabilities_of_blocks(iter([wave]))
    np.testing.assert_array_equal(editor.decide(lambda: iter([wave]), meter), plain)


def test_the_recording_itself_is_cut_and_with_denoise_its_denoised_sound(workplace: Path, rng) -> None:
    wave, _ = talk("val_market", 15, rng)
    sound_file.write("in.wav", wave, RATE, "FLOAT")
    for flags, target in (((), "cut.wav"), (("--denoise",), "clean.wav")):
        ran = run_script("cut", "in.wav", "-o", target, *flags)
        assert ran.status == 0, ran
    cut, clean = (sound_file.read(name)[0] for name in ("cut.wav", "clean.wav"))
    parts = clearmel.cut(wave, RATE)
    assert len(cut) == len(clean) == pytest.approx(sum(end - start for start, end in parts) * RATE, abs=RATE / 10)
    first = round(parts[0][0] * RATE)
    np.testing.assert_allclose(cut[: RATE // 2], wave[first : first + RATE // 2], atol=1e-6)
    floors = []
    for sound in (cut, clean):
        meter = LevelMeter(RATE)
        meter.push(sound[None])
        floors.append(meter.levels.floor_db())
    assert floors[1] < floors[0] - 6


def test_a_recording_too_noisy_to_be_sure_is_named(workplace: Path, rng) -> None:
    for snr_db, said in ((5, 1), (25, 0)):
        sound_file.write("in.wav", talk("hiss", snr_db, rng)[0], RATE)
        ran = run_script("cut", "in.wav", "-o", "out.wav")
        assert ran.err.count("warning: in.wav is too noisy to be sure of the cuts: the speech lies ") == said
