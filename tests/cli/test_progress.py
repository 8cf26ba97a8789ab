"""What a person sees while a long recording is processed."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import clearmel
from tests.conftest import ROOT, run_script

NOISY = ROOT / "data/noisy.wav"
VERBS = ("denoise", "cut", "separate", "classify")


def on_a_terminal(*words: object) -> tuple[str, str]:
    """What a command writes to stdout, and to a terminal as its stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "clearmel", *map(str, words)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=120)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 1 << 16):
            seen += piece
    except OSError:  # Linux reports the end so
        pass
    os.close(ours)
    return done.stdout.decode(), seen.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_a_terminal_shows_a_bar_in_seconds_of_sound(verb: str, workplace: Path) -> None:
    output = {"classify": (), "separate": ("-o", "out")}.get(verb, ("-o", "out.wav"))
    out, seen = on_a_terminal(verb, NOISY, *output)
    assert f"/{round(sf.info(NOISY).duration)} [" in seen
    assert "s/s" in seen
    assert out.count("\n") == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_pipe_shows_none(verb: str, workplace: Path) -> None:
    ran = run_script(verb, NOISY, *(() if verb == "classify" else ("-o", "out" if verb == "separate" else "out.wav")))
    assert ran.status == 0
    assert "%" not in ran.err
    lines = [line for line in ran.err.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == (1 if verb in ("denoise", "separate") else 0)


def test_each_file_of_a_folder_has_its_closing_line(workplace: Path) -> None:
    wave, rate = sf.read(NOISY)
    for name in ("a.wav", "b.flac"):
        sf.write(name, wave[: 2 * rate], rate)
    (workplace / "in").mkdir()
    for name in ("a.wav", "b.flac"):
        Path(name).rename(workplace / "in" / name)
    ran = run_script("denoise", "in", "-o", "out")
    assert [line.rsplit(" ", 1)[1] for line in ran.err.splitlines()] == ["out/a.wav", "out/b.flac"]
    assert all(line.startswith("denoised 00:02, noise down ") for line in ran.err.splitlines())
    assert ran.out == "saved out\n"


def test_callers_are_told_the_seconds_done_and_the_total(workplace: Path) -> None:
    wave, rate = sf.read(NOISY)
    long = np.tile(wave, 20)
    sf.write("long.wav", long, rate)
    seconds = len(long) / rate
    for call in (
        lambda told: clearmel.denoise_file("long.wav", "out.wav", progress=told),
        lambda told: clearmel.cut(long, rate, progress=told),
        lambda told: clearmel.classify(long, rate, progress=told),
        lambda told: clearmel.separate(long[: 45 * rate], rate, passes=1, progress=told),
    ):
        told = list[tuple[float, float]]()
        call(lambda done, total, told=told: told.append((done, total)))
        done, totals = zip(*told, strict=True)
        assert len(set(totals)) == 1
        assert totals[0] == pytest.approx(45 if totals[0] < 50 else seconds)
        assert list(done) == sorted(done)
        assert done[0] < totals[0]
        assert done[-1] == pytest.approx(totals[0], abs=0.05)
    assert max(np.diff(done, prepend=0)) <= 16  # separation: by windows of 16 s, although a turn has up to 30 s
