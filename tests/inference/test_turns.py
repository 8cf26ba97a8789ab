"""A speaker keeps a track across pauses, and who speaks alone is left as recorded."""

from collections.abc import Mapping

import numpy as np
import pytest

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.augmentation.formants import shift_formants
from clearmel.inference import single_voice
from clearmel.inference.speaker_clusters import Group, grouped
from clearmel.inference.speaker_count import holds_more
from clearmel.inference.turns import LONGEST_S, LOOK_AHEAD_S, Piece, Turns
from clearmel.runtime import load
from clearmel.runtime.model import Model
from tests.conftest import ROOT

RATE = 16000
FEATURES = MelFeatures(hop_length=512)
SPEAKERS = {"a": "en", "b": "ru", "c": "it"}


@pytest.fixture(scope="module")
def encoder() -> Model:
    """The encoder that ships."""
    return load.load(ROOT / "models/speakers.pth", "speakers")


def said(
    talk: str, rng: np.random.Generator, leak: float = 0.05, formants: Mapping[str, float] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voices (2, 1, N) as a separator leaves them, the recording (1, N), and who speaks, 0 to 3, for each sample.

    Upper case: the speaker comes out of the wrong track. "_" is a pause of 10 s; every turn ends with 0.8 s.
    """
    turns, who = list[np.ndarray](), list[np.ndarray]()
    for number, letter in enumerate(talk):
        wave = np.zeros(10 * RATE, np.float32)
        if letter != "_":
            paths = sorted((ROOT / "data/speech" / SPEAKERS[letter.lower()]).glob("*.flac"))
            wave = np.concatenate([sound_file.read(paths[(number + k) % 6])[0] for k in range(2)])
            if formants:
                wave = shift_formants(wave, formants[letter.lower()], RATE)
        both = np.stack([(1 - leak) * wave, leak * wave])[:, None]
        right = letter.lower() == "b"
        turns += [both[::-1] if right != letter.isupper() else both, np.zeros((2, 1, int(0.8 * RATE)), np.float32)]
        who += [np.full(len(wave), " abc".index(letter.lower().replace("_", " "))), np.zeros(int(0.8 * RATE))]
    voices = np.concatenate(turns, axis=2)
    voices = (voices + rng.normal(0, 1e-5, voices.shape)).astype(np.float32)
    return voices, voices.sum(axis=0), np.concatenate(who)


def apply(voices: np.ndarray, recording: np.ndarray, encoder: Model, every_s: float = 8.0) -> np.ndarray:
    cuts = range(int(every_s * RATE), voices.shape[2], int(every_s * RATE))
    split = np.split(voices, cuts, axis=2)
    pieces = map(Piece, split, split, np.split(recording, cuts, axis=1))
    found = np.concatenate(list(Turns(FEATURES, 2, encoder).apply(pieces)), axis=2)
    assert found.shape == voices.shape
    return found


@pytest.mark.parametrize("talk", ["ab_aB_Ab", "a_bA_ab", "ab_B_A_b_a", "abab", "a_B_a"])
@pytest.mark.parametrize("leak", [0.05, 0.2])
def test_everyone_stays_in_one_track_alone(talk: str, leak: float, encoder: Model, rng: np.random.Generator) -> None:
    voices, recording, who = said(talk, rng, leak)
    ordered = apply(voices, recording, encoder)
    for track, speaker in enumerate((1, 2)):
        power = np.square(ordered[:, 0, who == speaker]).sum(axis=1)
        assert power[track] > 0.999 * power.sum()
        np.testing.assert_allclose(ordered[track, 0, who == speaker], recording[0, who == speaker], atol=2e-3)


def test_voices_at_the_same_time_are_not_taken_for_one(encoder: Model, rng: np.random.Generator) -> None:
    one, two = (said(letter * 2, rng, 0.02)[0] for letter in "ab")
    count = min(one.shape[2], two.shape[2])
    mixed = one[..., :count] + two[..., :count]
    flipped = np.concatenate([mixed, np.zeros((2, 1, RATE), np.float32), mixed[::-1]], axis=2)
    ordered = apply(flipped, flipped.sum(axis=0), encoder)
    same = bool((ordered[0, 0, :RATE] == mixed[0, 0, :RATE]).all())
    np.testing.assert_array_equal(ordered[..., :count], mixed if same else mixed[::-1])
    np.testing.assert_array_equal(ordered[..., -count + RATE :], (mixed if same else mixed[::-1])[..., RATE:])


def test_one_speaker_and_silence(encoder: Model, rng: np.random.Generator) -> None:
    voices, recording, _ = said("aaAa", rng)
    ordered = apply(voices, recording, encoder)
    assert np.square(ordered[0]).sum() > 0.999 * np.square(ordered).sum()
    silence = np.zeros((2, 1, 40 * RATE), np.float32)
    np.testing.assert_array_equal(apply(silence, silence[0], encoder), silence)


def test_a_turn_without_pause_is_passed_on_in_bounded_memory(encoder: Model, rng: np.random.Generator) -> None:
    noise = rng.normal(0, 0.1, (2, 1, 250 * RATE)).astype(np.float32)
    taken, longest = 0, 0

    def pieces():  # type: ignore[no-untyped-def]
        nonlocal taken
        for piece in np.split(noise, 50, axis=2):
            taken += piece.shape[2]
            yield Piece(piece, piece, piece.sum(axis=0))

    given = 0
    for turn in Turns(FEATURES, 2, encoder).apply(pieces()):
        longest = max(longest, taken - given)
        given += turn.shape[2]
    assert given == noise.shape[2]
    assert longest <= (LOOK_AHEAD_S + 2 * LONGEST_S + 5) * RATE


def test_groups_are_joined_down_to_the_number_of_speakers() -> None:
    def group(degrees: float, weight: float, *apart: int) -> Group:
        angle = np.radians(degrees)
        return Group(weight * np.array([np.cos(angle), np.sin(angle)]), weight, set(apart))

    long, short = [group(0, 8), group(20, 8), group(90, 8), group(110, 8)], group(200, 0.1)
    left = grouped([*long, short], 2)
    assert sorted(round(one.weight, 1) for one in left) == [16.0, 16.1]  # the short one is nobody of its own
    assert len(grouped(long[:2], 2)) == 1  # 20 degrees: cosine 0.94
    assert len(grouped([group(0, 8, 1), group(20, 8, 1)], 1)) == 2  # they spoke at the same time
    assert len(grouped(long[1:3], 2)) == 2


def test_a_third_speaker_is_noticed_after_two_turns_alone() -> None:
    def turn(*direction: float) -> Group:
        return Group(np.array(direction) / np.linalg.norm(direction), 1)

    one, two, three = ((1, 0.1, 0), (1, 0, 0.1)), ((0, 1, 0.1), (0.1, 1, 0)), ((0.1, 0, 1), (0, 0.1, 1))
    assert not holds_more([turn(*place) for place in (*one, *two)], 2)
    assert not holds_more([turn(*place) for place in (*one, *one, *two, *two)], 2)
    assert not holds_more([turn(*place) for place in (*one, *two, three[0])], 2)
    assert holds_more([turn(*place) for place in (*one, *two, *three)], 2)
    assert not holds_more([turn(*place) for place in (*one, *two, *three)], 3)
    near = ((1, 0.5, 0.1), (1, 0.6, 0))  # like the first
    assert not holds_more([turn(*place) for place in (*one, *two, *near)], 2)


@pytest.mark.parametrize(("talk", "more"), [("ab_abab", False), ("ab_cab_c", True)])
def test_a_talk_of_three_is_noticed(talk: str, more: bool, encoder: Model, rng: np.random.Generator) -> None:
    voices, recording, _ = said(talk, rng, formants={"a": 0.85, "b": 1.18, "c": 1.0})  # those of the prompts are alike
    turns = Turns(FEATURES, 2, encoder)
    list(turns.apply([Piece(voices, voices, recording)]))
    assert turns.further_voice is more
    assert not turns.one_voice


@pytest.mark.parametrize(("talk", "one"), [("aa_Aa", True), ("b_BB", True), ("ab_a", False), ("a_b", False)])
def test_one_voice_is_one_whatever_track_it_came_from(
    talk: str, one: bool, encoder: Model, rng: np.random.Generator
) -> None:
    voices, recording, _ = said(talk, rng, leak=0.2)
    turns = Turns(FEATURES, 2, encoder)
    list(turns.apply([Piece(voices, voices, recording)]))
    assert turns.one_voice is one


def test_the_level_of_a_frame_is_the_mean_power_around_it() -> None:
    wave = np.stack([np.full(1600, 0.1), np.full(1600, 0.2)]).astype(np.float32)
    power = single_voice.powers(wave, RATE)
    assert power.shape == (2, 5)
    np.testing.assert_allclose(power[:, 2], [0.01, 0.04], rtol=1e-5)
    equal = np.ones((2, 100), np.float32)
    assert single_voice.evidence(equal, 0.3) < 0 < single_voice.evidence(equal * [[1], [1e-4]], 0.3)
