"""Is there noise behind speech: the items, the rules, and the figures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import gamma

from clearmel.audio import levels, sound_file
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix
from clearmel.augmentation.recording_chain import Chain
from clearmel.data.noise_presence import NoisePresence
from clearmel.data.splits import Pool
from clearmel.evaluation import noise_presence
from clearmel.metrics import snr
from clearmel.options import MixOptions
from tests.conftest import ROOT, refused, run_script

SPEECH, NOISE = ROOT / "data/speech", ROOT / "data/noise"
POOL = Pool(
    str(SPEECH),
    str(NOISE),
    tuple(sorted(p.relative_to(SPEECH).as_posix() for p in SPEECH.rglob("*.flac"))),
    tuple(sorted(p.relative_to(NOISE).as_posix() for p in NOISE.rglob("*.flac"))),
)
OPTIONS = MixOptions(str(SPEECH), str(NOISE), clip_s=2.0, epoch_items=24, val_items=24, min_range_db=20.0, reverb=0.0)


def presence(split: str, seed: int = 3, **changes: float) -> NoisePresence:
    options = MixOptions(**{**vars(OPTIONS), **changes})  # type: ignore[arg-type]
    return NoisePresence(split, POOL, options, MelFeatures(), seed)


def test_the_snr_counts_the_noise_and_the_floor_of_the_speech_and_decides_the_label() -> None:
    data = presence("val", augment=0.0)
    for index in range(24):
        item, told = data[index], data.described(index)
        rng = data._generator(index)
        noisy, clean = data._mixture(rng, rng.random() < 0)
        rng = data._generator(index)
        rng.random()
        recording = data.speech.recordings[data._draw_speech(rng, False)[1]]
        frames = np.square(recording[: len(recording) // 320 * 320].reshape(-1, 320).astype(float)).mean(axis=1)
        loud = frames[frames >= np.percentile(frames, 95) / 1000].mean()
        difference_db = levels.active_level_db(noisy - clean) - levels.active_level_db(clean)
        noise = 0.0 if index % 2 else 10 ** (difference_db / 10)
        assert item.snr_db == pytest.approx(-10 * np.log10(noise + np.percentile(frames, 10) / loud), abs=0.1)
        assert item.label == (item.snr_db >= 27.5)
        wave, wanted = item.waves["mel"].numpy(), clean if index % 2 else noisy
        np.testing.assert_allclose(wave / np.abs(wave).max(), wanted / np.abs(wanted).max(), atol=1e-5)
        assert bool(told["noise"]) == (index % 2 == 0)


def test_some_clean_items_have_faint_noise_and_the_chain_decides_what_of_the_noise_counts() -> None:
    data = presence("val", augment=1.0, val_items=200, reverb=0.0)
    faint = [data.described(index)["noise"] != "" for index in range(1, 200, 2)]
    assert np.mean(faint) == pytest.approx(0.3, abs=0.15)
    tone = 0.1 * np.sin(2 * np.pi * 6000 * np.arange(32000) / 16000).astype(np.float32)
    speech = data.speech.piece(np.random.default_rng(0))[0]
    for lowpass_hz, low, high in ((None, -0.5, 0.5), (3000.0, 40.0, 90.0)):
        recipe = mix.Recipe(("tone",), 0.0, 0, chain=Chain(lowpass_hz=lowpass_hz))
        noisy, clean = mix.filtered(speech, recipe, lambda name: tone)
        assert low < data._noise_snr_db(noisy, clean) < high


def test_an_echo_repeats_the_mixtures_of_its_epochs() -> None:
    plain, echoed = presence("train"), presence("train", echo=2)
    mels = []
    for epoch in range(4):
        echoed.epoch, plain.epoch = epoch, epoch // 2
        item = echoed[4]
        torch.testing.assert_close(item.mels["mel"], MelFeatures().mel(plain[4].waves["mel"]))
        assert (item.label, item.snr_db) == (plain[4].label, plain[4].snr_db)
        mels.append(item.mels["mel"])
    assert mels[0] is mels[1]
    assert not torch.equal(mels[1], mels[2])


def test_sums_of_noises_and_the_range_between_noisy_and_clean() -> None:
    assert snr.total_db(10.0, 10.0) == pytest.approx(6.99, abs=0.01)
    assert snr.total_db(20.0, 10.0, np.inf) == pytest.approx(9.586, abs=0.001)
    assert snr.total_db(np.inf, np.inf) == np.inf
    levels_db = torch.tensor([-5.0, 24.9, 25.0, 30.0, 30.1, torch.inf, torch.nan])
    assert snr.decided(levels_db).tolist() == [True, True, False, False, True, True, True]


def test_the_logit_stands_for_the_snr_and_what_exceeds_35_db_is_no_error() -> None:
    logits = torch.tensor([[-8.75], [0.0], [3.75], [20.0], [-40.0]])
    assert snr.estimate_db(logits).tolist() == [10.0, 27.5, 35.0, 35.0, -10.0]
    wanted = torch.tensor([10.0, 37.5, 60.0, 35.0, -52.5])
    errors = snr.error(logits, wanted)
    assert errors[[0, 2, 3, 4]].tolist() == pytest.approx([0, 0, 0, 0], abs=1e-5)
    assert errors[1] == pytest.approx(0.75 - 0.1)  # of 7.5 dB, in units of 10 dB; smooth below 2 dB
    members = snr.error(logits[:, None].expand(-1, 3, -1), wanted)
    torch.testing.assert_close(members, errors)


def test_validation_is_the_same_in_every_run_and_epoch_and_training_is_not() -> None:
    first, again = presence("val"), presence("val")
    again.epoch = 5
    assert all(torch.equal(first[k].waves["mel"], again[k].waves["mel"]) for k in range(8))
    train = presence("train")
    before = train[0].waves["mel"]
    train.epoch = 1
    assert not torch.equal(before, train[0].waves["mel"])


def test_noisy_items_always_hold_noise_and_clean_ones_pass_the_same_chains() -> None:
    data = presence("train", augment=1.0, epoch_items=60)
    recipes = []
    for index in range(60):
        rng = data._generator(index)
        augment = rng.random() < 1.0
        data._draw_speech(rng, augment)
        recipes.append(data._draw_recipe(rng, augment))
    assert all(recipe.noises and recipe.clip_db is None and not recipe.chain.early for recipe in recipes)
    codecs = [np.mean([recipe.chain.codec is not None for recipe in recipes[kind::2]]) for kind in (0, 1)]
    assert all(0.05 < share < 0.6 for share in codecs)  # what the chain does tells nothing


def test_the_waveform_rule_reads_the_snr_of_what_it_was_made_for(rng: np.random.Generator) -> None:
    speech = gamma.rvs(0.4, size=200_000, random_state=1) * rng.choice((-1, 1), 200_000)
    for snr_db in (-5.0, 5.0, 15.0):
        noise = rng.standard_normal(200_000) * np.sqrt(np.square(speech).mean()) * 10 ** (-snr_db / 20)
        assert noise_presence.wada_snr_db((speech + noise).astype(np.float32)) == pytest.approx(snr_db, abs=0.7)


def test_the_rules_find_white_noise_in_speech() -> None:
    speech = sound_file.read(SPEECH / "en/vm-sorry.flac", 16000)[0]
    noise = np.random.default_rng(0).normal(0, 0.05, len(speech)).astype(np.float32)
    clean, noisy = (noise_presence.simple_rules(wave, 16000) for wave in (speech, speech + noise))
    assert set(clean) == set(noise_presence.RULES)
    assert all(clean[rule] > noisy[rule] for rule in clean)
    assert noise_presence.spectral_flatness_db(noise, 16000) == pytest.approx(-2.5, abs=0.4)


def test_tables_hold_each_item_in_its_range_and_kind() -> None:
    rows = [
        {"label": float(k >= 6), "logit": float(k) - 5.5, "snr_db": [-3, 2, 7, 7, 12, 12][k] if k < 6 else float("nan"),
         "noise": "rain" if k < 3 else "market" if k < 6 else ""} | dict.fromkeys(noise_presence.RULES, float(-k))
        for k in range(10)
    ]  # fmt: skip
    rows[5]["logit"] = 0.5  # a miss
    rows.append(rows[0] | {"snr_db": 26.0, "logit": 3.0})
    tables = noise_presence.tables([row | {"estimated_snr_db": 9.0} for row in rows])
    assert [(row["items"], row["n"], row["predicted_noisy"]) for row in tables["by_snr"]] == [
        ("-5 to 0 dB", 1, 1.0), ("0 to 5 dB", 1, 1.0), ("5 to 10 dB", 2, 1.0), ("10 to 15 dB", 2, 0.5),
        ("25 to 30 dB", 1, 0.0), ("clean", 4, 0.0),
    ]  # fmt: skip
    assert [row["snr_error_db"] for row in tables["by_snr"][:5]] == [12, 7, 2, 3, 17]
    assert {row["items"]: row["n"] for row in tables["by_noise"]} == {"rain": 3, "market": 3}
    ours, rule = tables["by_rule"][:2]
    assert ours["accuracy"] == pytest.approx(0.9)
    assert rule["auc"] == 0.0
    assert rule["accuracy"] == pytest.approx(0.6)  # the best that a wrong way round can do: call all of them noisy


def test_presence_is_learned_from_folders_and_evaluated_beside_the_rules(workplace: Path) -> None:
    common = ("--clean_path", SPEECH, "--noise_path", NOISE, "--clip_s", 1, "--min_range_db", 20, "--reverb", 0)
    ran = run_script(
        "train_classification", *common, "--epochs", 4, "--epoch_items", 64, "--val_items", 16, "--hidden_dim", 16,
        "--learning_rate", 0.01, "--no_plots", "--model_filename", "p.pth", "--snr_max", 0,
        "--snr_weight", 1,
    )  # fmt: skip
    assert ran.status == 0, ran
    ran = run_script(
        "eval_classification", *common, "--val_items", 40, "--snr_max", 0, "--model_filename", "p.pth", "--json",
        "--csv_path", "rows.csv",
    )  # fmt: skip
    report = json.loads(ran.out)
    assert report["n"] + report["undecided"] == 40
    assert 0 < report["snr_error_db"] < 40
    assert report["auc"] > 0.7
    assert [row["rule"] for row in report["by_rule"]] == ["these weights", *noise_presence.RULES]
    assert sum(row["n"] for row in report["by_snr"]) == 40
    assert len(Path("rows.csv").read_text().splitlines()) == 41
    noisy = ROOT / "data/noisy.wav"
    row = json.loads(run_script("classify", noisy, "--model_filename", "p.pth", "--json").out)[0]
    assert row["label"] == "noisy"
    assert f"noisy, about {row['snr_db']:.0f} dB" in run_script("classify", noisy, "--model_filename", "p.pth").out


def test_the_snr_needs_speech_and_noise_to_mix(tree: Path) -> None:
    refused(run_script("train_classification", "--dataset_path", tree, "--snr_weight", 1), "--snr_weight needs speech")
    refused(run_script("train_classification", "--snr_weight", 1, "--mixup", 0.2), "two recordings at once have no SNR")
