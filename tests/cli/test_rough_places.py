"""Full and read-only disks, links in circles, names at the limit, two runs at once: one line, and nothing is lost."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from clearmel.core.errors import InputError
from clearmel.core.file_io import claiming, list_files
from clearmel.networks import Network
from clearmel.segments.label_file import LabelFile
from tests.conftest import ROOT, refused, run_script


def clean_it(source: object, target: object) -> object:
    return run_script("inference_audio", "--input_path", source, "--output_path", target)


def fill(path: Path) -> None:
    """A file that takes all the room there is."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.fixture
def sealed_disk(small_disk: Path) -> Path:
    """A read-only file system that holds a file."""
    (small_disk / "older.txt").write_text("older")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk


def test_a_full_disk_while_building_leaves_only_whole_files(small_disk: Path) -> None:
    ran = run_script(
        "build_dataset", "--clean_path", ROOT / "data/speech", "--noise_path", ROOT / "data/noise", "--val_speakers",
        "ru", "--val_noises", "val_market", "--output_path", small_disk, "--workers", 1,
    )  # fmt: skip
    refused(ran, "cannot write", "No space left")
    for path in small_disk.rglob("*.npy"):
        assert np.load(path).shape[1] == 80
    assert not list(small_disk.rglob(".clearmel-*"))


def test_a_full_disk_keeps_the_labels(small_disk: Path) -> None:
    store = LabelFile(small_disk / "labels.json", ["a.wav", "b.wav"])
    assert store.save("a.wav", [[0.1, 0.2]], 1.0, None)[0]
    fill(small_disk / "filler")
    with pytest.raises(InputError, match="cannot write"):
        store.save("b.wav", [[k / 100, k / 100 + 0.005] for k in range(99)], 1.0, None)
    assert list(json.loads((small_disk / "labels.json").read_text())["files"]) == ["a.wav"]
    (small_disk / "filler").unlink()
    assert store.save("b.wav", [[0.3, 0.4]], 1.0, None)[0]
    assert sorted(json.loads((small_disk / "labels.json").read_text())["files"]) == ["a.wav", "b.wav"]


def test_a_read_only_disk(denoiser: Network, tree: Path, recording: Path, sealed_disk: Path) -> None:
    refused(clean_it(recording, sealed_disk / "out.wav"), "cannot write", "Read-only")
    refused(clean_it(recording, sealed_disk / "deep/out.wav"), "cannot write", "Read-only")
    refused(
        run_script("train_denoising", "--epochs", 1, "--no_plots", "--model_filename", sealed_disk / "d.pth"),
        "cannot write",
        "Read-only",
    )
    refused(
        run_script(
            "build_dataset", "--clean_path", ROOT / "data/speech", "--noise_path", ROOT / "data/noise",
            "--output_path", sealed_disk / "set",
        ),
        "cannot write",
        "Read-only",
    )  # fmt: skip
    assert [path.name for path in sealed_disk.iterdir()] == ["older.txt"]


def test_a_dataset_on_a_read_only_disk_teaches(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("sealed")
    if subprocess.run(["mount", "--bind", str(tree), str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        ran = run_script("train_denoising", "--epochs", 1, "--no_plots", "--dataset_path", folder)
        assert ran.status == 0, ran
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_second_training_of_one_name_is_refused_at_once(tree: Path, workplace: Path) -> None:
    train = ["train_denoising", "--epochs", 1, "--no_plots", "--network", "lstm"]
    with claiming(workplace / "models/denoiser.resume.pth"):
        refused(run_script(*train), "another run is writing", "denoiser")
        assert run_script(*train, "--model_filename", "other.pth").status == 0
    assert not (workplace / "models/denoiser.pth").exists()
    assert run_script(*train).status == 0
    assert not list(Path("models").glob(".*"))


def test_names_of_255_bytes(denoiser: Network, recording: Path) -> None:
    for stem in ("x" * 251, "ж" * 125 + "x"):
        shutil.copy(recording, f"{stem}.wav")
        assert clean_it(f"{stem}.wav", f"out/{stem}.wav").status == 0
        assert sf.info(f"out/{stem}.wav").frames == sf.info(recording).frames
    refused(clean_it(recording, f"out/{'y' * 252}.wav"), "name too long")


def test_links_are_followed_once(recording: Path, workplace: Path) -> None:
    Path("in/deep").mkdir(parents=True)
    shutil.move(recording, "in/a.wav")
    os.link("in/a.wav", "in/deep/b.wav")
    Path("in/link.wav").symlink_to("a.wav")
    Path("in/deep/circle").symlink_to("..")
    Path("elsewhere").mkdir()
    shutil.copy("in/a.wav", "elsewhere/c.wav")
    Path("in/outside").symlink_to("../elsewhere")
    Path("in/broken.wav").symlink_to("nowhere.wav")
    names = [path.as_posix() for path in list_files("in", (".wav",))]
    assert names == ["a.wav", "broken.wav", "deep/b.wav", "link.wav", "outside/c.wav"]


def test_a_full_disk_ends_the_cleaning_of_a_folder_in_one_line(denoiser: Network, small_disk: Path) -> None:
    Path("in").mkdir()
    for index in range(6):
        sf.write(f"in/{index}.wav", np.random.default_rng(index).normal(0, 0.1, 48000), 16000)
    refused(clean_it("in", small_disk), "cannot write", "disk")
    written = list(small_disk.iterdir())
    assert 0 < len(written) < 6
    assert all(sf.info(path).frames == 48000 for path in written)
