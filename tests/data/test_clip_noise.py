"""Labelled clips in noise keep the labels of the clean clip."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.data import cut_clips
from clearmel.data.clip_noise import LEVELS_DB, with_levels, with_pause
from clearmel.data.cut_clips import CutClips
from clearmel.metrics.cutting import FrameDecisions
from clearmel.options import FEATURE_PRESETS, AugmentOptions, ClipNoiseOptions
from clearmel.tasks import CuttingTask
from tests.conftest import refused, run_script

RATE, STEP = 16000, 640
FEATURES = MelFeatures(**FEATURE_PRESETS["mel100"])  # type: ignore[arg-type]


@pytest.fixture
def talk(workplace: Path, rng: np.random.Generator) -> Path:
    """Four clips of 4 s: a tone of 440 Hz in the first and the third second, and silence; and two noises."""
    label = [1] * 25 + [0] * 25 + [1] * 25 + [0] * 25
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)
    for number in range(4):
        sound_file.write(f"talk/a_{number}.wav", (tone * np.repeat(label, STEP)).astype(np.float32), RATE)
    Path("talk/labels.json").write_text(json.dumps({f"a_{number}": label for number in range(4)}))
    for place in ("noise", "other"):
        sound_file.write(f"{place}/hiss.wav", rng.normal(0, 0.1, 6 * RATE).astype(np.float32), RATE)
    return workplace


def test_the_noise_has_its_snr_and_the_labels_stay(talk: Path) -> None:
    clips = cut_clips.find("talk")
    options = ClipNoiseOptions(
        noise_path="noise", val_noise_path="other", snr_min=10, snr_max=10, reverb=0, levels_share=0
    )
    clean, noisy = (CutClips(clips, FEATURES, 4, 5.0, noise=chosen) for chosen in (None, options))
    for index in range(4):
        torch.testing.assert_close(clean[index].mels["keep"], noisy[index].mels["keep"])
    torch.testing.assert_close(clean[2].mels["mel"], noisy[2].mels["mel"])  # every second one has noise
    powers = [np.exp((data[1].mels["mel"].numpy() - 1) * 10).sum(axis=1) for data in (clean, noisy)]
    speaks, pauses = slice(20, 80), slice(120, 180)
    filters = FEATURES.filters().sum(axis=1)  # white noise of variance v gives v * (sum of window^2) * filter
    expected = 0.1**2 / 2 / 10 * 0.375 * FEATURES.n_fft * filters.sum()
    assert powers[1][pauses].mean() == pytest.approx(expected, rel=0.1)
    assert powers[1][speaks].mean() == pytest.approx(powers[0][speaks].mean() + expected, rel=0.1)


def test_an_item_is_the_same_each_time_and_another_in_the_next_epoch(talk: Path) -> None:
    options = ClipNoiseOptions(noise_path="noise", noise_share=1.0)
    data = [CutClips(cut_clips.find("talk"), FEATURES, 4, 2.0, AugmentOptions(), 0, None, options) for _ in range(2)]
    for index in range(len(data[0])):
        first, second = (each[index].mels for each in data)
        torch.testing.assert_close(first["mel"], second["mel"], rtol=0, atol=0)
        assert len(first["mel"]) == data[0].lengths[index]
        assert len(first["keep"]) == 1 + (len(first["mel"]) - 1) // 4
    data[1].epoch = 1
    assert not torch.equal(data[0][0].mels["mel"], data[1][0].mels["mel"])


def test_an_inserted_pause_is_silent_and_labelled_as_cut(rng: np.random.Generator) -> None:
    wave = np.ones(100 * STEP, np.float32)
    keep = np.ones((101, 2), np.float32)
    keep[40:60, 0] = 0
    longer, labels = with_pause(wave, keep, STEP, RATE, rng)
    assert (len(longer), labels.shape) == (len(wave), keep.shape)
    silent = longer.reshape(100, STEP).max(axis=1) == 0
    added = int((labels[:, 0] == 0).sum()) - 20
    assert silent.sum() == added or labels[-1, 0] == 0  # the rest of the pause may lie behind the end
    assert 0.2 * RATE / STEP - 1 <= silent.sum() <= 3.0 * RATE / STEP + 1
    assert (labels[:-1][silent, 0] == 0).all()
    assert (labels[:40, 0] == 1).all()
    unchanged, same = with_pause(wave, np.ones((101, 2), np.float32), STEP, RATE, rng)
    assert unchanged is wave
    assert same.all()


def test_phrases_get_levels_of_their_own(rng: np.random.Generator) -> None:
    wave, keep = np.ones(100 * STEP, np.float32), np.ones((101, 2), np.float32)
    keep[30:40, 0] = keep[60:62, 0] = 0
    gains_db = 20 * np.log10(
        with_levels(wave, keep, STEP, rng).reshape(100, STEP)[[0, 29, 40, 59, 62, 99]].mean(axis=1)
    )
    assert gains_db[0::2] == pytest.approx(gains_db[1::2], abs=1e-4)  # the beginning and the end of each phrase
    assert len(set(gains_db.round(3))) == 3
    assert (gains_db >= LEVELS_DB[0]).all()
    assert (gains_db <= LEVELS_DB[1]).all()


def test_a_share_of_the_clips_is_denoised(talk: Path) -> None:
    options = ClipNoiseOptions(noise_path="noise", noise_share=1.0, denoised_share=1.0)
    data = CutClips(cut_clips.find("talk"), FEATURES, 4, 2.0, AugmentOptions(), 0, None, options, np.zeros_like)
    assert data[0].mels["mel"].unique().tolist() == pytest.approx([1 + np.log(1e-12) / 10])  # what "denoise" leaves


def test_the_threshold_is_that_of_the_clips_without_noise() -> None:
    keep, near = np.repeat([True, False], 100), np.zeros(200, bool)
    clean, noisy = np.linspace(0.9, 0.1, 200), np.linspace(0.5, 0.05, 200)
    records = [
        {"loss": 0.1, "noisy": number, "decisions": FrameDecisions(probability.astype(np.float32), keep, near)}
        for number, probability in enumerate((clean, noisy))
    ]
    assert CuttingTask().report(records)["threshold"] == pytest.approx(0.9 - 98 * 0.8 / 199, abs=1e-6)
    assert CuttingTask().report(records[1:])["threshold"] == pytest.approx(0.5 - 98 * 0.45 / 199, abs=1e-6)


def test_training_in_noise_says_so_in_the_card_and_names_what_it_cannot_decode(talk: Path) -> None:
    Path("talk/b.aax").write_bytes(b"x")
    small = ("--hidden_dim", 8, "--num_layers", 1, "--epochs", 1, "--no_plots", "--val_fraction", 0.5)
    noise = ("--noise_path", "noise", "--val_noise_path", "other", "--reverb", 0, "--denoised_share", 0.5)
    ran = run_script("train_cutting", "--dataset_path", "talk", *noise, *small)
    assert (ran.status, "skipped 1: b.aax (no decoder)" in ran.err) == (1, True), ran
    training = weights_file.load("models/cutter.pth", "cutting").card["training"]
    assert (training["noise_share"], training["snr_max"], training["reverb"]) == (0.7, 40.0, 0.0)
    ran = run_script("eval_cutting", "--dataset_path", "talk", "--no_peers")
    assert (ran.status, "b.aax" in ran.err) == (1, True), ran
    Path("talk/b.aax").unlink()
    assert run_script("eval_cutting", "--dataset_path", "talk", "--no_peers").status == 0


def test_flags_of_noise_that_contradict_each_other(talk: Path) -> None:
    given = ("--dataset_path", "talk", "--noise_path", "noise")
    refused(run_script("train_cutting", *given, "--snr_min", 9, "--snr_max", 3), "--snr_min 9.0, --snr_max 3.0")
    refused(run_script("train_cutting", "--val_noise_path", "other"), "--val_noise_path needs --noise_path")
    Path("empty").mkdir()
    refused(run_script("train_cutting", "--dataset_path", "talk", "--noise_path", "empty"), "empty")
