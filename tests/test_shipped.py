"""The shipped weights do what their cards claim, on sample clips; of the denoiser, the noises are new."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pesq import pesq

from clearmel.audio import sound_file
from clearmel.checkpoints import weights_file
from clearmel.inference import denoise
from clearmel.inference.classify import WindowClassifier
from clearmel.inference.cut import Editor
from clearmel.metrics.signal import si_sdr
from clearmel.options import CutOptions
from tests.conftest import ROOT, run_script

DENOISER, CLASSIFIER = ROOT / "models/denoiser.pth", ROOT / "models/classifier.pth"
PRESENCE = ROOT / "models/noise_presence.pth"


@pytest.mark.parametrize(("weights", "left", "better"), [("denoiser.pth", 0.55, 0.7), ("denoiser_tiny.pth", 0.85, 0.5)])
def test_the_error_of_the_mels_falls(built: Path, weights: str, left: float, better: float) -> None:
    ran = run_script(
        "eval_denoising", "--dataset_path", built / "val", "--model_filename", weights, "--json", "--no_plots",
        "--csv_path", "rows.csv",
    )  # fmt: skip
    report = json.loads(ran.out)
    assert report["mse_denoised"] < left * report["mse_noisy"]
    rows = list(csv.DictReader(Path("rows.csv").read_text().splitlines()))
    assert np.mean([float(row["mse_denoised"]) < float(row["mse_noisy"]) for row in rows]) > better


def test_noisy_is_told_from_clean(built: Path) -> None:
    ran = run_script("eval_classification", "--dataset_path", built / "val", "--model_filename", CLASSIFIER, "--json")
    assert json.loads(ran.out)["accuracy"] > 0.85


def test_noise_is_noticed_and_other_chains_raise_no_alarm(workplace: Path) -> None:
    ran = run_script(
        "eval_classification", "--clean_path", ROOT / "data/speech", "--noise_path", ROOT / "data/noise", "--json",
        "--clip_s", 3, "--val_items", 80, "--min_range_db", 20, "--snr_max", 10, "--model_filename", PRESENCE,
    )  # fmt: skip
    report = json.loads(ran.out)
    assert report["accuracy"] > 0.9
    assert report["auc"] > max(row["auc"] for row in report["by_rule"][1:]) - 0.02
    classifier = WindowClassifier(weights_file.load(PRESENCE, "classification"))
    speech, rate = sound_file.read(ROOT / "data/speech/ru/confbridge-pin.flac")
    for gain in (1.0, 0.02):
        sound_file.write("copy.ogg", np.asarray(gain * speech, np.float32), rate)
        assert classifier.row(classifier.predict(Path("copy.ogg")).mean())["label"] == "clean"


@pytest.mark.parametrize(
    ("name", "weights", "label"),
    [
        ("noise/rain", "esc10", "rain"),
        ("noise/fire", "esc10", "fire_crackling"),
        ("noise/rain", "sounds", "rain"),
        ("noise/fire", "sounds", "fire"),
        ("noise/wind", "sounds", "wind"),
        ("noise/val_market", "sounds", "crowd"),
        ("speech/en/vm-sorry", "sounds", "speech"),
    ],
)
def test_sounds_of_another_source_are_recognised(name: str, weights: str, label: str) -> None:
    classifier = WindowClassifier(weights_file.load(ROOT / f"models/{weights}.pth", "classification"))
    assert classifier.whole(classifier.predict(ROOT / f"data/{name}.flac"))["label"] == label


@pytest.mark.parametrize("weights", ["classifier.pth", "noise_presence.pth"])
def test_the_snr_of_white_noise_behind_speech_is_estimated_at_any_level(weights: str, workplace: Path) -> None:
    classifier = WindowClassifier(weights_file.load(ROOT / "models" / weights, "classification"))
    speech = sound_file.read(ROOT / "data/speech/en/confbridge-dec-talk-vol-in.flac", 16000)[0]
    power = np.square(speech[: len(speech) // 320 * 320].reshape(-1, 320).astype(float)).mean(axis=1)
    active = np.sqrt(power[power >= np.percentile(power, 95) / 1000].mean())
    noise = np.random.default_rng(1).standard_normal(len(speech)) * active
    found = []
    for snr_db, gain in ((0, 1.0), (5, 0.01), (10, 1.0), (15, 0.001), (20, 1.0), (60, 1.0)):
        sound_file.write("x.wav", ((speech + noise * 10 ** (-snr_db / 20)) * gain).astype(np.float32), 16000, "FLOAT")
        found.append(classifier.whole(classifier.predict(Path("x.wav"))))
    assert [row["label"] for row in found] == [*["noisy"] * 5, "clean"]
    assert [row["snr_db"] for row in found[:5]] == pytest.approx([0, 5, 10, 15, 20], abs=6)
    assert found[5]["snr_db"] > 28


def test_the_noisy_sample_sounds_better_and_clean_speech_stays(workplace: Path) -> None:
    network = weights_file.load(DENOISER, "denoising")
    clean, rate = sound_file.read(ROOT / "data/speech/ru/confbridge-pin.flac")
    denoise.denoise_file(network, ROOT / "data/noisy.wav", Path("cleaned.wav"))
    noisy, cleaned = sound_file.read(ROOT / "data/noisy.wav")[0], sound_file.read("cleaned.wav")[0]
    scores = {name: pesq(rate, clean, wave, "wb") for name, wave in (("noisy", noisy), ("cleaned", cleaned))}
    ratios = si_sdr(torch.from_numpy(np.stack([noisy, cleaned])), torch.from_numpy(clean)).tolist()
    assert scores["cleaned"] > scores["noisy"] + 0.1
    assert ratios[1] > ratios[0] + 2
    denoise.denoise_file(network, ROOT / "data/speech/ru/confbridge-pin.flac", Path("same.wav"))
    assert si_sdr(torch.from_numpy(sound_file.read("same.wav")[0]), torch.from_numpy(clean)).item() > 12


@pytest.mark.parametrize(
    ("path", "task"), [(DENOISER, "denoising"), (CLASSIFIER, "classification"), (PRESENCE, "classification")]
)
def test_the_card_says_how_they_were_made(path: Path, task: str) -> None:
    card = weights_file.load(path, task).card
    assert card["training"]["items"] > 1000
    assert card["scores"]["n"] > 100 if "averaged" not in card["training"] else card["scores"] == {}  # of no set
    assert card["format"] == weights_file.FORMAT


def test_the_cleaner_cuts_pauses_and_keeps_words_whole(rng: np.random.Generator) -> None:
    prompts = [sound_file.read(path, 16000)[0] for path in sorted((ROOT / "data/speech/ru").glob("*.flac"))[:3]]
    pause = np.zeros(16000, np.float32)
    wave = np.concatenate([part for prompt in prompts for part in (pause, prompt)])
    sound_file.write("talk.wav", (wave + rng.normal(0, 3e-4, len(wave))).astype(np.float32), 16000)
    editor = Editor.load("cutter.pth")
    timeline = editor.timeline("talk.wav", CutOptions.of_strength(0.5, editor.threshold))
    kept = np.zeros(len(wave), bool)
    for start, end in timeline.kept:
        kept[round(start * 16000) : round(end * 16000)] = True
    loud = np.abs(wave) > 0.1 * np.abs(wave).max()
    assert kept[loud].mean() > 0.99
    starts = np.cumsum([0] + [16000 + len(prompt) for prompt in prompts[:-1]])
    for start in starts:
        assert kept[start : start + 16000].mean() < 0.35


def test_two_voices_are_told_apart(workplace: Path) -> None:
    ran = run_script(
        "eval_separation", "--clean_path", ROOT / "data/speech", "--val_items", 16, "--clip_s", 3, "--json",
        "--model_filename", ROOT / "models/separator.pth",
    )  # fmt: skip
    rows = json.loads(ran.out)
    assert rows[0]["si_sdr_improvement"] > 5


def test_one_voice_is_told_from_two(workplace: Path) -> None:
    voices = [
        np.concatenate(
            [sound_file.read(path, 44100)[0] for path in sorted((ROOT / "data/speech" / name).glob("*"))[:3]]
        )
        for name in ("en", "fr")
    ]
    count = min(map(len, voices))
    for name, wave in (("one.wav", voices[0]), ("two.wav", voices[0][:count] + voices[1][:count])):
        sound_file.write(name, 0.5 * wave, 44100)
        ran = run_script("separate", name, "--n_voices", "auto", "--model_filename", ROOT / "models/separator.pth")
        assert ran.status == 0, ran
    assert [path.name for path in Path("one_voices").glob("*.wav")] == ["voice_1.wav"]
    assert len(list(Path("two_voices").glob("*.wav"))) == 2
    spoken = [float(line.split()[4]) for line in Path("one_voices/voices.rttm").read_text().splitlines()]
    assert 0.5 < sum(spoken) / (len(voices[0]) / 44100) <= 1
