import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile as sf
import torch
from torch import Tensor

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints.weights_file import make_card, save
from clearmel.cli.main import VERBS
from clearmel.cli.parser import Parser
from clearmel.networks import LSTMClassifier, LSTMDenoiser, Network
from tests.conftest import ROOT, main_of, refused, run_process, run_script

SCRIPTS = sorted({path.stem for path in ROOT.glob("*.py")} | {module for module, _ in VERBS.values()})

# The published flags and defaults: they keep them for ever.
PUBLISHED = {
    "train_classification": {"epochs": 50, "dataset_path": "./data", "model_filename": "classifier.pth"},
    "train_denoising": {"epochs": 10, "dataset_path": "./data", "model_filename": "denoiser.pth"},
    "eval_classification": {"dataset_path": "./data/val", "model_filename": "classifier.pth"},
    "eval_denoising": {"dataset_path": "./data/val", "model_filename": "denoiser.pth"},
    "inference_spectrogram": {
        "input_path": "./data/noisy.npy", "model_filename": "denoiser.pth", "output_path": "./data/predicted.npy",
    },
    "inference_audio": {
        "input_path": "./data/noisy.wav", "model_filename": "denoiser.pth", "output_path": "./data/predicted.wav",
    },
    "inference_from_dataset": {
        "dataset_path": "./data/val", "model_filename": "denoiser.pth", "clean_path": "./data/sample_clean.wav",
        "noisy_path": "./data/sample_noisy.wav", "predicted_path": "./data/sample_predicted.wav",
    },
    "inference_classification": {"model_filename": "classifier.pth"},
    "build_dataset": {"output_path": "./data"},
}  # fmt: skip


NO_JSON = {
    "label": "serves a page until Ctrl-C",
    "studio": "serves a page until Ctrl-C",
    "plot": "draws and computes no figures",
    "train": "writes models/<name>.recipe.json",
    "train classification": "writes models/<name>.history.json",
    "train denoising": "writes models/<name>.history.json",
    "train cutting": "writes models/<name>.history.json",
    "train separation": "writes models/<name>.history.json",
    "train speakers": "writes models/<name>.history.json",
    "build dataset": "writes mix.csv",
    "build separation_dataset": "writes mix.csv",
    "build speech": "writes files of fixed names",
    "build face_embeddings": "writes one array per clip, under its name",
    "download": "writes report.csv",
    "sample": "writes three files of given names",
    "average": "writes one file of a given name",
}
NO_DEVICE = {"export": "the ONNX file is compared with torch on the CPU", "average": "runs no network"}


class Parsed(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


@pytest.fixture
def flags_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, argparse.Action]]:
    def caught(parser: argparse.ArgumentParser, *_: object) -> None:
        raise Parsed(parser)

    def flags(name: str) -> dict[str, argparse.Action]:
        with pytest.raises(Parsed) as stop:
            main_of(name)([])
        return {action.dest: action for action in stop.value.parser._actions}

    monkeypatch.setattr(Parser, "parse_args", caught)
    return flags


@pytest.mark.parametrize("verb", VERBS)
def test_flags_agree_everywhere(verb: str, flags_of: Callable[[str], dict[str, argparse.Action]]) -> None:
    """What draws takes --plot_dir and --no_plots, what runs a network --device, what reports --json."""
    module = VERBS[verb][0]
    flags = flags_of(module)
    draws = "plots" in (ROOT / f"src/clearmel/cli/{module}.py").read_text()
    assert ("plot_dir" in flags, "no_plots" in flags) == (draws, draws)
    runs = "model_filename" in flags or verb == "studio"  # where the page names the models
    assert ("device" in flags) == (runs and verb not in NO_DEVICE)
    assert "device" not in flags or flags["device"].default == "auto"
    assert ("json" in flags) == (verb not in NO_JSON)


@pytest.mark.parametrize("name", SCRIPTS)
def test_published_flags_and_defaults_stay(name: str, flags_of: Callable[[str], dict[str, argparse.Action]]) -> None:
    flags = flags_of(name)
    for flag, default in PUBLISHED.get(name, {}).items():
        assert flags[flag].default == default
        assert f"--{flag}" in flags[flag].option_strings
    assert all(action.help for action in flags.values())


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_needs_nothing_heavy(name: str, workplace: Path) -> None:
    ran = run_process(name, "--help", cwd=workplace)
    assert ran.status == 0
    assert ran.out.startswith("usage: ")
    probe = workplace / "probe.py"
    probe.write_text(
        f"import sys\nfrom {main_of(name).__module__} import {main_of(name).__name__} as main\n"
        "try:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        "assert not {'torch', 'numpy', 'matplotlib', 'soundfile'} & set(sys.modules), sorted(sys.modules)\n"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, str(probe)], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_command_runs_on_a_built_dataset(built: Path, workplace: Path) -> None:
    Path("data").symlink_to(built)
    Path("sounds").mkdir()
    Path("sounds/noisy.wav").write_bytes((ROOT / "data/noisy.wav").read_bytes())
    Path("sounds/noisy.npy").write_bytes((ROOT / "data/noisy.npy").read_bytes())
    for script, word in (("train_classification", "accuracy"), ("train_denoising", "mse_denoised")):
        ran = run_script(script, "--epochs", 2)
        assert ran.status == 0, ran
        assert word in ran.out
        assert "picture: plots" in ran.err
    evaluated = run_script("eval_denoising", "--max_plots", 2)
    assert evaluated.out.startswith("MSE noisy 0.")
    assert len(list(Path("plots").glob("000*.png"))) == 2
    assert "accuracy" in run_script("eval_classification").out
    sounds = ("--input_path", "sounds/noisy.npy", "--output_path", "sounds/predicted.npy")
    assert run_script("inference_spectrogram", *sounds).status == 0
    assert np.load("sounds/predicted.npy").shape == np.load("sounds/noisy.npy").shape
    assert Path("plots/spectrogram.png").stat().st_size > 5000
    for reconstruction in ("gain", "griffin_lim"):
        ran = run_script(
            "inference_audio", "--input_path", "sounds/noisy.wav", "--output_path", f"{reconstruction}.wav",
            "--reconstruction", reconstruction,
        )  # fmt: skip
        assert ran.status == 0, ran
        assert sf.info(f"{reconstruction}.wav").frames == sf.info("sounds/noisy.wav").frames
    ran = run_script("inference_classification", "--input_path", "sounds")
    assert [line.split()[2] for line in ran.out.splitlines()] == [
        f"sounds/{name}" for name in ("noisy.npy", "noisy.wav", "predicted.npy")
    ]


def test_a_pair_is_drawn_by_seed_and_becomes_three_recordings(built: Path, denoiser: Network) -> None:
    names = []
    for seed in (1, 1, 2):
        ran = run_script("inference_from_dataset", "--dataset_path", built / "val", "--seed", seed,
                         "--clean_path", "c.wav", "--noisy_path", "n.wav", "--predicted_path", "p.wav")  # fmt: skip
        assert ran.status == 0, ran
        names.append(ran.out.splitlines()[0])
    assert names[0] == names[1] != names[2]
    clean, noisy = np.load(built / "val/clean" / names[2]), np.load(built / "val/noisy" / names[2])
    for path, mel in (("c.wav", clean), ("n.wav", noisy)):
        wave, rate = sound_file.read(path)
        assert rate == 16000
        assert len(wave) == (len(mel) - 1) * 256
        again = MelFeatures().mel(torch.from_numpy(wave)).numpy()
        loud = mel > mel.max() - 1.0
        assert np.abs(again - mel)[loud].mean() * 43.4 < 3.0


class Louder(LSTMClassifier):
    """Calls everything clean whose mean log-mel is above -1."""

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        return torch.stack([row[:n].mean()[None] + 1 for row, n in zip(mel, lengths.tolist(), strict=True)])


def test_eval_classification_json_is_one_value_with_fractions(
    tree: Path, classifier: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, path in enumerate(sorted((tree / "val/clean").rglob("*.npy"))):
        np.save(path, np.full((20, 80), -1.5 if index == 0 else 0.5, np.float32))
    for path in (tree / "val/noisy").rglob("*.npy"):
        np.save(path, np.full((20, 80), -1.5, np.float32))
    monkeypatch.setattr("clearmel.networks.NETWORKS", {"lstm_classifier": Louder})
    monkeypatch.setattr("clearmel.checkpoints.assembly.NETWORKS", {"lstm_classifier": Louder})
    ran = run_script("eval_classification", "--json", "--csv_path", "rows.csv")
    report = json.loads(ran.out)
    assert report["n"] == 6
    assert report["accuracy"] == pytest.approx(5 / 6)
    assert report["precision"] == 1.0
    assert report["recall"] == pytest.approx(2 / 3)
    rows = list(csv.DictReader(Path("rows.csv").read_text().splitlines()))
    assert len(rows) == 6
    assert {row["name"].split("/")[0] for row in rows if row["label"] == "1.0"} == {"clean"}


def test_eval_denoising_json_is_the_mean_over_items(tree: Path, denoiser: Network) -> None:
    ran = run_script("eval_denoising", "--json", "--csv_path", "rows.csv")
    report, rows = json.loads(ran.out), list(csv.DictReader(Path("rows.csv").read_text().splitlines()))
    assert report["n"] == len(rows) == 3
    noisy = []
    for row in rows:
        noisy.append(
            np.square(np.load(tree / "val/noisy" / row["name"]) - np.load(tree / "val/clean" / row["name"])).mean()
        )
        assert float(row["mse_noisy"]) == pytest.approx(noisy[-1], rel=1e-4)
    assert report["mse_noisy"] == pytest.approx(np.mean(noisy), rel=1e-4)
    assert report["mse_denoised"] == pytest.approx(np.mean([float(row["mse_denoised"]) for row in rows]), rel=1e-6)
    assert "picture" in ran.err


def test_inference_classification_json(recording: Path, classifier: Network, workplace: Path) -> None:
    ran = run_script("inference_classification", "--input_path", recording, "--json")
    (entry,) = json.loads(ran.out)
    assert entry["path"] == str(recording)
    assert entry["label"] in ("noisy", "clean")
    assert 0.5 <= entry["probability"] <= 1
    mel = MelFeatures().mel(torch.from_numpy(sound_file.read(recording)[0]))
    with torch.no_grad():
        clean = float(classifier(mel[None], torch.tensor([len(mel)])).sigmoid())
    assert entry["probability"] == pytest.approx(max(clean, 1 - clean), abs=1e-5)


def test_flat_pairs_and_sound_files_stand_in_for_the_tree(
    workplace: Path, rng: np.random.Generator, save_network: Callable[..., Network]
) -> None:
    for side in ("clean_trainset", "noisy_trainset", "clean_testset", "noisy_testset"):
        for index in range(3):
            sound_file.write(Path(side, f"p{index}.wav"), rng.normal(0, 0.1, 48000).astype(np.float32), 48000)
    ran = run_script(
        "train_denoising", "--noisy_path", "noisy_trainset", "--clean_path", "clean_trainset", "--val_noisy_path",
        "noisy_testset", "--val_clean_path", "clean_testset", "--epochs", 1, "--no_plots", "--cache_path", "cache",
    )  # fmt: skip
    assert ran.status == 0, ran
    assert "3 items to train on, 3 to validate" in ran.out
    assert len(list(Path("cache").iterdir())) == 12
    ran = run_script("eval_denoising", "--noisy_path", "noisy_testset", "--clean_path", "clean_testset", "--no_plots")
    assert "(3 items)" in ran.out


def test_a_folder_keeps_its_tree(denoiser: Network, recording: Path, workplace: Path) -> None:
    for name in ("a.wav", "deep/er/b.flac"):
        wave, rate = sound_file.read(recording)
        sound_file.write(Path("in", name), wave, rate)
    assert run_script("inference_audio", "--input_path", "in", "--output_path", "out").status == 0
    assert sorted(path.as_posix() for path in Path("out").rglob("*.*")) == ["out/a.wav", "out/deep/er/b.flac"]


def test_json_names_every_file_that_was_written(denoiser: Network, recording: Path, workplace: Path) -> None:
    wave, rate = sound_file.read(recording)
    for name in ("in/a.wav", "in/b/c.flac"):
        sound_file.write(Path(name), wave, rate)
    Path("in/bad.wav").write_text("no sound")
    ran = run_script("denoise", "in", "-o", "out", "--json", "--csv_path", "rows.csv")
    assert ran.status == 1
    assert json.loads(ran.out) == [
        {"path": "in/a.wav", "output": "out/a.wav"}, {"path": "in/b/c.flac", "output": "out/b/c.flac"}
    ]  # fmt: skip
    assert all(sf.info(row["output"]).frames == len(wave) for row in json.loads(ran.out))
    assert list(csv.DictReader(Path("rows.csv").read_text().splitlines())) == json.loads(ran.out)
    np.save("mel.npy", np.zeros((20, 80), np.float32))
    assert json.loads(run_script("denoise", "mel.npy", "--json").out) == [
        {"path": "mel.npy", "output": "mel_denoised.npy"}
    ]
    refused(run_script("denoise", recording, "-o", "-", "--json"), "--json", "stdout")
    found = run_script(
        "separate", recording, "-o", "voices", "--json", "--model_filename", ROOT / "models/separator.pth"
    )
    rows = json.loads(found.out)
    assert [(row["voice"], row["output"]) for row in rows] == [
        (number, f"voices/voice_{number}.wav") for number in (1, 2)
    ]
    assert all(sf.info(row["output"]).frames == len(wave) for row in rows)


def test_before_and_after_are_drawn_on_request(denoiser: Network, recording: Path) -> None:
    ran = run_script("inference_audio", "--input_path", recording, "--output_path", "o.wav", "--plot_dir", "p")
    assert "picture: p/o_before_after.png" in ran.err
    sound_file.write("in/x.wav", *sound_file.read(recording))
    assert "picture: q/x_before_after.png" in run_script("denoise", "in", "-o", "out", "--plot_dir", "q").err
    assert "picture" not in run_script("denoise", "in", "-o", "out", "--plot_dir", "r", "--no_plots").err
    assert "picture" not in run_script("inference_audio", "--input_path", recording, "--output_path", "q.wav").err


def test_clipping_is_told_and_the_level_is_not_changed(workplace: Path, rng: np.random.Generator) -> None:
    class Same(LSTMDenoiser):
        def forward(self, mel: Tensor, *_: object) -> tuple[Tensor, None, None]:  # type: ignore[override]
            return mel, None, None

    wave = rng.uniform(-1.5, 1.5, 16000).astype(np.float32)
    sound_file.write("loud.wav", wave, 16000, "FLOAT")
    network = Same()
    network.card = make_card(LSTMDenoiser(), "denoising", MelFeatures())
    from clearmel.inference import denoise

    denoise.denoise_file(network, Path("loud.wav"), Path("same.wav"))
    np.testing.assert_allclose(sound_file.read("same.wav")[0], wave, atol=1e-4)


def test_a_clipped_file_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    sound_file.write("out.flac", np.array([0.0, 1.7], np.float32), 16000)
    assert "out.flac is clipped: peak 1.70" in capsys.readouterr().err


def test_weights_are_found_in_models_of_the_working_folder_first(denoiser: Network, recording: Path) -> None:
    quiet = LSTMDenoiser(attenuation=True)
    torch.nn.init.constant_(quiet.hidden2spectrogram.bias, 2.0)
    quiet.card = make_card(quiet, "denoising", MelFeatures())
    save("models/quiet.pth", quiet.state_dict())
    ran = run_script(
        "inference_audio", "--input_path", recording, "--model_filename", "quiet.pth", "--output_path", "o.wav"
    )
    assert ran.status == 0
    assert np.abs(sound_file.read("o.wav")[0]).max() < 0.01 * np.abs(sound_file.read(recording)[0]).max()


@pytest.mark.parametrize("kind", ["waveform", "stft", "mel", "mfcc", "mel3d"])
def test_a_recording_of_any_rate_is_drawn(kind: str, workplace: Path, rng: np.random.Generator) -> None:
    sound_file.write("a.wav", rng.uniform(-0.5, 0.5, (2, 11025)).astype(np.float32), 11025)
    ran = run_script("plot", "a.wav", "--kind", kind, "--plot_dir", "p")
    assert ran.status == 0, ran
    assert np.ptp(matplotlib.image.imread(f"p/a_{kind}.png")[..., :3]) > 0.5
    refused(run_script("plot", "a.wav", "--start_s", 5), "ends at 1.0 s")
