"""Tries an installed wheel without torch and without a network: python tests/installed.py data.

Run it by the Python of an environment that holds the wheel and its dependencies alone, from outside the clone.
"""

import contextlib
import io
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HEAVY = ("torch", "scipy", "matplotlib", "accelerate", "pyroomacoustics")


def command(*words: str, status: int = 0) -> str:
    """Runs `clearmel WORDS` as its own process; gives what it prints on both channels."""
    done = subprocess.run(
        [sys.executable, "-m", "clearmel", *words], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done.stdout + done.stderr


def verbs(noisy: str) -> None:
    """Every verb of the core on a real file, and one line from every other."""
    assert "saved" in command("denoise", noisy, "-o", "denoised.wav", "--loudness", "podcast")
    assert Path("denoised.wav").stat().st_size > 1000
    for weights in ("noise_presence.pth", "classifier.pth"):  # a wheel holds them once
        assert "noisy" in command("classify", noisy, "--model_filename", weights)
    assert "kept" in command("cut", noisy, "-o", "cut.wav", "--denoise", "--timelines", "json,edl,fcpxml")
    assert Path("cut.edl").exists()
    command("separate", noisy, "-o", "voices")
    assert Path("voices/voice_2.wav").exists()
    wave = Path(noisy).read_bytes()
    live = subprocess.run(
        [sys.executable, "-m", "clearmel", "denoise", "-"], input=wave, capture_output=True, check=True
    )
    assert abs(len(live.stdout) - len(wave)) < 200, (len(live.stdout), live.stderr)
    assert "saved ./denoiser.onnx" in command("export")
    assert "saved step.onnx" in command("export", "--streaming", "--output_path", "step.onnx")
    for verb in ("denoise", "cut", "separate", "classify"):
        line = command(verb, noisy, "--device", "cuda", status=2)
        assert "onnxruntime-gpu" in line, (verb, line)
        assert line.count("\n") == 1, (verb, line)
    line = command("plot", noisy, "--plot_dir", "plots", status=2)
    assert "clearmel[plot]" in line, line
    for words in (
        "train denoising",
        "eval denoising",
        "build dataset",
        "sample",
        "average --input_filenames a.pth b.pth",
    ):
        line = command(*words.split(), status=2)
        assert "pip install 'clearmel[train]'" in line, (words, line)
        assert line.count("\n") == 1, (words, line)


def interface(noisy: str) -> None:
    """The Python interface, with mels in and out, and nothing heavy or remote on the way."""
    import numpy as np
    import soundfile

    import clearmel
    from clearmel.cli.main import main

    def refused(*_: object) -> None:
        raise AssertionError("it wants the network")

    socket.socket.connect = refused  # type: ignore[assignment, method-assign]
    wave, rate = soundfile.read(noisy)
    denoised = clearmel.denoise(wave, rate)
    assert denoised.shape == wave.shape
    assert np.square(denoised).mean() < 0.9 * np.square(wave).mean()
    assert clearmel.classify(wave, rate)["label"] == "noisy"
    assert len(clearmel.separate(wave, rate, passes=1)) == 2
    assert clearmel.cut(wave, rate)
    stream = clearmel.Denoiser().stream(rate)
    assert len(np.concatenate([stream.push(wave[:5000]), stream.push(wave[5000:]), stream.finish()])) == len(wave)
    from clearmel.audio.features import MelFeatures

    np.save("noisy.npy", MelFeatures().mel(wave.astype(np.float32)))
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["denoise", "noisy.npy", "-o", "denoised.npy"]) == 0
    assert np.load("denoised.npy").shape == np.load("noisy.npy").shape
    assert not [name for name in HEAVY if name in sys.modules], "it imports what the core does not need"


def page(noisy: str) -> None:
    """The labelling page with predictions."""
    words = [
        sys.executable,
        "-m",
        "clearmel",
        "label",
        noisy,
        "--no_browser",
        "--port",
        "0",
        "--model_filename",
        "cutter.pth",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            address = ""
            while "http" not in address:
                address = server.stdout.readline()
                assert address, "the page did not start"
            url = next(word for word in address.split() if word.startswith("http")).rstrip(".,")
            with urllib.request.urlopen(url, timeout=30) as answer:
                assert b"<html" in answer.read()
        finally:
            server.terminate()


def main() -> None:
    """Runs all, and says how long each took."""
    noisy = str(Path(sys.argv[1], "noisy.wav").resolve())
    for name in HEAVY:
        try:
            __import__(name)
        except ImportError:
            continue
        raise SystemExit(f"{name} is installed here; this is no core environment")
    os.chdir(tempfile.mkdtemp())
    for part in (verbs, page, interface):
        begun = time.monotonic()
        part(noisy)
        print(f"{part.__name__}: {time.monotonic() - begun:.1f} s")
    assert threading.active_count() < 20


if __name__ == "__main__":
    main()
