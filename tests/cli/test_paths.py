"""Inputs and outputs of the commands that work on recordings."""

import json
from pathlib import Path

import pytest
import soundfile as sf

from clearmel.cli.main import main
from clearmel.cli.paths import jobs
from clearmel.core.errors import InputError
from clearmel.networks import Network
from tests.conftest import ROOT, refused, run_script


@pytest.mark.parametrize(
    ("paths", "output", "folder", "expected"),
    [
        (["a.wav"], None, False, ["a_denoised.wav"]),
        (["x/a.wav", "y.flac"], None, False, ["x/a_denoised.wav", "y_denoised.flac"]),
        (["there"], None, False, ["there_denoised"]),
        (["a.wav"], "o.wav", False, ["o.wav"]),
        (["a.wav"], "there", False, ["there/a.wav"]),
        (["there"], "new", False, ["new"]),
        (["a.wav", "x/b.wav"], "new", False, ["new/a.wav", "new/b.wav"]),
        (["a.wav"], None, True, ["a_denoised"]),
        (["a.wav"], "there", True, ["there"]),
        (["a.wav", "b.wav"], "new", True, ["new/a", "new/b"]),
        (["-"], None, False, ["-"]),
        (["a.wav"], "-", False, ["-"]),
        (["-"], "o.wav", False, ["o.wav"]),
    ],
)
def test_every_input_has_its_output(
    paths: list[str], output: str | None, folder: bool, expected: list[str], workplace: Path
) -> None:
    Path("there").mkdir()
    assert [job.target for job in jobs(paths, output, "denoised", folder=folder)] == expected


@pytest.mark.parametrize(
    ("paths", "output"),
    [(["-", "a.wav"], None), (["a.wav", "x/a.wav"], "new"), (["a.wav", "b.wav"], "-"), (["a.wav", "b.wav"], "file")],
)
def test_outputs_that_collide_are_refused(paths: list[str], output: str | None, workplace: Path) -> None:
    Path("file").touch()
    with pytest.raises(InputError):
        jobs(paths, output, "denoised")


def test_several_files_lie_beside_their_inputs_and_a_bad_one_is_named(denoiser: Network, recording: Path) -> None:
    Path("bad.wav").write_bytes(b"RIFF")
    Path("mel.npy").write_bytes((ROOT / "data/noisy.npy").read_bytes())
    ran = run_script("denoise", "in.wav", "bad.wav", "mel.npy", "--no_plots")
    refused(ran, "bad.wav", status=1)
    assert sf.info("in_denoised.wav").frames == sf.info("in.wav").frames
    assert Path("mel_denoised.npy").exists()
    assert not Path("bad_denoised.wav").exists()


def test_a_single_bad_file_is_the_users_mistake(denoiser: Network, workplace: Path) -> None:
    refused(run_script("denoise", "none.wav"), "none.wav does not exist")


def test_the_command_and_the_script_write_the_same_bytes(denoiser: Network, recording: Path) -> None:
    assert run_script("denoise", "in.wav", "-o", "a.wav").status == 0
    assert run_script("inference_audio", "--input_path", "in.wav", "--output_path", "b.wav").status == 0
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()


def test_a_training_by_verb_is_a_training_by_script(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--epochs", "2", "--no_plots", "--seed", "3"]
    assert main(["train", "denoising", *flags, "--model_filename", "a.pth"]) == 0
    assert run_script("train_denoising", *flags, "--model_filename", "b.pth").status == 0
    first, second = (json.loads(Path(f"models/{name}.history.json").read_text()) for name in "ab")
    assert first == second


@pytest.mark.parametrize("words", [["dance"], ["train"], ["train", "dancing"], ["build"]])
def test_an_unknown_verb_is_one_line_with_what_there_is(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "no such verb" in capsys.readouterr().err
