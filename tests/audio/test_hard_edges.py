"""Every bad input: one clear line, exit status 2 (1 for some files of a folder), nothing lost."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from clearmel.audio import sound_file
from clearmel.networks import Network
from tests.conftest import ROOT, refused, run_script

RECORDING = ROOT / "data/speech/en/vm-sorry.flac"


def clean_it(source: Path | str, target: str = "out.wav") -> object:
    return run_script("inference_audio", "--input_path", source, "--output_path", target)


@pytest.mark.parametrize(
    ("script", "flag"),
    [
        ("train_denoising", "--dataset_path"),
        ("train_classification", "--dataset_path"),
        ("eval_denoising", "--dataset_path"),
        ("eval_classification", "--dataset_path"),
        ("inference_spectrogram", "--input_path"),
        ("inference_audio", "--input_path"),
        ("inference_from_dataset", "--dataset_path"),
        ("inference_classification", "--input_path"),
        ("build_dataset", "--clean_path"),
    ],
)
def test_a_missing_path(script: str, flag: str, denoiser: Network, classifier: Network) -> None:
    refused(run_script(script, flag, "not here"), "not here", "does not exist")


def test_missing_weights(recording: Path) -> None:
    ran = run_script("inference_audio", "--input_path", recording, "--model_filename", "none.pth")
    refused(ran, "models/none.pth does not exist")


def test_an_empty_folder(denoiser: Network, classifier: Network, workplace: Path) -> None:
    Path("empty/noisy").mkdir(parents=True)
    Path("empty/clean").mkdir()
    for script in ("inference_audio", "inference_classification"):
        refused(run_script(script, "--input_path", "empty"), "empty holds no")
    for script in ("eval_denoising", "eval_classification"):
        refused(run_script(script, "--dataset_path", "empty"), "holds no")


def test_a_folder_without_sides(denoiser: Network, workplace: Path) -> None:
    Path("d").mkdir()
    refused(run_script("eval_denoising", "--dataset_path", "d"), "no folder 'noisy'", "clearmel build dataset")


def test_a_missing_partner(tree: Path, denoiser: Network) -> None:
    next((tree / "val/clean").rglob("*.npy")).unlink()
    refused(run_script("eval_denoising", "--no_plots"), "has no partner")


def test_unequal_lengths_in_a_pair(tree: Path, denoiser: Network) -> None:
    path = next((tree / "val/clean").rglob("*.npy"))
    np.save(path, np.load(path)[:-1])
    refused(run_script("eval_denoising", "--no_plots"), "expected equal lengths")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((80, 31), np.float32), "has shape (80, 31); expected (frames, 80). Transpose it"),
        (np.zeros((31, 40), np.float32), "has shape (31, 40)"),
        (np.full((31, 80), np.nan, np.float32), "2480 NaN or infinite"),
        (np.full((31, 80), np.inf, np.float32), "NaN or infinite"),
        (np.array([{"a": 1}], dtype=object), "is not a readable .npy array"),
        (np.zeros((31, 80), complex), "holds complex128"),
    ],
)
def test_a_wrong_mel(array: np.ndarray, words: str, denoiser: Network, classifier: Network) -> None:
    np.save("bad.npy", array, allow_pickle=True)
    refused(run_script("inference_spectrogram", "--input_path", "bad.npy", "--output_path", "o.npy"), words)
    refused(run_script("inference_classification", "--input_path", "bad.npy"), words)
    assert not Path("o.npy").exists()


@pytest.mark.parametrize("size", [0, 5, 60, 1000])
def test_a_truncated_mel(size: int, denoiser: Network) -> None:
    Path("cut.npy").write_bytes((ROOT / "data/noisy.npy").read_bytes()[:size])
    refused(run_script("inference_spectrogram", "--input_path", "cut.npy"), "cut.npy is not a readable .npy array")


def test_a_pickled_mel_is_not_run(denoiser: Network) -> None:
    Path("p.npy").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    refused(run_script("inference_spectrogram", "--input_path", "p.npy"), "p.npy is not a readable .npy array")
    assert not Path("owned").exists()


def test_an_archive_of_mels(denoiser: Network) -> None:
    np.savez("m.npz", a=np.zeros((3, 80)))
    Path("m.npz").rename("m.npy")
    refused(run_script("inference_spectrogram", "--input_path", "m.npy"), "is an .npz archive")


def test_zero_length_sound(denoiser: Network, classifier: Network) -> None:
    sf.write("zero.wav", np.zeros(0, np.float32), 16000)
    refused(clean_it("zero.wav"), "zero.wav holds no samples")
    refused(run_script("inference_classification", "--input_path", "zero.wav"), "holds no samples")


@pytest.mark.parametrize("rate", [8000, 16000, 192000])
def test_one_sample_is_cleaned_and_classified(rate: int, denoiser: Network, classifier: Network) -> None:
    sf.write("one.wav", np.array([0.5], np.float32), rate)
    assert clean_it("one.wav").status == 0
    assert sf.info("out.wav").frames == 1
    assert run_script("inference_classification", "--input_path", "one.wav").status == 0


def test_silence_stays_silent(denoiser: Network, classifier: Network) -> None:
    sf.write("silence.wav", np.zeros(16000, np.float32), 16000)
    assert clean_it("silence.wav").status == 0
    assert np.abs(sound_file.read("out.wav")[0]).max() == 0
    assert run_script("inference_classification", "--input_path", "silence.wav").status == 0


@pytest.mark.parametrize("size", [0, 3, 20, 44])
def test_a_truncated_or_fake_wav(size: int, denoiser: Network, recording: Path) -> None:
    Path("cut.wav").write_bytes(recording.read_bytes()[:size])
    refused(clean_it("cut.wav"), "cut.wav")
    assert not Path("out.wav").exists()
    Path("fake.wav").write_bytes(b"\x89PNG not sound" * 100)
    refused(clean_it("fake.wav"), "fake.wav is not a readable sound file")


def test_a_wav_cut_in_the_middle_is_told_and_one_from_a_pipe_is_read(denoiser: Network, recording: Path) -> None:
    whole = recording.read_bytes()
    Path("cut.wav").write_bytes(whole[:-1000])
    refused(clean_it("cut.wav"), "cut.wav is truncated: 31000 of 32000 bytes of sound")
    at = whole.index(b"data") + 4
    Path("pipe.wav").write_bytes(whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :])
    assert clean_it("pipe.wav").status == 0
    assert sf.info("out.wav").frames == 16000


def test_a_wav_of_a_crashed_recorder_is_read_whole(denoiser: Network, recording: Path) -> None:
    whole = recording.read_bytes()
    at = whole.index(b"data") + 4
    Path("crashed.wav").write_bytes(whole[:4] + bytes(4) + whole[8:at] + bytes(4) + whole[at + 4 :])
    assert np.array_equal(sound_file.read("crashed.wav")[0], sound_file.read(recording)[0])
    assert clean_it("crashed.wav").status == 0
    assert sf.info("out.wav").frames == 16000
    tags = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    Path("empty.wav").write_bytes(whole[:at] + bytes(4) + tags)
    refused(clean_it("empty.wav"), "empty.wav holds no samples")


def test_a_truncated_flac_leaves_no_output(denoiser: Network, workplace: Path) -> None:
    whole = (ROOT / "data/speech/en/vm-sorry.flac").read_bytes()
    Path("cut.flac").write_bytes(whole[: len(whole) // 2])
    refused(clean_it("cut.flac", "out.flac"), "cut.flac is")
    assert sorted(path.name for path in workplace.iterdir()) == ["cut.flac", "models"]


def test_sound_with_nan(denoiser: Network) -> None:
    sf.write("nan.wav", np.array([0.1, np.nan] * 500, np.float32), 16000, subtype="FLOAT")
    refused(clean_it("nan.wav"), "nan.wav holds NaN or infinite samples")


@pytest.mark.parametrize(("rate", "n_channels"), [(16000, 8), (8000, 1), (192000, 2), (22050, 1)])
def test_odd_rates_and_channels_come_out_as_they_went_in(rate: int, n_channels: int, denoiser: Network, rng) -> None:
    sf.write("odd.wav", rng.normal(0, 0.1, (rate, n_channels)), rate)
    assert clean_it("odd.wav").status == 0
    info = sf.info("out.wav")
    assert (info.samplerate, info.channels, info.frames) == (rate, n_channels, rate)


def test_weights_of_another_task(denoiser: Network, classifier: Network, recording: Path) -> None:
    ran = run_script("inference_audio", "--input_path", recording, "--model_filename", "classifier.pth")
    refused(ran, "holds weights for classification; expected denoising")
    ran = run_script("inference_classification", "--input_path", recording, "--model_filename", "denoiser.pth")
    refused(ran, "holds weights for denoising; expected classification")


def test_hostile_weights(recording: Path, workplace: Path) -> None:
    Path("models").mkdir()
    Path("models/denoiser.pth").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    refused(clean_it(recording), "models/denoiser.pth", "was not run")
    assert not Path("owned").exists()


def test_an_unwritable_output(denoiser: Network, recording: Path, workplace: Path) -> None:
    Path("file").write_text("x")
    refused(clean_it(recording, "file/out.wav"), "cannot write file/out.wav")
    refused(clean_it(recording, "out.xyz"), "unknown suffix '.xyz'", ".flac")
    if os.geteuid() != 0:  # root may write anywhere
        Path("locked").mkdir(mode=0o500)
        refused(clean_it(recording, "locked/out.wav"), "cannot write locked/out.wav")


def test_a_folder_as_output_receives_the_file(denoiser: Network, recording: Path, workplace: Path) -> None:
    Path("folder.wav").mkdir()
    mel = ROOT / "data/noisy.npy"
    ran = [
        clean_it(recording, "folder.wav"),
        run_script("inference_spectrogram", "--input_path", mel, "--output_path", "folder.wav", "--no_plots"),
        run_script("inference_cutting", "--input_path", RECORDING, "--output_path", "folder.wav"),
    ]
    assert [one.status for one in ran] == [0, 0, 0], ran
    assert sorted(path.name for path in Path("folder.wav").iterdir()) == sorted(
        [recording.name, "noisy.npy", RECORDING.name]
    )


def test_a_format_that_cannot_hold_the_channels(denoiser: Network, rng) -> None:
    sf.write("eight.wav", rng.normal(0, 0.1, (4000, 8)), 16000)
    refused(clean_it("eight.wav", "out.mp3"), "cannot write out.mp3 (16000 Hz, 8 channels")
    assert not Path("out.mp3").exists()


def test_output_equal_to_input(denoiser: Network, recording: Path, workplace: Path) -> None:
    before = recording.read_bytes()
    refused(clean_it(recording, str(recording)), "is both input and output")
    Path("link.wav").symlink_to(recording)
    refused(clean_it(recording, "link.wav"), "is both input and output")
    assert recording.read_bytes() == before
    shutil.copy(ROOT / "data/noisy.npy", "m.npy")
    refused(
        run_script("inference_spectrogram", "--input_path", "m.npy", "--output_path", "m.npy"), "both input and output"
    )


def test_a_full_disk_while_saving_sound(denoiser: Network, small_disk: Path, rng) -> None:
    sf.write("long.wav", rng.normal(0, 0.1, 16000 * 20), 16000)
    kept = small_disk / "out.wav"
    kept.write_bytes(b"older")
    refused(clean_it("long.wav", str(kept)), "cannot write", "Is the disk full?")
    assert kept.read_bytes() == b"older"
    assert [path.name for path in small_disk.iterdir()] == ["out.wav"]


def test_a_full_disk_while_saving_mels_and_weights(denoiser: Network, tree: Path, small_disk: Path) -> None:
    np.save("long.npy", np.zeros((2000, 80), np.float32))
    ran = run_script(
        "inference_spectrogram", "--input_path", "long.npy", "--output_path", small_disk / "o.npy", "--no_plots"
    )
    refused(ran, "cannot write")
    ran = run_script("train_denoising", "--model_filename", small_disk / "d.pth", "--epochs", 1, "--no_plots")
    refused(ran, "cannot write")
    assert not list(small_disk.glob(".*"))


def test_a_bad_file_in_a_folder_is_told_and_the_rest_is_done(
    denoiser: Network, classifier: Network, recording: Path, workplace: Path
) -> None:
    Path("in").mkdir()
    for name in ("a.wav", "c.wav"):
        shutil.copy(recording, Path("in", name))
    Path("in/b.wav").write_bytes(b"broken")
    ran = clean_it("in", "out")
    refused(ran, "in/b.wav", status=1)
    assert "1 files failed or skipped" in ran.out
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.wav", "c.wav"]
    ran = run_script("inference_classification", "--input_path", "in")
    refused(ran, "in/b.wav", status=1)
    assert len(ran.out.splitlines()) == 2


def test_a_recording_that_cannot_be_decoded_is_named(
    denoiser: Network, classifier: Network, recording: Path, workplace: Path
) -> None:
    for name in ("a.wav", "b.AAX", "deep/c.ra", "notes.txt", "cover.jpg", ".hidden.aax"):
        Path("in", name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(recording, Path("in", name))
    line = "skipped 2: b.AAX, deep/c.ra (no decoder)"
    runs = [
        clean_it("in", "out"),
        run_script("inference_classification", "--input_path", "in"),
        run_script("inference_cutting", "--input_path", "in", "--output_path", "cut"),
        run_script("inference_separation", "--input_path", "in", "--output_path", "voices"),
    ]
    assert [(ran.status, line in ran.err) for ran in runs] == [(1, True)] * len(runs)
    assert [path.name for path in Path("out").iterdir()] == ["a.wav"]
    pools = ("--clean_path", "in", "--noise_path", "in", "--val_fraction", 0)
    built = run_script("build_dataset", *pools, "--output_path", "set", "--workers", 1)
    assert (built.status, line in built.err, "saved set" in built.out) == (1, True, True)
    shutil.copytree(ROOT / "data/speech", "talk")
    shutil.copy(recording, "talk/fr/unread.aax")
    options = ("--val_fraction", 0, "--epoch_items", 1, "--clip_s", 1, "--no_masks", "--output_path", "voices_set")
    voices = run_script("build_separation_dataset", "--clean_path", "talk", *options)
    assert (voices.status, "unread.aax (no decoder)" in voices.err) == (1, True)
    assert len(list(Path("voices_set/train/mix").iterdir())) == 1


def test_odd_names(denoiser: Network, recording: Path) -> None:
    for name in ("with space.wav", "quote'\".wav", "эмодзи🎧.wav", "x" * 240 + ".wav", "new\nline.wav"):
        shutil.copy(recording, name)
        assert clean_it(name, f"out/{name}").status == 0
        assert Path("out", name).exists()
    refused(clean_it("no\nsuch.wav"), "does not exist")


def test_one_side_of_a_flat_pair(denoiser: Network, tree: Path) -> None:
    refused(
        run_script("eval_denoising", "--noisy_path", tree / "val/noisy"), "--noisy_path and --clean_path go together"
    )
    refused(run_script("train_denoising", "--val_noisy_path", "a", "--val_clean_path", "b"), "need --noisy_path")


@pytest.mark.parametrize(
    ("script", "flag", "value", "wanted"),
    [
        ("eval_denoising", "--batch_size", "0", "0; expected 1 or more"),
        ("eval_classification", "--workers", "-1", "-1; expected 0 or more"),
        ("train_denoising", "--hidden_dim", "0", "0; expected 1 or more"),
        ("train_classification", "--dropout", "1.5", "1.5; expected 0 to below 1"),
        ("train_denoising", "--num_layers", "two", "two; expected 1 or more"),
        ("train_denoising", "--epoch", "3", "unrecognized arguments: --epoch 3"),
        ("build_dataset", "--workers", "0", "0; expected 1 or more"),
    ],
)
def test_a_number_out_of_range(script: str, flag: str, value: str, wanted: str) -> None:
    ran = run_script(script, flag, value)
    assert ran.status == 2
    assert wanted in ran.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("script", "inputs"),
    [
        ("train_denoising", []),
        ("eval_denoising", []),
        ("inference_audio", ["--input_path", RECORDING]),
        ("inference_spectrogram", ["--input_path", ROOT / "data/noisy.npy"]),
        ("inference_from_dataset", []),
        ("inference_cutting", ["--input_path", RECORDING]),
        ("inference_separation", ["--input_path", RECORDING]),
        ("inference_classification", ["--input_path", RECORDING]),
    ],
)
def test_a_gpu_that_is_not_there(script: str, inputs: list[str | Path], tree: Path, denoiser: Network) -> None:
    import torch

    if not torch.cuda.is_available():
        refused(run_script(script, *inputs, "--device", "cuda"), "--device cuda: no CUDA device is here")
    if not torch.backends.mps.is_available():
        refused(run_script(script, *inputs, "--device", "mps"), "--device mps: no Apple GPU is here")
