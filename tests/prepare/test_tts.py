"""Speech of people who never were: which voices they are of, and what the synthesiser is given."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from clearmel.core.errors import InputError
from clearmel.prepare import tts
from tests.conftest import refused, run_script

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
HAS_ESPEAK = all(importlib.util.find_spec(name) for name in ("phonemizer", "espeakng_loader"))
VOICES = ["af_one", "am_two", "bf_three", "jf_four"]


def voices(rng) -> dict[str, np.ndarray]:
    return {name: rng.normal(0, 1, (7, 256)).astype(np.float32) for name in VOICES}


def test_a_plan_hangs_on_its_seed_and_a_longer_one_goes_on_where_a_shorter_one_ends() -> None:
    plans = [
        [(speaker.timbre, speaker.prosody, speaker.speed, speaker.lines) for speaker in found]
        for found in (tts.plan(VOICES, 50, count, 3, seed) for count, seed in ((8, 1), (20, 1), (20, 2)))
    ]
    assert plans[0] == plans[1][:8]
    assert plans[1] != plans[2]
    for speaker in tts.plan(VOICES, 50, 40, 3, 0):
        assert 1 <= len(speaker.timbre) <= 3
        assert sum(speaker.timbre.values()) == pytest.approx(1)
        assert speaker.british == (next(iter(speaker.timbre)) == "bf_three")
        assert all(0 <= line < 50 for line in speaker.lines)


def test_a_speaker_is_a_mixture_of_voices_with_the_prosody_of_one(rng) -> None:
    known, still = voices(rng), np.zeros(128, np.float32)
    alone = tts.Speaker("x", {"af_one": 1.0}, None, 1.0, still, 1.0, False, [])
    np.testing.assert_allclose(tts.style(alone, known), known["af_one"], atol=1e-6)
    both = alone._replace(timbre={"af_one": 0.25, "am_two": 0.75}, prosody="jf_four")
    found = tts.style(both, known)
    mixed = 0.25 * known["af_one"] + 0.75 * known["am_two"]
    np.testing.assert_allclose(found[:, :128], mixed[:, :128], atol=1e-6)
    np.testing.assert_array_equal(found[:, 128:], known["jf_four"][:, 128:])
    wide = tts.style(both._replace(spread=1.2), known)
    mean = np.mean([known[name].mean(axis=0)[:128] for name in VOICES], axis=0)
    np.testing.assert_allclose(wide[:, :128] - mean, 1.2 * (found[:, :128] - mean), atol=1e-5)


def tone(path: Path) -> None:
    """A "synthesiser" that hums for two seconds, at as many radians a sample as the style's first number says."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    made = [
        helper.make_node("Gather", ["style", "first"], ["pitch"], axis=1),
        helper.make_node("Mul", ["ramp", "pitch"], ["angle"]),
        helper.make_node("Sin", ["angle"], ["full"]),
        helper.make_node("Mul", ["full", "speed"], ["wave"]),
    ]
    kinds = {"tokens": (TensorProto.INT64, [1, None]), "style": (TensorProto.FLOAT, [1, 256])}
    inputs = [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()]
    inputs.append(helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]))
    outputs = [helper.make_tensor_value_info("wave", TensorProto.FLOAT, None)]
    ramp = np.concatenate([np.zeros(24000), np.arange(48000), np.zeros(24000)]).astype(np.float32)[None]
    held = [numpy_helper.from_array(ramp, "ramp"), numpy_helper.from_array(np.array([0]), "first")]
    graph = helper.make_graph(made, "tone", inputs, outputs, held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.mark.skipif(not HAS_ONNX, reason="needs onnx and onnxruntime")
def test_the_row_is_that_of_the_texts_length_and_silence_is_cut_off(workplace: Path) -> None:
    tone(workplace / "tone.onnx")
    Path("symbols.json").write_text(json.dumps({"vocab": {"a": 1, "b": 2}}))
    table = np.zeros((4, 256), np.float32)
    hertz = [300, 500, 700, 900]
    table[:, 0] = 2 * np.pi * np.array(hertz) / 24000
    synthesiser = tts.Synthesiser("tone.onnx", "symbols.json")
    for symbols, wanted in (("a", 300), ("ab?", 500), ("abab", 900), ("ababababa", 900)):
        wave = synthesiser.say_symbols(symbols, table, 0.8)
        assert abs(len(wave) - 2.2 * 16000) < 20
        assert np.abs(wave).max() == pytest.approx(0.5, abs=1e-6)
        spectrum = np.abs(np.fft.rfft(wave))
        assert abs(spectrum.argmax() * 16000 / len(wave) - wanted) < 1
    assert len(synthesiser.say_symbols("a", table, 0.001)) == 0


@pytest.mark.skipif(not (HAS_ONNX and HAS_ESPEAK), reason="needs clearmel[speech]")
def test_what_is_there_stays(workplace: Path, rng) -> None:
    tone(workplace / "tone.onnx")
    Path("symbols.json").write_text(json.dumps({"vocab": {letter: k for k, letter in enumerate("abcdefgh", 1)}}))
    Path("text.txt").write_text("The cat sat.\n\nA bad cabbage had a head.\n")
    Path("voices").mkdir()
    for name, table in voices(rng).items():
        (np.abs(table) / 10).tofile(f"voices/{name}.bin")
    flags = ["--text_path", "text.txt", "--weights_path", "tone.onnx", "--voices_path", "voices"]
    flags += ["--symbols_path", "symbols.json"]
    sizes = ["--output_path", "made", "--n_utterances", "2", "--n_speakers"]
    run_script("build_speech", *flags, *sizes, "2")
    first = {path: path.stat().st_mtime_ns for path in sorted(Path("made").rglob("*.flac"))}
    assert [str(path) for path in first] == [f"made/kokoro_000{k}/{n}.flac" for k in (0, 1) for n in (0, 1)]
    run_script("build_speech", *flags, *sizes, "3")
    assert len(list(Path("made").rglob("*.flac"))) == 6
    assert all(path.stat().st_mtime_ns == before for path, before in first.items())


def test_bad_input_is_named(workplace: Path) -> None:
    Path("voices").mkdir()
    Path("text.txt").write_text("A line.\n")
    Path("empty.txt").write_text(" \n\n")
    Path("odd.txt").write_bytes(b"\xff\xfe\x00\xd8")

    def build(text: str = "text.txt", folder: str = "voices") -> tuple[str, ...]:
        flags = ("--weights_path", "none.onnx", "--symbols_path", "none.json", "--output_path", "made")
        return ("build_speech", "--text_path", text, "--voices_path", folder, *flags)

    refused(run_script(*build("none.txt")), "none.txt", "does not exist")
    refused(run_script(*build("empty.txt")), "empty.txt holds no text")
    refused(run_script(*build("odd.txt")), "odd.txt is not text in UTF-8")
    refused(run_script(*build(folder="text.txt")), "text.txt")
    refused(run_script(*build()), "voices holds no .bin")
    np.zeros(100, np.float32).tofile("voices/a.bin")
    refused(run_script(*build()), "a.bin is not a voice")
    np.full(512, np.nan, np.float32).tofile("voices/a.bin")
    refused(run_script(*build()), "a.bin holds NaN")
    np.zeros(512, np.float32).tofile("voices/a.bin")
    refused(run_script(*build()), "clearmel[speech]" if not HAS_ESPEAK else "none.json")
    assert not Path("made").exists()


@pytest.mark.skipif(not HAS_ONNX, reason="needs onnx and onnxruntime")
def test_weights_that_are_no_synthesiser_are_named(workplace: Path) -> None:
    Path("symbols.json").write_text("[]")
    Path("odd.onnx").write_bytes(b"odd")
    with pytest.raises(InputError, match=r"symbols\.json holds no"):
        tts.Synthesiser("odd.onnx", "symbols.json")
    Path("symbols.json").write_text('{"vocab": {"a": 1}}')
    with pytest.raises(InputError, match=r"odd\.onnx does not load"):
        tts.Synthesiser("odd.onnx", "symbols.json")
