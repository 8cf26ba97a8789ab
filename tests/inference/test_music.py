"""`keep_music`: where music is found, and that it is not denoised."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import clearmel
from clearmel.audio import sound_file
from clearmel.augmentation import scenes
from clearmel.cli import denoise as command
from clearmel.core.errors import InputError
from clearmel.inference import music
from tests.conftest import ROOT

RATE = 16000


@pytest.fixture
def show() -> tuple[np.ndarray, slice]:
    """Three noisy voices with a jingle of 8 s between them, (N,), and where the jingle lies."""
    jingle = 0.15 * scenes.music(8 * RATE, RATE, np.random.default_rng(3))
    noisy = sound_file.read(ROOT / "data/noisy.wav", RATE)[0]
    talk = np.concatenate([noisy] * 3)
    return np.concatenate([talk, jingle, talk]).astype(np.float32), slice(len(talk), len(talk) + len(jingle))


def test_stretches_that_are_close_are_one_and_fade_at_their_ends() -> None:
    found = music._joined([[0, 2], [1, 3], [6.5, 8.5], [20, 22]])
    assert list(found) == [(0, 8.5), (20, 22)]
    shares = music.Music(np.array([[10, 20]])).share(np.array([0, 9.75, 10, 10.25, 15, 19.9, 20.25, 30]))
    np.testing.assert_allclose(shares, [0, 0, 0.5, 1, 1, 0.7, 0, 0], atol=1e-6)


def test_a_jingle_stays_and_everything_else_is_denoised(show: tuple[np.ndarray, slice], workplace: Path) -> None:
    wave, place = show
    found = music.find_in_sound(wave[None], RATE).spans
    np.testing.assert_allclose(found, [[place.start / RATE, place.stop / RATE]], atol=1.5)
    plain, kept = (clearmel.denoise(wave, RATE, keep_music=keep) for keep in (False, True))
    inside = slice(place.start + 2 * RATE, place.stop - 2 * RATE)
    np.testing.assert_allclose(kept[inside], wave[inside], atol=1e-4)
    assert np.square(plain[inside]).sum() < 0.7 * np.square(wave[inside]).sum()  # what the flag is for
    for outside in (slice(0, place.start - 2 * RATE), slice(place.stop + 2 * RATE, None)):
        np.testing.assert_allclose(kept[outside], plain[outside], atol=1e-5)


def test_a_file_in_stereo_tells_how_much_was_kept(
    show: tuple[np.ndarray, slice], workplace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wave, place = show
    sound_file.write("show.wav", np.stack([wave, -wave]), RATE)  # opposite phases are no silence
    assert command.main(["show.wav", "-o", "out.wav", "--keep_music", "--unlink_channels"]) == 0
    assert "music kept for 00:0" in capfd.readouterr().err
    out = soundfile.read("out.wav", dtype="float32")[0].T
    inside = slice(place.start + 2 * RATE, place.stop - 2 * RATE)
    np.testing.assert_allclose(out[:, inside], np.stack([wave, -wave])[:, inside], atol=1e-3)


def test_without_music_nothing_changes(workplace: Path) -> None:
    noisy = sound_file.read(ROOT / "data/noisy.wav", RATE)[0]
    np.testing.assert_array_equal(clearmel.denoise(noisy, RATE, keep_music=True), clearmel.denoise(noisy, RATE))
    silence = np.zeros(RATE, np.float32)
    np.testing.assert_array_equal(clearmel.denoise(silence, RATE, keep_music=True), silence)


@pytest.mark.parametrize("words", [["-", "-o", "-"], ["in.npy"], ["in.wav", "--reconstruction", "griffin_lim"]])
def test_it_needs_whole_files_of_sound(words: list[str], workplace: Path) -> None:
    with pytest.raises(InputError, match="--keep_music needs sound in whole files"):
        command.main([*words, "--keep_music"])
    with pytest.raises(ValueError, match="whole recordings"):
        clearmel.Denoiser(keep_music=True).stream(RATE)
