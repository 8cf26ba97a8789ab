"""Classes of one's own: training, folds, probabilities, windows."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.silence import trim_digital_silence
from clearmel.augmentation import spec_augment
from clearmel.checkpoints import weights_file
from clearmel.data.labelled_audio import LabelledAudio
from clearmel.data.labels import of_folder
from clearmel.inference import changes
from clearmel.inference.classify import UNKNOWN, WindowClassifier, WindowPredictions
from clearmel.metrics import classification
from clearmel.options import AugmentOptions
from tests.conftest import refused, run_script
from tests.data.test_labels import TONES, tone, tones  # noqa: F401  a fixture

TRAIN = (
    "--dataset_path", "tones", "--network", "lstm", "--hidden_dim", 24, "--features", "speech40", "--n_mels", 24,
    "--clip_s", 0.6, "--epochs", 14, "--batch_size", 6, "--learning_rate", 0.02, "--no_plots",
    "--threshold", 0.34,
)  # fmt: skip


@pytest.fixture
def trained(tones: Path) -> WindowClassifier:  # noqa: F811
    """A classifier of three tones, trained without fold 4."""
    ran = run_script("train_classification", *TRAIN, "--val_fold", 4, "--model_filename", "tones.pth")
    assert ran.status == 0, ran
    return WindowClassifier.load("tones.pth")


def test_tones_are_told_apart_at_any_length_rate_and_level(trained: WindowClassifier, workplace: Path) -> None:
    for label, frequency in TONES.items():
        for number, (seconds, rate, level) in enumerate([(0.3, 16000, 0.01), (3.7, 48000, 0.9), (0.6, 8000, 0.2)]):
            path = workplace / f"new/{label}{number}.wav"
            tone(path, frequency, seconds, rate, level)
            windows = trained.predict(path)
            assert trained.row(windows.mean())["label"] == label
            assert windows.spans[-1, 1] == pytest.approx(seconds, abs=0.01)
            np.testing.assert_allclose(windows.probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_card_says_what_inference_needs(trained: WindowClassifier) -> None:
    card = trained.network.card
    assert card["labels"] == ["high", "low", "middle"]
    assert card["training"]["clip_s"] == 0.6
    assert card["features"]["n_mels"] == 24
    assert card["scores"]["temperature"] == trained.temperature
    assert MelFeatures(**card["features"]) == trained.features


def test_evaluation_counts_each_item_of_the_fold_once(trained: WindowClassifier) -> None:
    ran = run_script(
        "eval_classification", "--dataset_path", "tones", "--val_fold", 4, "--model_filename", "tones.pth", "--json",
        "--plot_dir", "p",
    )  # fmt: skip
    report = json.loads(ran.out)
    assert report["n"] == 6
    assert report["accuracy"] == report["macro_f1"] == 1.0
    assert [row["called high"] for row in report["by_class"]] == [2, 0, 0]
    assert Path("p/tones_confusion.png").read_bytes().startswith(b"\x89PNG")


def test_windows_are_classified_by_their_own_sound(trained: WindowClassifier, workplace: Path) -> None:
    parts = [0.3 * np.sin(2 * np.pi * hz * np.arange(32000) / 16000) for hz in (300, 3000)]
    parts.insert(1, np.zeros(32000))
    sound_file.write("both.wav", np.concatenate(parts).astype(np.float32), 16000)
    ran = run_script(
        "inference_classification", "--input_path", "both.wav", "--model_filename", "tones.pth", "--timeline_path",
        "line.json", "--plot_dir", "p", "--top_k", 3, "--hop_s", 0.3, "--labels_dir", "tracks",
    )  # fmt: skip
    assert ran.status == 0, ran
    rows = json.loads(Path("line.json").read_text())
    for row in rows:
        if row["end_s"] <= 2:
            assert row["label"] == "low"
        elif row["start_s"] >= 4:
            assert row["label"] == "high"
    assert not [row for row in rows if row["start_s"] >= 2.0 and row["end_s"] <= 4.0]  # silence says nothing
    assert all(label in ran.out for label in TONES)
    assert Path("p/both.wav_timeline.png").exists()
    times = r"^  00:00 to 00:02  low .*\n  00:02 to 00:04  silence .*\n  00:04 to 00:06  high "
    assert re.search(times, ran.out, re.MULTILINE)
    track = [line.split("\t") for line in Path("tracks/both.wav.txt").read_text().splitlines()]
    assert [label for *_, label in track] == ["low", "silence", "high"]
    edges = [float(edge) for start, end, _ in track for edge in (start, end)]
    np.testing.assert_allclose(edges, [0, 2, 2, 4, 4, 6], atol=0.61)  # within a window


def test_sound_below_the_floor_is_silence_at_any_level_of_the_recording(trained: WindowClassifier, rng) -> None:  # type: ignore[no-untyped-def]
    low = np.sin(2 * np.pi * 300 * np.arange(32000) / 16000)
    room = rng.standard_normal(32000)
    for level, gap_db, silent in (
        (0.3, -80, True),  # below the noise of a quiet room
        (0.3, -60, False),
        (1e-4, -140, True),  # a very quiet recording is brought to an ordinary level
    ):
        gap = room * 10 ** (gap_db / 20)
        sound_file.write("floor.wav", np.concatenate([gap, low * level, gap]).astype(np.float32), 16000, "FLOAT")
        parts = changes.stretches(trained, trained.predict(Path("floor.wav")))
        found = [part.row["label"] for part in parts]
        assert "low" in found
        assert [label == "silence" for label in (found[0], found[-1])] == [silent, silent]
        assert sum(part.end_s - part.start_s for part in parts if part.row["label"] == "silence") >= 2.8 * silent
        assert parts[-1].end_s == pytest.approx(6)


def test_a_change_lies_where_the_windows_meet_and_one_uncertain_window_is_none(trained: WindowClassifier) -> None:
    spans = np.array([[k, k + 2] for k in range(8)], np.float32)
    low = np.array([0, 0.9, 0.1], np.float32)
    probabilities = np.array([low, low, 1 - low, low, low, *[[1, 0, 0]] * 3], np.float32)
    probabilities[2] = [0.55, 0.45, 0]
    found = changes.stretches(trained, WindowPredictions(spans, probabilities, np.full(8, 2, np.float32)))
    assert [(part.start_s, part.end_s, part.row["label"]) for part in found] == [(0, 5.5, "low"), (5.5, 9, "high")]
    probabilities = np.array([low, low, *[[0.53, 0.47, 0]] * 6], np.float32)  # at the boundary
    found = changes.stretches(trained, WindowPredictions(spans, probabilities, np.full(8, 2, np.float32)))
    assert [(part.start_s, part.end_s, part.row["label"]) for part in found] == [(0, 9, "low")]
    assert found[0].row["probability"] == found[0].row["p_low"] == pytest.approx(0.56, abs=0.03)


def test_what_is_less_sure_than_the_threshold_is_unknown(trained: WindowClassifier) -> None:
    doubtful = np.array([0.335, 0.335, 0.33], np.float32)
    assert trained.row(doubtful)["label"] == UNKNOWN  # the threshold of the card
    assert WindowClassifier(trained.network, threshold=0.0).row(doubtful)["label"] == "high"
    classifier = WindowClassifier(trained.network, threshold=0.9)
    assert classifier.row(np.array([0.3, 0.3, 0.4], np.float32))["label"] == UNKNOWN
    assert classifier.row(np.array([0.02, 0.03, 0.95], np.float32))["label"] == "middle"


def test_bad_input_to_inference_is_one_line(trained: WindowClassifier, workplace: Path) -> None:
    infer = ("inference_classification", "--model_filename", "tones.pth", "--input_path")
    sound_file.write("silent.wav", np.zeros(16000, np.float32), 16000)
    refused(run_script(*infer, "silent.wav"), "silent.wav is silent")
    np.save("odd.npy", np.zeros((10, 80), np.float32))
    refused(run_script(*infer, "odd.npy"), "odd.npy has shape (10, 80); expected (frames, 24)")
    refused(run_script(*infer, "tones", "--timeline_path", "line.txt"), "line.txt: expected a name that ends in .csv")
    refused(run_script("eval_classification", "--dataset_path", "tones/low", "--model_filename", "tones.pth"), "noisy")


def test_weights_of_another_label_set_are_refused(trained: WindowClassifier, tree: Path) -> None:
    ran = run_script("eval_classification", "--dataset_path", tree / "val", "--model_filename", "tones.pth")
    refused(ran, "labels clean, noisy, which the weights do not have; they classify high, low, middle")


def test_every_fold_is_judged_by_weights_that_have_not_seen_it(tones: Path) -> None:  # noqa: F811
    ran = run_script("train_classification", *TRAIN, "--cross_validate", "--model_filename", "cv.pth")
    assert ran.status == 0, ran
    table = json.loads(Path("models/cv.folds.json").read_text())
    assert table["all"]["n"] == 24
    assert table["mean"]["accuracy"] == pytest.approx(np.mean([table[str(k)]["accuracy"] for k in range(1, 5)]))
    for fold in range(1, 5):
        card = weights_file.load(f"models/cv_fold{fold}.pth", "classification").card
        assert card["training"]["items"] == 18
        assert card["training"]["val_fold"] == fold
        assert card["scores"] == {}  # nothing of the fold chose these weights
    (tones / "low/1-0.wav").rename(tones / "low/x.wav")
    for path in [p for p in tones.rglob("*.wav") if not p.name.startswith("1")]:
        path.rename(path.with_name(f"x{path.name}"))
    ran = run_script("train_classification", *TRAIN, "--cross_validate")
    refused(ran, "has 1 fold(s); expected two or more")


def test_a_resumed_run_with_every_change_equals_a_straight_one(tones: Path) -> None:  # noqa: F811
    changes = ("--speed", 0.2, "--gain_db", 9, "--time_mask", 0.3, "--freq_mask", 0.3, "--mixup", 0.4)
    flags = (*TRAIN, *changes, "--label_smoothing", 0.1, "--val_fold", 4, "--schedule", "none")
    flags += ("--filter_db", 4, "--blend", 0.5, "--shortest", 0.6)
    assert run_script("train_classification", *flags, "--model_filename", "straight.pth").status == 0
    assert run_script("train_classification", *flags, "--epochs", 2, "--model_filename", "cut.pth").status == 0
    assert run_script("train_classification", *flags, "--resume", "--model_filename", "cut.pth").status == 0
    ours, theirs = (json.loads(Path(f"models/{name}.history.json").read_text()) for name in ("straight", "cut"))
    assert [row["train_loss"] for row in ours] == [row["train_loss"] for row in theirs]
    assert ours[0]["train_loss"] != ours[1]["train_loss"]


def test_pieces_differ_by_epoch_and_the_padding_is_cut_off(tones: Path) -> None:  # noqa: F811
    wave = sound_file.read(tones / "low/1-0.wav")[0]
    sound_file.write(tones / "low/1-0.wav", np.concatenate([np.zeros(9000, np.float32), wave, np.zeros(9000)]), 22050)
    features = MelFeatures(n_mels=24, top_db=80.0)
    data = LabelledAudio(of_folder(tones), features, 0.4, AugmentOptions(speed=0.1), seed=1)
    index = [str(name) for name in data.listing.names].index("low/1-0.wav")
    first, again = data[index].mels["mel"], data[index].mels["mel"]
    data.epoch = 1
    torch.testing.assert_close(first, again)
    assert not torch.equal(first, data[index].mels["mel"])
    assert len(first) == features.n_frames(6400)
    whole = LabelledAudio(of_folder(tones), features, 0.4)[index].mels["mel"]
    assert len(whole) == pytest.approx(features.n_frames(16000), abs=1)


def test_only_the_ends_are_cut_off() -> None:
    wave = np.array([0, 0, 0.5, 0, 0, -0.2, 0], np.float32)
    np.testing.assert_array_equal(trim_digital_silence(wave), wave[2:6])
    assert len(trim_digital_silence(np.zeros(5, np.float32))) == 5


def test_masks_cover_no_more_than_asked_for_and_leave_padding_alone() -> None:
    torch.manual_seed(0)
    mel, lengths = torch.rand(64, 50, 20) + 1, torch.full((64,), 40)
    mel[:, 40:] = 0
    changed = spec_augment.mask(mel, lengths, 0.25, 0.25) != mel
    assert not changed[:, 40:].any()
    frames, bands = changed.all(dim=2)[:, :40].sum(dim=1), changed[:, :40].all(dim=1).sum(dim=1)
    assert 5 < int(frames.max()) <= 20
    assert 2 < int(bands.max()) <= 10
    torch.testing.assert_close(spec_augment.mask(mel, lengths, 0.0, 0.0), mel)


def test_a_mixture_is_the_weighted_sum_and_alone_where_the_other_has_ended() -> None:
    torch.manual_seed(0)
    mel, lengths = torch.rand(6, 30, 4), torch.tensor([30, 10, 30, 20, 15, 30])
    mixture, longest, partner, own = spec_augment.mixup(mel, lengths, 0.5)
    assert (own >= 0.5).all()
    for k in range(6):
        other, both = int(partner[k]), min(int(lengths[k]), int(lengths[partner[k]]))
        assert int(longest[k]) == max(int(lengths[k]), int(lengths[other]))
        wanted = own[k] * mel[k, :both] + (1 - own[k]) * mel[other, :both]
        torch.testing.assert_close(mixture[k, :both], wanted)
        longer = k if lengths[k] >= lengths[other] else other
        torch.testing.assert_close(mixture[k, both : longest[k]], mel[longer, both : longest[k]])


def test_blended_sounds_add_their_powers_at_equal_loudness() -> None:
    torch.manual_seed(0)
    power, lengths = torch.rand(8, 20, 6) * torch.tensor([1e-4, 1.0] * 4)[:, None, None] + 1e-7, torch.full((8,), 20)
    mixture, _, partner, own = spec_augment.blend(1 + torch.log(power) / 10, lengths)
    for k in range(8):
        ours, theirs = (p / p.mean() for p in (power[k], power[partner[k]]))
        wanted = own[k] ** 2 * ours + (1 - own[k]) ** 2 * theirs
        found = torch.exp((mixture[k] - 1) * 10)
        torch.testing.assert_close(found / found.mean(), wanted / wanted.mean(), rtol=2e-3, atol=1e-4)


def test_a_random_filter_is_smooth_bounded_and_the_same_in_every_frame() -> None:
    torch.manual_seed(0)
    mel = torch.rand(5, 12, 40)
    change_db = (spec_augment.random_filter(mel, 6.0) - mel) * 43.43
    assert 2 < float(change_db.abs().max()) <= 6.01
    torch.testing.assert_close(change_db, change_db[:, :1].expand_as(change_db), atol=1e-3, rtol=0)
    assert float(change_db.diff(dim=2).abs().max()) < 12 / 39 * 5.1  # between six points


def test_areas_and_rates_of_known_scores() -> None:
    scores, positive = torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([False, False, True, True])
    assert classification.roc_auc(scores, positive) == pytest.approx(0.75)
    assert classification.equal_error_rate(scores, positive) == pytest.approx(0.5)
    assert classification.roc_auc(torch.zeros(4), positive) == pytest.approx(0.5)
    assert classification.equal_error_rate(torch.tensor([1.0, 2.0, 3.0, 4.0]), positive) == 0.0
    normal = torch.randn(20000, generator=torch.Generator().manual_seed(0))
    apart = torch.arange(20000) % 2 == 0
    assert classification.roc_auc(normal + 2 * apart, apart) == pytest.approx(0.921, abs=0.006)
    assert classification.equal_error_rate(normal + 2 * apart, apart) == pytest.approx(0.1587, abs=0.008)


def test_class_figures_of_a_known_confusion() -> None:
    counts = classification.confusion(torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 1, 1, 1, 0]), 3)
    assert counts.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    figures = classification.class_figures(counts)
    assert figures["f1"].tolist() == pytest.approx([0.5, 2 / 3, 0.0])


def test_the_fitted_temperature_undoes_a_wrong_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20000, 4, generator=generator)
    target = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    assert classification.fitted_temperature(3 * logits, target) == pytest.approx(3, rel=0.03)
    one = logits[:, :1]
    wanted = (torch.rand(20000, generator=generator) < one[:, 0].sigmoid()).long()
    assert classification.fitted_temperature(one / 2, wanted) == pytest.approx(0.5, rel=0.05)


def test_a_size_that_the_network_has_not_is_refused(tones: Path) -> None:  # noqa: F811
    ran = run_script("train_classification", "--dataset_path", tones, "--network", "vgg11", "--scale", 2)
    refused(ran, "--scale is no size of vgg11; its sizes are width, hidden_dim, dropout")
    refused(run_script("train_classification", "--network", "alexnet"), "--network alexnet; expected lstm / bcresnet")
    refused(run_script("train_classification", "--features", "mfcc"), "--features mfcc; expected mel80 / speech40")
