"""The Python interface: agreement with the commands, shapes and types, and messages about bad waves."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import clearmel
from tests.conftest import ROOT, run_script

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text(encoding="utf-8"), flags=re.DOTALL)
NOISY = ROOT / "data/noisy.wav"


@pytest.fixture
def wave() -> tuple[np.ndarray, int]:
    wave, rate = sf.read(NOISY)
    return wave[: 2 * rate], rate


def test_the_page_has_six_examples() -> None:
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_run_as_written(example: str, workplace: Path) -> None:
    (workplace / "data").symlink_to(ROOT / "data")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_takes_no_torch() -> None:
    code = "import sys, clearmel; clearmel.__all__; dir(clearmel); assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_name_is_there_and_documented() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    for name in clearmel.__all__:
        assert getattr(clearmel, name).__doc__
        assert f"clearmel.{name}" in page
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = clearmel.nothing


def test_a_wave_comes_out_as_the_command_writes_it(workplace: Path) -> None:
    assert run_script("denoise", NOISY, "-o", "out.wav").status == 0
    written, rate = sf.read("out.wav", dtype="int16")
    found = clearmel.denoise(sf.read(NOISY, dtype="int16")[0], rate)
    assert found.dtype == np.int16
    assert np.abs(found.astype(int) - written).max() <= 1  # a dither of none: rounding alone


def test_files_and_waves_agree(workplace: Path, wave: tuple[np.ndarray, int]) -> None:
    sf.write("in.wav", *wave, subtype="FLOAT")
    clearmel.denoise_file("in.wav", "out.wav")
    np.testing.assert_allclose(sf.read("out.wav")[0], clearmel.denoise(*wave), atol=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.int32])
@pytest.mark.parametrize("channels", [0, 1, 2])
def test_shape_and_type_stay(kind: type, channels: int, wave: tuple[np.ndarray, int]) -> None:
    sound, rate = wave
    full = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 1
    given = (sound[:8000] * full).astype(kind)
    if channels:
        given = np.stack([given] * channels, axis=1)
    found = clearmel.denoise(given, rate)
    assert found.shape == given.shape
    assert found.dtype == given.dtype
    one = clearmel.denoise(sound[:8000].astype(np.float32), rate)
    np.testing.assert_allclose((found[:, 0] if channels else found) / full, one, atol=2e-3)


def test_a_stream_gives_what_the_wave_gives_without_opening(wave: tuple[np.ndarray, int]) -> None:
    sound, rate = wave
    stream = clearmel.Denoiser().stream(rate)
    parts = [stream.push(sound[start : start + 777]) for start in range(0, len(sound), 777)]
    streamed = np.concatenate([*parts, stream.finish()])
    again = clearmel.Denoiser().stream(rate)
    whole = np.concatenate([again.push(sound), again.finish()])
    assert streamed.shape == sound.shape
    np.testing.assert_allclose(streamed, whole, atol=1e-5)


def test_no_strength_leaves_the_wave_as_it_is(wave: tuple[np.ndarray, int]) -> None:
    np.testing.assert_allclose(clearmel.denoise(*wave, strength=0), wave[0], atol=1e-5)


def test_a_class_and_its_probability(wave: tuple[np.ndarray, int]) -> None:
    found = clearmel.classify(*sf.read(NOISY))
    assert found["label"] == "noisy"
    assert found["p_noisy"] + found["p_clean"] == pytest.approx(1, abs=1e-5)
    clean, rate = sf.read(ROOT / "data/speech/en/vm-sorry.flac")
    assert clearmel.classify(clean, rate)["label"] == "clean"
    with pytest.raises(ValueError, match="silent"):
        clearmel.classify(np.zeros(16000), 16000)


def test_pauses_are_not_among_the_parts_that_stay() -> None:
    speech, rate = sf.read(ROOT / "data/speech/en/vm-sorry.flac")
    padded = np.concatenate([np.zeros(2 * rate), speech, np.zeros(3 * rate)])
    parts = clearmel.cut(padded, rate)
    assert parts
    assert parts[0][0] > 1.0
    assert parts[-1][1] < 2 + len(speech) / rate + 1
    assert all(start < end for start, end in parts)


def test_voices_have_the_shape_of_the_mixture() -> None:
    speech, rate = sf.read(ROOT / "data/speech/en/vm-sorry.flac")
    mixture = np.stack([speech, speech[::-1]], axis=1)[: 2 * rate]
    first, second = clearmel.separate(mixture, rate, passes=1)
    assert first.shape == second.shape == mixture.shape


@pytest.mark.parametrize(
    ("wave", "rate", "words"),
    [
        (np.zeros(0), 16000, r"shape \(0,\)"),
        (np.zeros((2, 48000)), 16000, "Transpose"),
        (np.zeros((3, 4, 5)), 16000, r"\(samples, channels\)"),
        (np.array([0.0, np.nan]), 16000, "NaN"),
        (np.array([0.0, np.inf]), 16000, "infinite"),
        (np.zeros(10, complex), 16000, "complex"),
        (np.zeros(10, np.int8), 16000, "int8"),
        (np.zeros(10), 0, "sample_rate is 0"),
        (np.zeros(10), 44100.5, "44100.5"),
    ],
)
@pytest.mark.parametrize("function", ["denoise", "classify", "cut", "separate"])
def test_a_bad_wave_is_a_value_error_that_says_what_was_wanted(
    function: str, wave: np.ndarray, rate: float, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(clearmel, function)(wave, rate)


def test_weights_that_are_not_there_are_an_input_error() -> None:
    with pytest.raises(clearmel.InputError, match=r"nowhere\.pth"):
        clearmel.load("nowhere")
