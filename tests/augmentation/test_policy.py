"""The augmentation policies: their probabilities, and what datasets draw by them."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from clearmel.audio.features import MelFeatures
from clearmel.augmentation import policy, recording_chain
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.policy import AugmentationPolicy
from clearmel.augmentation.recording_chain import Chain
from clearmel.data.noise_presence import NoisePresence
from clearmel.data.noise_sources import CROWD, MUSIC, SYNTHETIC, TALKERS
from clearmel.data.noisy_speech import NoisySpeech
from clearmel.data.splits import Pool, split_pools
from clearmel.options import BuildOptions, MixOptions
from clearmel.prepare import plan
from tests.conftest import ROOT

SPEECH, NOISE = str(ROOT / "data/speech"), str(ROOT / "data/noise")
POLICIES = {name: value for name in dir(policy) if isinstance(value := getattr(policy, name), AugmentationPolicy)}
COUNT = 4000
NO_CHANGE = AugmentationPolicy()


def mixtures(kind: type[NoisySpeech] = NoisySpeech, split: str = "train") -> NoisySpeech:
    """Mixtures of one second, all of them augmented, none of them in a room."""
    options = MixOptions(
        SPEECH, NOISE, clip_s=1.0, epoch_items=8, val_items=8, min_range_db=15, augment=1, reverb=0, other_voices=0
    )
    return kind(split, split_pools(options, 0)[split], options, MelFeatures(), 0)


def recipes(data: NoisySpeech) -> list[Recipe]:
    rng = np.random.default_rng(1)
    return [data._draw_recipe(rng, True) for _ in range(COUNT)]


def planned(by: AugmentationPolicy, count: int = COUNT, **changes: float) -> list[Recipe]:
    options = BuildOptions(SPEECH, NOISE, n_mixtures=count, augment=1.0, **changes)  # type: ignore[arg-type]
    pool = Pool(SPEECH, NOISE, ("fr/demo-thanks.flac",), ("rain.flac", "wind.flac"))
    return list(plan.draw_jobs("train", pool, options, by)[0].recipes)


def assert_share(found: int, probability: float, total: int = COUNT) -> None:
    """Within four standard errors of a binomial share."""
    error = 4 * np.sqrt(probability * (1 - probability) / total)
    assert found / total == pytest.approx(probability, abs=error)


def assert_chains(found: list[Recipe], by: AugmentationPolicy) -> None:
    """Every step of the chains occurs with its probability and lies within its range."""
    steps = {"level": "level_db", "tilt": "tilt_db", "highpass": "highpass_hz", "lowpass": "lowpass_hz"}
    for step, name in (steps | {"hiss": "floor_db"}).items():
        values = [value for recipe in found if (value := getattr(recipe.chain, name)) is not None]
        low, high = getattr(by, f"{step}_range_{name.split('_')[-1]}")
        assert_share(len(values), getattr(by, f"{step}_probability"))
        assert low <= min(values) <= max(values) <= high
    assert_share(sum(recipe.chain.codec is not None for recipe in found), by.codec_probability)
    assert_share(sum(recipe.noise_tilt_db is not None for recipe in found), by.noise_tilt_probability)


def test_there_is_a_policy_for_each_use() -> None:
    assert POLICIES.keys() == {"TRAINING", "DATASET", "NOISE_PRESENCE", "MULTI_SPEAKER", "CUTTING"}


@pytest.mark.parametrize("name", POLICIES)
def test_probabilities_lie_in_0_to_1_and_those_of_alternatives_sum_to_at_most_1(name: str) -> None:
    by = POLICIES[name]
    chosen = {field.name: getattr(by, field.name) for field in fields(by) if field.name.endswith("_probability")}
    assert all(0 <= value <= 1 for value in chosen.values())
    kinds = ("no_noise", "coloured_noise", "synthetic_noise", "babble", "several_noises", "crowd", "talkers", "music")
    assert sum(chosen[f"{kind}_probability"] for kind in kinds) <= 1
    assert sum(by.second_noise_probabilities()) == pytest.approx(1)
    assert chosen["telephone_codec_probability"] + chosen["telephone_band_probability"] <= 1


def test_impossible_policies_are_refused() -> None:
    with pytest.raises(ValueError, match="codec_probability"):
        AugmentationPolicy(codec_probability=1.2)
    with pytest.raises(ValueError, match=r"sum to 1\.1"):
        AugmentationPolicy(babble_probability=0.6, several_noises_probability=0.5)
    with pytest.raises(ValueError, match=r"sum to 1\.2"):
        AugmentationPolicy(second_coloured_probability=0.6, second_babble_probability=0.6)
    with pytest.raises(ValueError, match="tilt_range_db"):
        AugmentationPolicy(tilt_range_db=(3, -3))


def test_thresholds_are_free_of_rounding_errors() -> None:
    by = AugmentationPolicy(no_noise_probability=0.1, coloured_noise_probability=0.2)  # 0.1 + 0.2 > 0.3 in floats
    assert by.noise_kind(np.nextafter(0.3, 0)) == "coloured"
    assert by.noise_kind(0.3) == "recorded"


def test_training_draws_noises_and_chains_with_the_named_probabilities() -> None:
    by, found = policy.TRAINING, recipes(mixtures())
    alone = Counter(recipe.noises[0] for recipe in found if len(recipe.noises) == 1)
    assert_share(sum(not recipe.noises for recipe in found), by.no_noise_probability)
    assert_share(alone["coloured"], by.coloured_noise_probability)
    assert_share(alone[SYNTHETIC], by.synthetic_noise_probability)
    assert_share(alone["babble"], by.babble_probability)
    for scene in (CROWD, TALKERS, MUSIC):
        share = sum(recipe.noises[:1] == (scene,) for recipe in found)
        assert_share(share, getattr(by, f"{scene}_probability"))
    assert all(r.snr_db >= by.talkers_snr_min_db for r in found if r.noises == (TALKERS,))
    several = [recipe.noises for recipe in found if len(recipe.noises) > 1 and recipe.noises[0] != CROWD]
    assert_share(len(several), by.several_noises_probability)
    second = Counter(noises[1] for noises in several)
    for name, probability in zip(("coloured", SYNTHETIC, "babble"), by.second_noise_probabilities(), strict=False):
        assert_share(second[name], probability, len(several))
    assert_share(sum(len(noises) == 3 for noises in several), by.third_noise_probability, len(several))
    assert_share(sum(recipe.clip_db is not None for recipe in found), by.clipping_probability)
    assert_share(sum(recipe.noise_span is not None for recipe in found), by.noise_span_probability)
    assert_share(sum(recipe.silence is not None for recipe in found), by.silence_probability)
    edges = [recipe.chain.band_edge_hz for recipe in found if recipe.chain.band_edge_hz is not None]
    assert_share(len(edges), by.band_edge_probability)
    assert set(edges) == set(by.band_edges_hz)
    assert_chains(found, by)


def test_a_built_dataset_draws_noises_and_chains_with_the_named_probabilities() -> None:
    by, found = policy.DATASET, planned(policy.DATASET)
    assert_share(sum(recipe.noises == ("coloured",) for recipe in found), by.coloured_noise_probability)
    babble = [recipe.noises for recipe in found if recipe.noises[0].startswith("clean/")]
    assert_share(len(babble), by.babble_probability)
    assert {len(noises) for noises in babble} == {8} == set(by.babble_voices)
    several = [recipe.noises for recipe in found if len(recipe.noises) == 2]
    assert_share(len(several), by.several_noises_probability)
    assert_share(sum(noises[1] == "coloured" for noises in several), by.second_coloured_probability, len(several))
    assert_chains(found, by)
    low, high = by.floor_option_range_db
    assert all(low <= recipe.chain.floor_db <= high for recipe in planned(by, 50, floor=1.0))  # type: ignore[operator]


def test_noise_presence_draws_telephone_lines_with_the_named_probabilities() -> None:
    by, found = policy.NOISE_PRESENCE, recipes(mixtures(NoisePresence, "val"))
    (low, high), (top_low, top_high) = by.telephone_highpass_range_hz, by.telephone_lowpass_range_hz
    codecs = sum(recipe.chain.codec is not None for recipe in found)
    assert_share(codecs, 1 - (1 - by.codec_probability) * (1 - by.telephone_codec_probability))
    bands = [
        1
        for recipe in found
        if low <= (recipe.chain.highpass_hz or 0) <= high and top_low <= (recipe.chain.lowpass_hz or 0) <= top_high
    ]
    assert len(bands) / COUNT >= by.telephone_band_probability - 0.03
    assert all(recipe.noises for recipe in found)


def test_a_policy_of_zeros_changes_nothing() -> None:
    data = mixtures()
    data.policy = data.noise.policy = NO_CHANGE
    for index, recipe in enumerate(recipes(data)[:50]):
        assert len(recipe.noises) == 1
        assert recipe.noises[0].startswith("noise/")
        assert (recipe.chain, recipe.clip_db, recipe.noise_tilt_db) == (Chain(), None, None)
        rng = np.random.default_rng(index)
        wave = data.noise.recordings[int(recipe.noises[0].split("/")[1])]
        np.testing.assert_array_equal(data.noise.wave(recipe.noises[0], rng, True), wave)
        rng = np.random.default_rng([2, index])
        rng.random()  # the draw that decides on the speed
        same, _ = data._draw_speech(np.random.default_rng([2, index]), True)
        np.testing.assert_array_equal(same, data.speech.piece(rng)[0])
    assert all(len(r.noises) == 1 and r.chain == Chain() and r.noise_tilt_db is None for r in planned(NO_CHANGE, 50))
    assert recording_chain.draw_chain(np.random.default_rng(0), True, 0.0, NO_CHANGE) == Chain()
    assert recording_chain.draw_chain(np.random.default_rng(0), False, 0.0) == Chain()


def test_a_certain_change_always_happens() -> None:
    certain = replace(NO_CHANGE, codec_probability=1.0, tilt_probability=1.0, tilt_range_db=(2.0, 3.0))
    chain = recording_chain.draw_chain(np.random.default_rng(0), True, 0.0, certain)
    assert chain.codec in recording_chain.CODECS
    assert chain.tilt_db is not None
    assert 2 <= chain.tilt_db <= 3
