"""A speaker keeps a track across pauses."""

import numpy as np
import pytest

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.inference.turns import Turns
from tests.conftest import ROOT

RATE = 16000
FEATURES = MelFeatures(hop_length=512)
SPEAKERS = {"a": "en", "b": "ru"}


def said(talk: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Voices (2, 1, N) as a separator leaves them, and who speaks, 0 to 2, for each sample.

    Upper case: the speaker comes out of the wrong track. "_" is a pause of 10 s; every turn ends with 0.8 s.
    """
    turns, who = list[np.ndarray](), list[np.ndarray]()
    for number, letter in enumerate(talk):
        wave = np.zeros(10 * RATE, np.float32)
        if letter != "_":
            paths = sorted((ROOT / "data/speech" / SPEAKERS[letter.lower()]).glob("*.flac"))
            wave = np.concatenate([sound_file.read(paths[(number + k) % 6])[0] for k in range(2)])
        both = np.stack([wave, 0.05 * wave])[:, None]  # a little leaks
        right = letter.lower() == "b"
        turns += [both[::-1] if right != letter.isupper() else both, np.zeros((2, 1, int(0.8 * RATE)), np.float32)]
        who += [np.full(len(wave), 0 if letter == "_" else "ab".index(letter.lower()) + 1), np.zeros(int(0.8 * RATE))]
    voices = np.concatenate(turns, axis=2)
    return (voices + rng.normal(0, 1e-5, voices.shape)).astype(np.float32), np.concatenate(who)


@pytest.mark.parametrize("talk", ["ab_aB_Ab", "a_bA_ab", "ab_B_A_b_a", "abab"])
def test_everyone_stays_in_one_track(talk: str, rng: np.random.Generator) -> None:
    voices, who = said(talk, rng)
    pieces = np.split(voices, range(8 * RATE, voices.shape[2], 8 * RATE), axis=2)
    ordered = np.concatenate(list(Turns(FEATURES, 2).apply(pieces)), axis=2)
    assert ordered.shape == voices.shape
    for track, speaker in enumerate((1, 2)):
        power = np.square(ordered[:, 0, who == speaker]).sum(axis=1)
        assert power[track] > 0.99 * power.sum()


def test_a_voice_of_another_spectrum_gets_the_track_without_history(rng: np.random.Generator) -> None:
    voices, _ = said("a", rng)
    n_samples, bright = voices.shape[2], np.diff(voices, prepend=0)  # 6 dB more in every octave
    ordered = np.concatenate(list(Turns(FEATURES, 2).apply([np.concatenate([voices, bright], axis=2)])), axis=2)
    np.testing.assert_array_equal(ordered[..., : n_samples - RATE], voices[..., : n_samples - RATE])
    np.testing.assert_array_equal(ordered[..., n_samples:], bright[::-1])


def test_one_speaker_and_one_turn_are_left_as_they_are(rng: np.random.Generator) -> None:
    for talk in ("aaaa", "b"):
        voices, _ = said(talk, rng)
        np.testing.assert_array_equal(np.concatenate(list(Turns(FEATURES, 2).apply([voices])), axis=2), voices)


def test_a_turn_without_pause_is_passed_on_in_bounded_memory(rng: np.random.Generator) -> None:
    noise = rng.normal(0, 0.1, (2, 1, 100 * RATE)).astype(np.float32)
    pieces = list(Turns(FEATURES, 2).apply(np.split(noise, 25, axis=2)))
    assert max(piece.shape[2] for piece in pieces) <= 34 * RATE
    np.testing.assert_array_equal(np.concatenate(pieces, axis=2), noise)
