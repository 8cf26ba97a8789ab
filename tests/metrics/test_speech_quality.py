import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from clearmel.audio import sound_file
from clearmel.metrics import speech_quality
from clearmel.networks import Network
from tests.conftest import ROOT, refused, run_script


@pytest.fixture
def pairs(workplace: Path, rng: np.random.Generator) -> Path:
    """Three noisy and clean recordings, one of them in stereo at another rate."""
    for index, clip in enumerate(("en/vm-sorry", "fr/demo-thanks", "it/vm-forward")):
        path = ROOT / "data/speech" / f"{clip}.flac"
        wave = sound_file.read(path, 16000 if index else 44100)[0]
        noise = rng.normal(0, 0.02, len(wave)).astype(np.float32)
        rate, channels = (16000, 1) if index else (44100, 2)
        for side, sound in (("clean", wave), ("noisy", wave + noise)):
            sound_file.write(f"pairs/{side}/speaker/{index}.wav", np.stack([sound] * channels), rate, "FLOAT")
    return workplace / "pairs"


def test_the_figures_of_the_clean_recording_are_the_best_there_are() -> None:
    clean = sound_file.read(ROOT / "data/speech/fr/demo-thanks.flac", 16000)[0]
    noise = np.random.default_rng(0).normal(0, 0.02, len(clean)).astype(np.float32)
    best, worse = (
        speech_quality.figures(clean, clean, dnsmos=False),
        speech_quality.figures(clean + noise, clean, dnsmos=False),
    )
    assert best["pesq"] > 4.6
    assert best["estoi"] == pytest.approx(1, abs=1e-6)
    assert best["si_sdr"] > 80
    assert all(worse[key] < best[key] for key in ("pesq", "stoi", "estoi", "si_sdr"))


def test_what_is_not_defined_is_nan_and_left_out_of_the_mean() -> None:
    silence = speech_quality.figures(np.zeros(16000, np.float32), np.zeros(16000, np.float32), dnsmos=False)
    assert all(math.isnan(silence[key]) for key in ("pesq", "stoi", "estoi"))
    short = speech_quality.figures(np.ones(200, np.float32) / 2, np.ones(200, np.float32) / 2, dnsmos=False)
    assert math.isnan(short["pesq"])
    assert speech_quality.mean([{"pesq": 1.5}, {"pesq": math.nan}, {"pesq": 2.5}]) == {"pesq": 2.0}


def test_pairs_of_any_rate_are_measured_as_they_sound(pairs: Path, denoiser: Network) -> None:
    ran = run_script(
        "eval_denoising", "--dataset_path", pairs, "--audio_metrics", "--strength", 0, "--no_plots", "--json",
        "--csv_path", "rows.csv",
    )  # fmt: skip
    assert ran.status == 0, ran
    report = json.loads(ran.out)
    with Path("rows.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for key in ("pesq", "estoi", "si_sdr"):  # without any strength the noisy recording stays
        assert report[f"{key}_denoised"] == pytest.approx(report[f"{key}_noisy"], abs=2e-2)
        assert report[f"{key}_noisy"] == pytest.approx(np.mean([float(row[f"{key}_noisy"]) for row in rows]))
    full = run_script("eval_denoising", "--dataset_path", pairs, "--audio_metrics", "--no_plots", "--json")
    assert json.loads(full.out)["si_sdr_denoised"] != pytest.approx(report["si_sdr_noisy"], abs=0.1)


def test_the_page_holds_every_pair(pairs: Path, denoiser: Network) -> None:
    ran = run_script("eval_denoising", "--dataset_path", pairs, "--report_path", "page.html", "--no_plots")
    assert ran.status == 0, ran
    text = Path("page.html").read_text(encoding="utf-8")
    assert all(f"speaker/{index}.wav" in text for index in range(3))


def test_mels_and_unlike_pairs_are_refused(tree: Path, pairs: Path, denoiser: Network) -> None:
    ran = run_script("eval_denoising", "--dataset_path", tree / "val", "--audio_metrics", "--no_plots")
    refused(ran, ".npy is a mel", "need pairs of sound files")
    wave = sound_file.read(pairs / "clean/speaker/1.wav")[0]
    sound_file.write(pairs / "clean/speaker/1.wav", sound_file.resample(wave, 16000, 8000), 8000)
    refused(run_script("eval_denoising", "--dataset_path", pairs, "--report_path", "r.html", "--no_plots"), "one rate")
    assert not Path("r.html").exists()


def test_missing_packages_are_named(pairs: Path, denoiser: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pesq", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    ran = run_script("eval_denoising", "--dataset_path", pairs, "--audio_metrics", "--no_plots")
    refused(ran, "--audio_metrics needs pesq and pystoi", "clearmel[metrics]")
