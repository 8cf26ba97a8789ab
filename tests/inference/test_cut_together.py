"""Several microphones of one talk are cut alike."""

from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest

import clearmel
from clearmel.audio import sound_file
from tests.conftest import ROOT, refused, run_script

RATE = 16000


@pytest.fixture
def talk(workplace: Path, rng: np.random.Generator) -> np.ndarray:
    """Two tracks (2, N): one asks, after a pause the other answers, after a pause both have gone; as talk/*.wav."""
    question, answer = (sound_file.read(ROOT / f"data/speech/{name}.flac")[0] for name in ("en/vm-sorry", "it/invalid"))
    wave = rng.normal(0, 1e-4, (2, 16 * RATE)).astype(np.float32)
    wave[0, RATE : RATE + len(question)] += question
    wave[1, 7 * RATE : 7 * RATE + len(answer)] += answer
    for name, track in zip(("host", "guest"), wave, strict=True):
        sound_file.write(f"talk/{name}.wav", track, RATE)
    return wave


def test_what_anyone_says_stays_and_the_tracks_stay_together(talk: np.ndarray) -> None:
    ran = run_script(
        "cut",
        "talk/host.wav",
        "talk/guest.wav",
        "-o",
        "out",
        "--together",
        "--timelines",
        "otio,json",
        "--fps",
        "29.97",
    )
    assert ran.status == 0, ran
    assert ran.err == ""
    assert sorted(path.name for path in Path("out").iterdir()) == ["guest.wav", "host.json", "host.otio", "host.wav"]
    host, guest = (sound_file.read(f"out/{name}.wav")[0] for name in ("host", "guest"))
    assert len(host) == len(guest)
    alone = [sum(end - start for start, end in clearmel.cut(track, RATE)) for track in talk]
    assert len(host) / RATE == pytest.approx(sum(alone), abs=0.5)
    assert len(host) < 0.6 * talk.shape[1]
    for ours, track in zip((host, guest), talk, strict=True):
        assert np.square(ours).sum() > 0.97 * np.square(track).sum()  # every word is there
    lines = [line for line in ran.out.splitlines() if line.startswith("kept ")]
    assert lines[0].split("  ")[0] == lines[1].split("  ")[0]
    tracks = otio.adapters.read_from_file("out/host.otio").tracks
    spans = [[(clip.source_range.start_time, clip.source_range.duration) for clip in track] for track in tracks]
    assert [track.name for track in tracks] == ["host", "guest"]
    assert spans[0] == spans[1]
    assert sum(duration.to_seconds() for _, duration in spans[0]) == pytest.approx(len(host) / RATE, abs=0.1)


def test_a_folder_is_one_talk_and_without_the_flag_its_tracks_get_a_warning(talk: np.ndarray) -> None:
    assert run_script("cut", "talk", "-o", "one", "--together").status == 0
    assert sound_file.inspect("one/host.wav").n_samples == sound_file.inspect("one/guest.wav").n_samples
    ran = run_script("cut", "talk", "-o", "apart")
    assert ran.status == 0
    assert ran.err.count("warning: talk/guest.wav, talk/host.wav are equally long and are cut apart.") == 1
    assert "--together" in ran.err
    assert sound_file.inspect("apart/host.wav").n_samples != sound_file.inspect("apart/guest.wav").n_samples
    sound_file.write("talk/guest.wav", talk[1, :-1], RATE)
    assert run_script("cut", "talk", "-o", "apart").err == ""


def test_tracks_that_are_not_synchronous_are_refused_by_name(talk: np.ndarray) -> None:
    sound_file.write("short.wav", talk[1, :-100], RATE)
    ran = run_script("cut", "talk/host.wav", "short.wav", "-o", "out", "--together")
    refused(ran, "short.wav has 255900 samples at 16000 Hz", "talk/host.wav 256000 at 16000 Hz")
    sound_file.write("fast.wav", talk[1], 2 * RATE)
    refused(run_script("cut", "talk/host.wav", "fast.wav", "-o", "out", "--together"), "fast.wav", "32000 Hz")
    assert not list(Path().glob("out/*"))
    ran = run_script("cut", "talk", "-o", "out", "--together", "--labels_path", "l.json")
    refused(ran, "--together", "--labels_path")
