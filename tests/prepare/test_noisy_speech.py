import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from tests.conftest import ROOT, refused, run_script

SPEECH, NOISE = ROOT / "data/speech", ROOT / "data/noise"


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def build(output: str, *flags: object, clean: Path = SPEECH, noise: Path = NOISE) -> object:
    return run_script("build_dataset", "--clean_path", clean, "--noise_path", noise, "--output_path", output,
                      "--n_mixtures", 1, "--workers", 1, *flags)  # fmt: skip


def test_speakers_and_noises_are_in_one_split_only(built: Path) -> None:
    rows = list(csv.DictReader((built / "mix.csv").read_text().splitlines()))
    assert len(rows) == 48
    for column in ("clean", "noise"):
        used = {split: {row[column] for row in rows if row["split"] == split} for split in ("train", "val")}
        assert used["train"]
        assert used["val"]
        assert not used["train"] & used["val"]
    assert {row["clean"].split("/")[0] for row in rows if row["split"] == "val"} == {"ru"}
    assert all(-5 <= float(row["snr_db"]) <= 20 for row in rows)


def test_mels_are_those_of_the_saved_sound(workplace: Path) -> None:
    assert build("d", "--save_audio", "--val_speakers", "ru").status == 0
    pairs = sorted(Path("d/train/noisy").rglob("*.npy"))
    assert pairs
    for path in pairs[:4]:
        for side in ("noisy", "clean"):
            name = path.relative_to("d/train/noisy")
            mel = np.load(Path("d/train", side, name))
            wave, _ = sound_file.read(Path("d/audio/train", side, name).with_suffix(".wav"))
            assert mel.dtype == np.float32
            assert mel.shape == (MelFeatures().n_frames(len(wave)), 80)
            wanted = librosa_mel(wave)
            loud = wanted > wanted.max() - 1.2  # 16-bit sound has a floor of its own
            np.testing.assert_allclose(mel[loud], wanted[loud], atol=0.02)


def librosa_mel(wave: np.ndarray) -> np.ndarray:
    import librosa

    mel = librosa.feature.melspectrogram(y=wave, sr=16000, n_fft=1024, hop_length=256, n_mels=80, fmin=20, fmax=8000)
    return 1 + np.log(1e-12 + mel.T) / 10


def test_seed_and_not_workers_or_order_decide_the_bytes(workplace: Path) -> None:
    flags = ("--val_speakers", "ru,it,fr", "--augment", 0.7, "--reverb", 0.5, "--clip_s", 1.5)
    for name, seed, workers in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        assert build(name, *flags, "--seed", seed, "--workers", workers).status == 0
    a, b, c = (bytes_of(Path(name)) for name in "abc")
    assert a == b
    assert a["mix.csv"] != c["mix.csv"]


def test_an_interrupted_build_is_finished_by_the_next_run(workplace: Path) -> None:
    flags = ["--clean_path", str(SPEECH), "--noise_path", str(NOISE), "--val_speakers", "ru", "--workers", "2",
             "--n_mixtures", "6"]  # fmt: skip
    command = [sys.executable, "-m", "clearmel", "build", "dataset", *flags]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen([*command, "--output_path", "d"], env=environment, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(Path("d").rglob("*.npy"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert 10 <= len(list(Path("d").rglob("*.npy"))) < 288
    assert not Path("d/mix.csv").exists()
    Path("d/train/noisy/.clearmel-left.tmp").write_bytes(b"half a mel")
    assert run_script("build_dataset", *flags, "--output_path", "d").status == 0
    assert run_script("build_dataset", *flags, "--output_path", "straight").status == 0
    assert bytes_of(Path("d")) == bytes_of(Path("straight"))


def test_a_dataset_of_other_options_is_not_overwritten_unasked(workplace: Path) -> None:
    assert build("d", "--val_speakers", "ru").status == 0
    before = bytes_of(Path("d"))
    refused(build("d", "--val_speakers", "ru", "--seed", 3), "built with other options")
    assert bytes_of(Path("d")) == before
    assert build("d", "--val_speakers", "ru", "--seed", 3, "--overwrite").status == 0
    assert bytes_of(Path("d")) != before


def test_any_format_and_rate_goes_in_and_bad_files_are_left_behind(workplace: Path, rng: np.random.Generator) -> None:
    wave, rate = sound_file.read(SPEECH / "en/vm-sorry.flac")
    for speaker, (suffix, to) in enumerate([(".wav", 8000), (".mp3", 44100), (".ogg", 48000), (".flac", 22050)]):
        sound_file.write(Path("clean", f"s{speaker}", f"x{suffix}"), sound_file.resample(wave, rate, to), to)
    stereo = np.stack([sound_file.resample(wave, rate, 48000)] * 2)
    sound_file.write("clean/s4/stereo.wav", stereo, 48000)
    sound_file.write("clean/s4/silent.wav", np.zeros(16000, np.float32), 16000)
    Path("clean/s4/fake.wav").write_bytes(b"not sound at all")
    ran = build("d", "--val_speakers", "s0", clean=Path("clean"))
    assert ran.status == 1
    assert "2 clips failed" in ran.out
    assert "fake.wav" in ran.err
    assert "silent.wav: the speech is silent" in ran.err
    frames = {path.parent.name: len(np.load(path)) for path in Path("d").glob("*/clean/*/*.npy")}
    assert set(frames) == {"s0", "s1", "s2", "s3", "s4"}
    assert max(frames.values()) - min(frames.values()) <= 10  # mp3 adds its padding


def test_speech_with_full_pauses_is_left_out_on_request(workplace: Path, rng: np.random.Generator) -> None:
    shutil.copytree(SPEECH, "clean")
    wave, rate = sound_file.read(SPEECH / "en/vm-sorry.flac")
    hiss = rng.normal(0, 0.02, len(wave)).astype(np.float32)
    sf.write("clean/en/hiss.wav", wave + hiss, rate)
    ran = build("d", "--val_speakers", "ru", "--min_range_db", 28, clean=Path("clean"))
    assert ran.status == 0
    assert "left out: en/hiss.wav" in ran.err
    assert not list(Path("d").rglob("hiss*"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--snr_min", 5, "--snr_max", 1), "--snr_min 5.0"),
        (("--val_speakers", "nobody"), "no nobody; expected some of en, fr, it, ru"),
        (("--val_speakers", "en,fr,it,ru"), "nothing is left to train on"),
        (("--n_mixtures", 0), "--n_mixtures"),
        (("--clean_path", "missing"), "missing does not exist"),
        (("--val_fraction", 1.5), "--val_fraction 1.5"),
    ],
)
def test_wrong_flags_are_refused(flags: tuple[object, ...], words: str) -> None:
    refused(build("d", *flags), words)


def test_one_speaker_cannot_be_split(workplace: Path) -> None:
    shutil.copytree(SPEECH / "en", "clean/en")
    refused(build("d", clean=Path("clean")), "a single speaker", "--val_clean_path")
    assert build("d", "--val_fraction", 0, clean=Path("clean")).status == 0
    assert not Path("d/val").exists()
