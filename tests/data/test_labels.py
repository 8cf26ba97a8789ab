"""Which recording carries which label, and what is refused."""

import csv
from pathlib import Path

import numpy as np
import pytest

from clearmel.audio import sound_file
from clearmel.core.errors import InputError
from clearmel.data import labels
from clearmel.data.splits import split_pools
from clearmel.options import MixOptions, PoolOptions
from tests.conftest import refused, run_script

TONES = {"low": 300.0, "middle": 1000.0, "high": 3000.0}


def tone(path: Path, frequency: float, seconds: float = 1.0, rate: int = 16000, level: float = 0.3) -> None:
    wave = level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)
    sound_file.write(path, wave.astype(np.float32), rate)


@pytest.fixture
def tones(workplace: Path) -> Path:
    """Three classes, four folds of two clips, at two sample rates."""
    for label, frequency in TONES.items():
        for fold in range(1, 5):
            for take in range(2):
                rate = 16000 if take else 22050
                tone(workplace / f"tones/{label}/{fold}-{take}.wav", frequency * (1 + 0.02 * fold), rate=rate)
    return workplace / "tones"


@pytest.fixture
def esc(tones: Path, workplace: Path) -> Path:
    """The same in the layout of ESC-50."""
    root = workplace / "esc"
    (root / "meta").mkdir(parents=True)
    (root / "audio").mkdir()
    with (root / "meta/esc50.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        for path in sorted(tones.rglob("*.wav")):
            name = f"{path.stem}-{path.parent.name}.wav"
            path.rename(root / "audio" / name)
            writer.writerow([name, path.name[0], 0, path.parent.name, True, "x", "A"])
    return root


def test_folders_and_the_table_tell_the_same(tones: Path, esc: Path) -> None:
    listing = labels.of_folder(esc)
    assert listing.labels == ["high", "low", "middle"]
    assert sorted(listing.targets) == [0] * 8 + [1] * 8 + [2] * 8
    for name, target, fold in zip(listing.names, listing.targets, listing.folds, strict=True):
        assert listing.labels[target] in name.name
        assert fold == int(name.name[0])


def test_a_fold_is_held_out_whole_and_0_holds_nothing_out(tones: Path) -> None:
    listing = labels.of_folder(tones)
    train, val = (labels.part(listing, split, 3, 0.2, 0) for split in ("train", "val"))
    assert set(val.folds) == {3}
    assert set(train.folds) == {1, 2, 4}
    assert len(train.names) + len(val.names) == 24
    assert len(labels.part(listing, "train", 0, 0.2, 0).names) == 24


def test_a_drawn_share_is_of_each_class_and_the_same_for_a_seed(tones: Path) -> None:
    listing = labels.of_folder(tones)
    train, val = (labels.part(listing, split, None, 0.25, 7) for split in ("train", "val"))
    assert [val.targets.count(k) for k in range(3)] == [2, 2, 2]
    assert not set(train.names) & set(val.names)
    assert labels.part(listing, "val", None, 0.25, 7).names == val.names


def test_noisy_and_clean_folders_keep_their_published_numbers(tree: Path) -> None:
    listing = labels.of_folder(tree / "val")
    assert listing.labels == ["noisy", "clean"]
    assert all((name.parts[0] == "clean") == bool(k) for name, k in zip(listing.names, listing.targets, strict=True))


def test_targets_follow_the_weights_and_unknown_labels_are_refused(tones: Path) -> None:
    listing = labels.of_folder(tones)
    turned = listing.called(["none", "middle", "low", "high"])
    assert [turned.labels[k] for k in turned.targets] == [listing.labels[k] for k in listing.targets]
    with pytest.raises(InputError, match="label middle, which the weights do not have; they classify high, low"):
        listing.called(["high", "low"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["columns (none); expected filename, fold, category"]),
        ("filename,fold\na.wav,1\n", ["columns filename, fold; expected filename, fold, category"]),
        ("filename,fold,category\n", ["lists nothing"]),
        ("filename,fold,category\n1-0-low.wav,x,low\n", ["line 2", "fold 'x'"]),
        ("filename,fold,category\n1-0-low.wav,1,\n", ["line 2", "no category"]),
        ("filename,fold,category\nno.wav,1,low\n1-0-low.wav,1,low\n", ["no.wav is missing"]),
        ("filename,fold,category\n1-0-low.wav,1,low\n", ["holds 1 class(es)"]),
    ],
)
def test_a_bad_table_is_one_line(esc: Path, text: str, words: list[str]) -> None:
    (esc / "meta/esc50.csv").write_text(text)
    refused(run_script("train_classification", "--dataset_path", esc, "--no_plots"), *words)


def test_a_table_that_is_not_text_is_refused(esc: Path) -> None:
    (esc / "meta/esc50.csv").write_bytes(b"\xff\xfe\x00filename")
    refused(run_script("train_classification", "--dataset_path", esc, "--no_plots"), "is not a CSV file")


def test_an_empty_fold_one_class_and_a_corrupt_clip_are_one_line(tones: Path) -> None:
    train = ("train_classification", "--no_plots", "--epochs", 1)
    refused(run_script(*train, "--dataset_path", tones, "--val_fold", 9), "no file of fold 9", "1, 2, 3, 4")
    (tones / "low/1-0.wav").write_bytes(b"RIFF nothing")
    refused(run_script(*train, "--dataset_path", tones, "--val_fold", 1, "--clip_s", 0.5), "1-0.wav", "not a readable")
    (tones / "low/1-0.wav").unlink()
    sound_file.write(tones / "low/1-0.wav", np.zeros(8000, np.float32), 16000)
    refused(run_script(*train, "--dataset_path", tones, "--val_fold", 2, "--clip_s", 0.5), "1-0.wav is silent")
    for label in ("middle", "high"):
        (tones / label).rename(tones.parent / label)
    refused(run_script(*train, "--dataset_path", tones), "holds 1 class(es); expected a sub-folder for each of two")


def test_lists_of_recordings_stand_for_folders(workplace: Path, rng: np.random.Generator) -> None:
    for name in ("speech/a/1.wav", "speech/b/2.wav", "noise/x.wav"):
        sound_file.write(workplace / name, rng.normal(0, 0.1, 16000).astype(np.float32), 16000)
    Path("speech/list.csv").write_text("filename\na/1.wav\nb/2.wav\n")  # relative to the list
    Path("noise.csv").write_text("filename,comment\nnoise/x.wav,here\n")  # relative to the current folder
    pools = split_pools(PoolOptions("speech/list.csv", "noise.csv", val_fraction=0.0), 0)
    pool = pools["train"]
    assert [Path(pool.clean_root, name).resolve() for name in pool.clean] == [
        (workplace / f"speech/{name}").resolve() for name in ("a/1.wav", "b/2.wav")
    ]
    assert Path(pool.noise_root, pool.noise[0]).samefile("noise/x.wav")
    by_speaker = split_pools(
        MixOptions("speech/list.csv", "noise.csv", val_noise_path="noise.csv", val_fraction=0.5), 0
    )
    assert {by_speaker["train"].clean, by_speaker["val"].clean} == {("a/1.wav",), ("b/2.wav",)}
    Path("noise.csv").write_text("filename\nnoise/x.wav\nnoise/y.wav\n")
    with pytest.raises(InputError, match=r"noise.csv lists noise/y.wav, which is missing"):
        split_pools(PoolOptions("speech/list.csv", "noise.csv", val_fraction=0.0), 0)


def test_a_list_and_its_folder_are_not_both_given() -> None:
    ran = run_script("train_classification", "--speech_csv", "s.csv", "--clean_path", "speech", "--noise_csv", "n.csv")
    refused(ran, "--speech_csv stands in place of --clean_path")
