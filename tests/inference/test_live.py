"""Sound through pipes: what comes out, when, and how it ends."""

import contextlib
import io
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from clearmel.audio import sound_file
from clearmel.audio.pipes import Pcm
from tests.audio.test_pipes import HEADER, wav
from tests.conftest import ROOT, refused, run_script

SHIPPED = ROOT / "models/denoiser.pth"
COMMAND = [sys.executable, str(ROOT / "inference_audio.py"), "--model_filename", str(SHIPPED)]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
THROUGH = ("--input_path=-", "--output_path=-")


def started(*flags: object) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *map(str, flags)], env=ENVIRONMENT, **pipes)


def through(data: bytes, *flags: object) -> tuple[int, bytes, str]:
    """Status, stdout and stderr of a process that is fed with data."""
    with started(*flags) as process:
        out, err = process.communicate(data, timeout=120)
        return process.returncode, out, err.decode()


def feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Writes all of it at once, without a buffer that would be flushed later."""
    assert process.stdin is not None
    while data:
        data = data[os.write(process.stdin.fileno(), data) :]


def steps(data: bytes) -> np.ndarray:
    """16-bit samples as whole numbers."""
    return np.frombuffer(data, "<i2").astype(int)


def sound(rate: int, n_channels: int, seconds: float = 1.5) -> np.ndarray:
    """A noisy clip (C, N) at another rate, each channel a little later and softer."""
    wave, own = sound_file.read(ROOT / "data/noisy.wav")
    wave = soxr.resample(wave, own, rate)[: int(seconds * rate)]
    return np.stack([0.8**c * np.roll(wave, 300 * c) for c in range(n_channels)]).astype(np.float32)


def offline(source: Path | str, target: Path | str) -> np.ndarray:
    """What the script makes of a file, (C, N)."""
    flags = ("--model_filename", SHIPPED, "--output_path", target, "--warm_up_s", 0, "--passes", 1)
    ran = run_script("inference_audio", "--input_path", source, *flags)
    assert ran.status == 0, ran
    return np.atleast_2d(sf.read(target, dtype="float32")[0].T)


def test_a_wav_through_a_process_is_the_cleaned_file() -> None:
    offline(ROOT / "data/noisy.wav", "out.wav")
    status, out, err = through((ROOT / "data/noisy.wav").read_bytes(), *THROUGH)
    assert status == 0, err
    assert err == "live: 16000 Hz, channels 1, PCM_16; delay 64 ms (1024 samples)\n"
    wanted = Path("out.wav").read_bytes()[-2 * 60562 :]
    assert np.abs(steps(out[-2 * 60562 :]) - steps(wanted)).max() <= 1  # where 1e-7 turns the rounding
    assert sf.info(io.BytesIO(out)).samplerate == 16000
    Path("piped.wav").write_bytes(out)
    assert sound_file.inspect("piped.wav").n_samples == 60562  # other scripts take the header of unknown length, too


@pytest.mark.parametrize(
    ("raw_format", "subtype"), [("s16le", "PCM_16"), ("s24le", "PCM_24"), ("s32le", "PCM_32"), ("f32le", "FLOAT")]
)
def test_raw_sound_goes_out_raw(raw_format: str, subtype: str) -> None:
    wave = sound(44100, 2)
    sound_file.write("in.wav", wave, 44100, subtype)
    offline("in.wav", "out.wav")
    sound_of = Pcm(subtype, 44100, 2)
    data = sound_of.encode(wave)
    flags = (f"--raw_format={raw_format}", "--raw_rate=44100", "--raw_channels=2")
    status, out, err = through(data, *THROUGH, *flags)
    assert status == 0, err
    assert len(out) == len(data)
    wanted = sf.read("out.wav", dtype="float32")[0].T
    np.testing.assert_allclose(sound_of.decode(out), wanted, atol=4e-5 if subtype == "PCM_16" else 1e-5)


def test_odd_chunks_and_a_sample_cut_short() -> None:
    data = Pcm("PCM_16", 16000, 1).encode(sound(16000, 1, 1))
    with started(*THROUGH, "--raw_format=s16le") as process:
        for start in range(0, len(data) - 1, 777):
            feed(process, data[: len(data) - 1][start : start + 777])
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert len(out) == len(data) - 2
    assert err.decode().splitlines()[1:] == ["warning: stdin ended within a sample; its last 1 bytes are dropped"]
    assert np.abs(steps(out) - steps(through(data[:-2], *THROUGH, "--raw_format=s16le")[1])).max() <= 1


def test_each_hop_comes_out_while_the_pipe_stays_open() -> None:
    data = Pcm("PCM_16", 16000, 1).encode(sound(16000, 1, 1))
    hop, n_fed, n_read = 512, 0, 0  # bytes
    with started(*THROUGH, "--raw_format=s16le") as process:
        for n_hops in (4, *[1] * 20):  # the delay, then hop by hop
            feed(process, data[n_fed : n_fed + n_hops * hop])
            n_fed += n_hops * hop
            n_read += len(process.stdout.read(hop))  # waits until it is there
            assert n_read == n_fed - 3 * hop
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert n_read + len(rest) == n_fed


def test_a_pipe_into_a_file_and_a_file_into_a_pipe() -> None:
    wave = sound(44100, 2)
    sound_file.write("in.wav", wave, 44100, "PCM_24")
    wanted = offline("in.wav", "wanted.wav")
    status, out, err = through(Path("in.wav").read_bytes(), "--input_path=-", "--output_path=sub/out.flac")
    assert status == 0, err
    assert out == b""
    assert sf.info("sub/out.flac").subtype == "PCM_24"
    np.testing.assert_allclose(sf.read("sub/out.flac", dtype="float32")[0].T, wanted, atol=1e-6)
    status, out, err = through(b"", "--input_path=in.wav", "--output_path=-")
    assert status == 0, err
    np.testing.assert_allclose(sf.read(io.BytesIO(out), dtype="float32")[0].T, wanted, atol=1e-6)
    status, raw, err = through(b"", "--input_path=in.wav", "--output_path=-", "--raw_format=f32le")
    np.testing.assert_allclose(Pcm("FLOAT", 44100, 2).decode(raw), wanted, atol=1e-6)


def test_strength_and_limit_work_on_pipes() -> None:
    wave = sound(16000, 1)
    data = Pcm("FLOAT", 16000, 1).encode(wave)
    for flag in ("--strength=0", "--max_suppression_db=0"):
        out = through(data, *THROUGH, "--raw_format=f32le", flag)[1]
        np.testing.assert_allclose(Pcm("FLOAT", 16000, 1).decode(out), wave, atol=1e-5)


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    with started(*THROUGH, "--raw_format=s16le") as process:
        feed(process, Pcm("PCM_16", 16000, 1).encode(sound(16000, 1, 1)))
        assert len(process.stdout.read(1000)) == 1000
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it may have gone already
            for _ in range(100):
                feed(process, bytes(8192))
        err = process.stderr.read().decode()
        assert process.wait(timeout=60) == 0
    assert len(err.splitlines()) == 1, err


@pytest.mark.parametrize("target", ["-", "out.wav"])
def test_ctrl_c_keeps_what_is_done(target: str, workplace: Path) -> None:
    done = 16000 // 256 * 256 - 768
    with started("--input_path=-", f"--output_path={target}", "--raw_format=s16le") as process:
        feed(process, Pcm("PCM_16", 16000, 1).encode(sound(16000, 1, 1)))
        out = process.stdout.read(2 * done) if target == "-" else b""
        while target != "-" and not any(p.stat().st_size > 2 * done for p in workplace.glob(".clearmel-*.tmp")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
        out += process.stdout.read()
        assert process.wait(timeout=60) == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "interrupted"
    assert (len(out) // 2 if target == "-" else sf.info("out.wav").frames) == done


BAD = [
    (b"", (), "stdin is empty"),
    (wav(b"", HEADER), (), "stdin is empty"),
    (b"\x01", ("--raw_format=s16le",), "stdin is empty"),
    (b"fLaC" + bytes(100), (), "--raw_format"),
    (wav(bytes(64), HEADER), ("--raw_format=s16le",), "--raw_format denies"),
    (wav(bytes(64), HEADER)[:30], (), "within its wav header"),
    (wav(bytes(64), struct.pack("<HHIIHH", 1, 1, 16000, 16000, 1, 8)), (), "8 bits"),
    (wav(bytes(64), struct.pack("<HHIIHH", 1, 0, 16000, 0, 0, 16)), (), "0 channels"),
    (np.array([0, np.nan] * 800, "<f4").tobytes(), ("--raw_format=f32le",), "NaN or infinite samples at 0.000 s"),
]


@pytest.mark.parametrize(("data", "flags", "words"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_bad_sound_is_one_clear_line(data: bytes, flags: tuple[str, ...], words: str) -> None:
    status, _, err = through(data, *THROUGH, *flags)
    assert status == 2
    (line,) = [line for line in err.splitlines() if not line.startswith("live: ")]
    assert words in line
    assert line.startswith("error: ")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--reconstruction=griffin_lim",), "griffin_lim"),
        (("--plot_dir=p",), "--plot_dir"),
        (("--warm_up_s=4",), "--warm_up_s"),
        (("--audio_track=2",), "--audio_track"),
        (("--raw_format=s8",), "--raw_format s8"),
        (("--raw_format=s16le", "--raw_rate=0"), "--raw_rate 0"),
    ],
)
def test_flags_that_pipes_cannot_serve(flags: tuple[str, ...], words: str) -> None:
    refused(run_script("inference_audio", *THROUGH, *flags), words)
    refused(run_script("inference_audio", "--input_path", ROOT / "data/noisy.wav", "--raw_format=s16le"), "on a pipe")


def test_chunks_after_the_samples_of_a_known_length_are_ignored() -> None:
    data = Pcm("PCM_16", 16000, 1).encode(sound(16000, 1, 0.5))
    whole = wav(data, HEADER, 1, len(data))
    out, wanted = (through(data, *THROUGH)[1] for data in (whole + b"LIST" + bytes(500), whole))
    assert len(out) == len(wanted) == len(whole)
    status, out, err = through(whole[:-1000], *THROUGH)
    assert (status, len(out)) == (0, len(whole) - 1000)
    assert err.splitlines()[1:] == ["warning: stdin ended after 15000 of the 16000 bytes its header promises"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("<&- >out", "stdin is closed"),
        ("< in.wav >&-", "stdout is closed"),
        ("< in.wav > /dev/full", "No space left"),
        ("--input_path=. > out", "is a folder"),
        ("--output_path=out.xyz < in.wav", "unknown suffix"),
    ],
)
def test_pipes_that_lead_nowhere(line: str, words: str, recording: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"$@" {line}', "-", *COMMAND, *THROUGH], env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 2
    *before, last = done.stderr.decode().splitlines()
    assert all(other.startswith("live: ") for other in before)
    assert last.startswith("error: ")
    assert words in last
