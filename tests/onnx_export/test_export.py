"""Exported graphs give what torch gives, step by step too, and need nothing but themselves."""

import copy
import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile as sf
import torch
from torch import Tensor

from clearmel.audio import gains, sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.stft import power_of
from clearmel.checkpoints import weights_file
from clearmel.core.errors import InputError
from clearmel.inference.classify import WindowClassifier
from clearmel.inference.cut import Editor
from clearmel.networks import Denoiser, GainDenoiser, LSTMDenoiser, Network
from clearmel.onnx_export import export
from clearmel.runtime.torch_model import TorchModel
from tests.conftest import ROOT, refused, run_script
from tests.runtime.test_onnx_model import FAMILIES, randomised

ORIGINAL = {"sample_rate": 16000, "n_fft": 1024, "hop_length": 256, "n_mels": 80, "fmin": 20.0, "fmax": 8000.0}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The ONNX file of shipped weights, written once by the script."""
    folder = tmp_path_factory.mktemp("exported")

    @functools.cache
    def path(weights: str, *flags: str) -> Path:
        target = folder / f"{weights}{''.join(flags)}.onnx"
        ran = run_script(
            "export", "--model_filename", ROOT / "models" / f"{weights}.pth", "--output_path", target, *flags
        )
        assert ran.status == 0, ran
        assert ran.out.startswith(f"saved {target}: {target.stat().st_size:,} bytes, at most ")
        assert float(ran.out.split("at most ")[1].split()[0]) <= 1e-4
        assert ran.err == ""
        return target

    return path


@functools.cache
def session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def card(path: Path) -> dict[str, Any]:
    return json.loads(session(path).get_modelmeta().custom_metadata_map["clearmel"])


def load(weights: str) -> Network:
    return weights_file.load(ROOT / "models" / f"{weights}.pth", task=None)


def inputs_of(network: Network, path: Path = ROOT / "data/noisy.wav") -> dict[str, Tensor]:
    """The inputs of a network for a recording: its mel and, if used, its fine structure."""
    features = MelFeatures(**network.card["features"])
    wave = torch.from_numpy(np.concatenate(list(sound_file.mono(path, features.sample_rate))))[None]
    given = {"mel": features.mel(wave)}
    if isinstance(network, Denoiser) and network.fine_bins:
        power = power_of(features.stft(wave))
        given["fine"] = gains.fine_structure(features, power, given["mel"], network.fine_bins)
    return given


def numbers(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


@pytest.mark.parametrize("weights", ["denoiser", "denoiser_tiny"])
def test_a_denoiser_gives_its_result_at_once_and_its_first_pass_step_by_step(
    exported: Callable[..., Path], weights: str
) -> None:
    network = load(weights)
    assert isinstance(network, Denoiser)
    given = inputs_of(network)
    with torch.inference_mode():
        estimate, factor, _ = network(*given.values())
        *causal, _ = network.causal(*given.values())
    whole = session(exported(weights)).run(None, numbers(given))
    expected = [estimate] if factor is None else [estimate, factor]
    for wanted, found in zip(expected, whole, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)

    step = session(exported(weights, "--streaming"))
    states = {port.name: np.zeros(port.shape, np.float32) for port in step.get_inputs() if port.name not in given}
    later = {"fine_hidden", "fine_cell", "near_seen", "near_hidden", "near_cell"}
    assert set(states) == {"hidden", "cell"} | (later if factor is not None else set())
    names, first, pieces = [port.name for port in step.get_outputs()], 0, []
    for length in [1] * 40 + [2, 7, 150, 10**6]:  # a frame at a time, and blocks of any length
        part = {name: tensor[:, first : first + length].numpy() for name, tensor in given.items()}
        first += length
        outputs = dict(zip(names, step.run(None, part | states), strict=True))
        states = {name: outputs[f"next_{name}"] for name in states}
        pieces.append([outputs[port.name] for port in session(exported(weights)).get_outputs()])
    for wanted, parts in zip(causal[: len(expected)], zip(*pieces, strict=True), strict=True):
        np.testing.assert_allclose(np.concatenate(parts, axis=1), wanted.numpy(), atol=1e-4)


@pytest.mark.parametrize("weights", ["classifier", "noise_presence", "esc10"])
def test_a_classifier_gives_the_probabilities_of_its_labels(exported: Callable[..., Path], weights: str) -> None:
    classifier = WindowClassifier(load(weights))
    found = card(exported(weights))
    assert found["labels"] == classifier.labels
    assert found["window_s"] == classifier.window_s
    for source in (ROOT / "data/noisy.wav", ROOT / "data/noise/val_harbour.flac"):
        # The whole recording, as inference_classification.py judges it: the temperature is inside.
        [probabilities] = session(exported(weights)).run(None, numbers(inputs_of(classifier.network, source)))
        np.testing.assert_allclose(probabilities, classifier.predict(source, window_s=0).probabilities, atol=1e-4)
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_several_recordings_are_classified_at_once(exported: Callable[..., Path]) -> None:
    loaded = session(exported("noise_presence"))
    mels = np.random.default_rng(0).normal(0.5, 0.2, (3, 40, 80)).astype(np.float32)
    [together] = loaded.run(None, {"mel": mels})
    np.testing.assert_allclose(
        together, np.concatenate([loaded.run(None, {"mel": mel[None]})[0] for mel in mels]), atol=1e-6
    )
    assert [port.shape for port in loaded.get_outputs()] == [["recordings", 2]]


def test_a_cutter_gives_what_is_kept(exported: Callable[..., Path]) -> None:
    network = load("cutter")
    editor, found = Editor(network), card(exported("cutter"))  # type: ignore[arg-type]
    assert found["threshold"] == editor.threshold
    assert found["stride"] * found["features"]["hop_length"] / found["features"]["sample_rate"] == editor.step_s
    [keep] = session(exported("cutter")).run(["keep"], numbers(inputs_of(network)))
    wanted = editor.probabilities_of_blocks(sound_file.mono(ROOT / "data/noisy.wav", editor.features.sample_rate))
    np.testing.assert_allclose(keep[0], wanted, atol=1e-4)


def test_the_file_needs_nothing_else_and_tells_nothing_of_this_computer(exported: Callable[..., Path]) -> None:
    path = exported("denoiser_tiny")
    found = card(path)
    assert found["features"] == ORIGINAL
    assert found["task"] == "denoising"
    assert found["training"] == load("denoiser_tiny").card["training"]
    assert {entry.suffix for entry in path.parent.iterdir()} == {".onnx"}  # the weights are inside
    assert str(ROOT).encode() not in path.read_bytes()
    assert str(Path(torch.__file__).parent).encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("weights", "seconds", "differs"),
    [("denoiser", 0, 1e-8), ("denoiser", 4, 3e-3), ("denoiser_tiny", 4, 1e-8)],  # the third stage begins anew only here
)
def test_the_example_cleans_as_inference_audio_does(
    exported: Callable[..., Path], weights: str, seconds: int, differs: float
) -> None:
    wave, rate = sf.read(ROOT / "data/noisy.wav", dtype="float32")
    sf.write("noisy.wav", np.stack([wave, 0.5 * wave[::-1]], axis=1), rate, "FLOAT")  # two channels, unrounded
    script = ROOT / "examples/clean_onnx.py"
    command = [sys.executable, str(script), str(exported(weights)), "noisy.wav", "example.wav", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    ran = run_script(
        "inference_audio", "--input_path", "noisy.wav", "--output_path", "ours.wav",
        "--model_filename", ROOT / "models" / f"{weights}.pth", "--warm_up_s", seconds,
    )  # fmt: skip
    assert ran.status == 0, ran
    example, ours = (sf.read(name)[0] for name in ("example.wav", "ours.wav"))
    assert np.square(example - ours).sum() < differs * np.square(ours).sum()
    assert np.abs(ours - sf.read("noisy.wav")[0]).max() > 0.05  # both have cleaned something
    imported = re.findall(r"^ *(?:import|from) (\w+)", script.read_text(), flags=re.MULTILINE)
    assert set(imported) == {"json", "sys", "numpy", "onnxruntime", "soundfile"}


def test_a_separator_gives_the_masks_of_a_spectrum(exported: Callable[..., Path]) -> None:
    network = load("separator")
    features = MelFeatures(**network.card["features"])
    spectrum = features.stft(sound_file.read(ROOT / "data/noisy.wav", features.sample_rate)[0])  # (T, F)
    [masks] = session(exported("separator")).run(None, {"spectrum": np.stack([spectrum.real, spectrum.imag], axis=2)})
    with torch.inference_mode():
        wanted = network(torch.from_numpy(spectrum[None]))[0].numpy()
    assert masks.shape == wanted.shape  # these weights have masks without phases
    np.testing.assert_allclose(masks, wanted, atol=1e-4)
    assert wanted.std() > 0.1


def test_an_encoder_gives_the_embedding_of_a_speaker(exported: Callable[..., Path]) -> None:
    network = load("speakers")
    given = inputs_of(network)
    [embedding] = session(exported("speakers")).run(["embedding"], numbers(given))
    with torch.inference_mode():
        wanted = network(given["mel"]).numpy()
    np.testing.assert_allclose(embedding, wanted, atol=1e-5)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("task", "network"), FAMILIES, ids=[f"{type(network).__name__}{n}" for n, (_, network) in enumerate(FAMILIES)]
)
def test_networks_of_all_families_are_exported(task: str, network: Network) -> None:
    weights_file.save("any.pth", randomised(network).state_dict())
    assert export.export("any.pth", "any.onnx") <= 1e-4
    onnx.checker.check_model("any.onnx", full_check=True)
    if task == "denoising" and not network.sizes.get("look_ahead"):
        assert export.export("any.pth", "any.onnx", streaming=True) <= 1e-4
        onnx.checker.check_model("any.onnx", full_check=True)


def test_weights_that_cannot_be_exported_are_named(
    workplace: Path, save_network: Callable[[Network, str, str], Network]
) -> None:
    refused(run_script("export", "--model_filename", "absent.pth"), "absent.pth", "does not exist")
    Path("models").mkdir()
    torch.save({"layer.weight": torch.zeros(2, 2)}, "models/odd.pth")
    refused(run_script("export", "--model_filename", "odd.pth"), "odd.pth", "no known network")
    ahead = save_network(GainDenoiser(look_ahead=2), "denoising", "ahead.pth")
    refused(run_script("export", "--model_filename", "ahead.pth", "--streaming"), "--streaming", "2 frames ahead")
    torch.save(ahead.state_dict() | {"lstm.bias_hh_l0": torch.zeros(3)}, "models/bad.pth")
    refused(run_script("export", "--model_filename", "bad.pth"), "bad.pth", "does not fit its card")
    ran = run_script("export", "--model_filename", ROOT / "models/classifier.pth", "--streaming")
    refused(ran, "--streaming", "classification")
    assert list(workplace.glob("*.onnx")) == []


def test_an_output_that_cannot_be_written_is_named(workplace: Path, denoiser: Network) -> None:
    Path("file").touch()
    refused(run_script("export", "--output_path", "file/denoiser.onnx"), "cannot write file/denoiser.onnx")
    refused(run_script("export", "--output_path", workplace), "it is a folder")
    before = Path("models/denoiser.pth").read_bytes()
    refused(run_script("export", "--output_path", "models/denoiser.pth"), "both input and output")
    assert Path("models/denoiser.pth").read_bytes() == before


def test_a_graph_that_differs_leaves_the_old_file(save_network: Callable[[Network, str, str], Network]) -> None:
    Path("models").mkdir()
    network = save_network(LSTMDenoiser(), "denoising", "ours.pth")
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.hidden2spectrogram.bias += 0.01  # type: ignore[union-attr, operator]
    Path("old.onnx").write_text("old")
    for streaming in (False, True):
        with pytest.raises(InputError, match=r"differs from torch's by 1\.0e-02") as refusal:
            export.export("models/ours.pth", "old.onnx", streaming, TorchModel(other))
        assert refusal.value.line().isprintable()
    assert Path("old.onnx").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["models", "old.onnx"]


def test_without_torch_it_is_compared_with_inference(exported: Callable[..., Path]) -> None:
    """Where torch cannot be imported, the same file is written."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from clearmel.cli.main import main\n"
        f"main(['export', '--model_filename', {str(ROOT / 'models/denoiser_tiny.pth')!r}, '--output_path', 't.onnx'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "from inference" in done.stdout
    assert Path("t.onnx").read_bytes() == exported("denoiser_tiny").read_bytes()


def test_json_reports_the_file(workplace: Path) -> None:
    ran = run_script("export", "--model_filename", ROOT / "models/classifier.pth", "--output_path", "c.onnx", "--json")
    report = json.loads(ran.out)
    assert (report["output"], report["bytes"]) == ("c.onnx", Path("c.onnx").stat().st_size)
    assert 0 <= report["largest_difference"] <= 1e-4
