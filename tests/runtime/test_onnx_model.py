"""ONNX Runtime gives what torch gives, for every shipped weight and every family of networks."""

import contextlib
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.gains import fine_structure
from clearmel.audio.stft import power_of
from clearmel.checkpoints import cards, stored, weights_file
from clearmel.core.errors import InputError
from clearmel.graphs.build import build
from clearmel.inference.denoise_stream import DenoiseStream
from clearmel.networks import (
    NETWORKS,
    VGG11,
    BandSplitSeparator,
    BCResNet,
    ConvolutionalCutter,
    FullyConnected,
    GainDenoiser,
    KeywordTransformer,
    LookingToListen,
    LookingToListenFaces,
    LSTMClassifier,
    LSTMDenoiser,
    MaskSNR,
    MultiHeadAttention,
    Network,
    RecurrentCutter,
    ResNet18,
    ResNet34,
    ResNet50,
    SpeakerEncoder,
    Statistics,
)
from clearmel.runtime import devices, load
from clearmel.runtime.model import Model
from clearmel.runtime.onnx_model import OnnxModel
from clearmel.runtime.torch_model import TorchModel
from tests.conftest import ROOT

SHIPPED = sorted(path.stem for path in (ROOT / "models").glob("*.pth"))
RATES = (8000, 16000, 22050, 32000, 44100, 48000, 96000)


def both(weights: str) -> tuple[Model, Model]:
    """Shipped weights by ONNX Runtime and by torch."""
    path = ROOT / "models" / f"{weights}.pth"
    found = load.load(path, None)
    assert isinstance(found, OnnxModel)
    return found, TorchModel(weights_file.load(path, None))


def wave_of(rate: int, n_channels: int = 1) -> np.ndarray:
    """Noisy speech (C, N)."""
    wave = sound_file.read(ROOT / "data/noisy.wav", rate)[0]
    return np.stack([wave, 0.5 * wave[::-1]][:n_channels])


def agree(ours: Model, torchs: Model, seed: int = 0) -> None:
    """Asserts equal outputs of two models for sound of several lengths."""
    features, task = MelFeatures(**ours.card["features"]), ours.card["task"]
    wave = wave_of(features.sample_rate)[0]
    for n_samples in (3 * features.hop_length, 20001, len(wave)):
        mel = features.relative(features.mel(wave[:n_samples]))
        if task == "separation":
            spectrum = features.stft(wave[:n_samples])
            faces = np.random.default_rng(0).normal(size=(2, 25, 512)).astype(np.float32) if ours.faces else None
            wanted = torchs.masks(spectrum, faces)
            np.testing.assert_allclose(ours.masks(spectrum, faces), wanted, atol=1e-4 * max(1, np.abs(wanted).max()))
        elif task == "speakers":
            np.testing.assert_allclose(ours.embedding(mel), torchs.embedding(mel), atol=1e-5)
        elif task == "denoising":
            fine = None
            if ours.fine_bins:
                fine = fine_structure(features, power_of(features.stft(wave[:n_samples])), mel, ours.fine_bins)[None]
            found, wanted = (model.denoised(mel[None], fine) for model in (ours, torchs))
            np.testing.assert_allclose(found[0], wanted[0], atol=1e-5)
            if fine is not None:
                np.testing.assert_allclose(found[1], wanted[1], atol=1e-4)
            np.testing.assert_allclose(ours.estimate(mel, 50), torchs.estimate(mel, 50), atol=1e-5)
            assert ours.two_passes == torchs.two_passes
            if ours.two_passes:
                first = mel[None], fine, *found[:2]
                for one, other in zip(ours.corrected(*first), torchs.corrected(*first), strict=True):
                    assert (one is None) == (other is None)
                    if one is not None:
                        np.testing.assert_allclose(one, other, atol=1e-4)
            agree_in_pieces(ours, torchs, mel[None], fine)
        else:
            mels = np.stack([mel, mel[::-1]])
            np.testing.assert_allclose(ours.logits(mels), torchs.logits(mels), atol=1e-3, rtol=1e-5)


def agree_in_pieces(ours: Model, torchs: Model, mel: np.ndarray, fine: np.ndarray | None) -> None:
    """Asserts equal outputs for a stream that begins primed, piece by piece."""
    states: list[Any] = [model.primed(mel, fine) for model in (ours, torchs)]
    edges = [0, 1, 2, 4, 40, mel.shape[1]]
    for first, end in itertools.pairwise(min(edge, mel.shape[1]) for edge in edges):
        if first < end:
            piece, found = None if fine is None else fine[:, first:end], []
            for number, model in enumerate((ours, torchs)):
                last = end == mel.shape[1]
                *outputs, states[number] = model.denoised(mel[:, first:end], piece, states[number], last)
                found.append(outputs)
            for one, other in zip(*found, strict=True):
                if other is not None and other.size:
                    np.testing.assert_allclose(one, other, atol=1e-4)
                assert (one is None or not one.size) == (other is None or not other.size)


@pytest.mark.parametrize("weights", SHIPPED)
def test_shipped_weights_give_what_torch_gives(weights: str) -> None:
    agree(*both(weights))


@pytest.mark.parametrize("weights", [name for name in SHIPPED if name.startswith("denoiser")])
def test_denoised_sound_is_that_of_torch_at_every_rate_in_pieces_and_whole(weights: str) -> None:
    ours, torchs = both(weights)
    for rate in RATES:
        wave = wave_of(rate, 2 if rate == 48000 else 1)[:, : 2 * rate]
        for both_passes in {False, ours.two_passes}:
            whole, stream = (DenoiseStream(model, rate, len(wave), whole=both_passes) for model in (torchs, ours))
            wanted = np.concatenate([whole.push(wave), whole.finish()], axis=1)
            edges = [0, 7, 400, 401, rate // 3, rate, wave.shape[1]]
            pieces = [stream.push(wave[:, a:b]) for a, b in itertools.pairwise(edges)]
            np.testing.assert_allclose(np.concatenate([*pieces, stream.finish()], axis=1), wanted, atol=1e-4)
            assert np.abs(wanted - wave).max() > 0.01


MEMBERS: list[tuple[str, Network]] = [
    ("classification", LSTMClassifier(hidden_dim=5, num_layers=2)),
    ("classification", ResNet34(width=2)),
    ("classification", ResNet50(n_classes=3, width=2)),
    ("classification", VGG11(n_classes=3, width=2, hidden_dim=6)),
    ("classification", BCResNet(scale=1)),
    ("classification", FullyConnected(n_classes=3, hidden_dim=6)),
    ("classification", Statistics(n_classes=1, hidden_dim=4, members=2)),
    ("classification", Statistics(n_classes=3, hidden_dim=4, members=2, width=2)),
    ("classification", ResNet18(n_classes=3, width=2)),
    ("classification", MaskSNR(hidden_dim=8, num_layers=2, head_dim=4)),
    ("classification", MaskSNR(n_classes=3, hidden_dim=8, num_layers=1, head_dim=4)),
    ("classification", MultiHeadAttention(n_classes=3, hidden_dim=8, num_heads=2)),
    ("classification", KeywordTransformer(hidden_dim=8, num_layers=2, num_heads=2, patch_frames=3)),
    ("cutting", RecurrentCutter(hidden_dim=6, num_layers=1, members=2)),
    ("cutting", ConvolutionalCutter(levels=2)),
    ("denoising", LSTMDenoiser(attenuation=True, num_layers=2)),
    ("denoising", LSTMDenoiser()),
    ("denoising", GainDenoiser(hidden_dim=7, fine_bins=40, fine_dim=8)),
    ("denoising", GainDenoiser(fine_bins=21, fine_dim=8, near_dim=3)),
    ("denoising", GainDenoiser(fine_bins=16, fine_dim=8, near_dim=4, bound_db=30)),
    ("denoising", GainDenoiser(hidden_dim=7, look_ahead=2, fine_bins=16, fine_dim=8, near_dim=4)),
    ("denoising", GainDenoiser(hidden_dim=7, look_ahead=3, ahead_dim=5, fine_bins=16, fine_dim=8)),
    ("denoising", GainDenoiser(hidden_dim=7, look_ahead=1)),
    (
        "denoising",
        GainDenoiser(hidden_dim=7, num_layers=2, fine_bins=16, fine_dim=8, near_dim=4, knee_db=1, two_passes=True),
    ),
    ("denoising", GainDenoiser(hidden_dim=7, two_passes=True)),
    ("separation", LookingToListen(channels=4, hidden_dim=5, linear_dim=6, n_bins=513)),
    ("separation", LookingToListenFaces(channels=4, hidden_dim=5, linear_dim=6, n_bins=513)),
    ("speakers", SpeakerEncoder(hidden_dim=6, embedding_dim=5)),
    ("separation", BandSplitSeparator(hidden_dim=6, num_layers=1, phase=True)),
    ("separation", BandSplitSeparator(hidden_dim=6, num_layers=2, n_voices=3)),
]


def with_card(task: str, network: Network) -> Network:
    labels = [str(number) for number in range(network.sizes.get("n_classes", 2))] if task == "classification" else []
    if len(labels) == 1:
        labels.append("1")
    network.card = weights_file.make_card(network, task, MelFeatures(), labels)
    return network.eval()


def randomised(network: Network) -> Network:
    """All numbers drawn anew, so that no layer is the identity."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                width = math.sqrt(value[0].numel()) if value.ndim > 1 else 5.0
                drawn = torch.randn(value.shape, generator=draw) / width
                value.copy_(drawn.abs() + 0.5 if name.endswith(("running_var", "norm.weight")) else drawn)
    return network


FAMILIES = [(task, with_card(task, network)) for task, network in MEMBERS]


@pytest.mark.parametrize(
    ("task", "network"),
    FAMILIES,
    ids=[f"{type(network).__name__}{number}" for number, (_, network) in enumerate(FAMILIES)],
)
def test_networks_of_all_families_give_what_torch_gives(task: str, network: Network) -> None:
    weights_file.save("any.pth", randomised(network).state_dict())
    found = load.load("any.pth", task)
    assert isinstance(found, OnnxModel)
    agree(found, TorchModel(network))


def test_every_network_has_a_graph() -> None:
    assert {name for names in cards.NAMES.values() for name in names} == set(NETWORKS)
    assert {weights.card["network"] for _, weights in FAMILIES} >= set(NETWORKS)


def test_the_graphs_follow_the_format() -> None:
    for weights in SHIPPED:
        card, tensors = stored.read(ROOT / "models" / f"{weights}.pth", None)
        built = build(card, tensors)
        for content in (built.content, built.second):
            if content:
                onnx.checker.check_model(onnx.load_from_string(content), full_check=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("lstm.bias_hh_l0"),
        lambda state: state.update({"more": torch.zeros(3)}),
        lambda state: state.update({"lstm.weight_hh_l0": torch.zeros(320, 81)}),
        lambda state: state.update({"hidden2spectrogram.bias": torch.zeros(7)}),
    ],
)
def test_tensors_that_do_not_fit_are_refused(denoiser: Network, change: Any) -> None:
    state = dict(denoiser.state_dict())
    change(state)
    torch.save(state, "bad.pth")
    with pytest.raises(InputError, match=r"bad\.pth.* does not fit its card"):
        load.load("bad.pth", "denoising")


@pytest.mark.parametrize("key", ["input_dim", "hidden_dim", "num_layers", "spectrogram_resolution"])
def test_sizes_without_tensors_take_no_memory(denoiser: Network, key: str) -> None:
    """A number of the card alone decides nothing: the tensors do, or it is refused."""
    denoiser.card["sizes"] = dict(denoiser.card["sizes"]) | {key: 10**9}
    weights_file.save("large.pth", denoiser.state_dict())
    refused = key in ("input_dim", "spectrogram_resolution")  # they contradict the features
    with pytest.raises(InputError, match=key) if refused else contextlib.nullcontext():
        found = load.load("large.pth", "denoising").estimate(np.zeros((3, 80), np.float32))
        np.testing.assert_allclose(found, TorchModel(denoiser).estimate(np.zeros((3, 80), np.float32)), atol=1e-5)


def test_a_device_that_is_not_there_is_named(denoiser: Network) -> None:
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    for device in ("cuda", "mps"):
        with pytest.raises(InputError, match=f"--device {device}"):
            load.load(Path("models/denoiser.pth"), "denoising", device)
    assert devices.pick("auto") == ("onnxruntime", "cpu")
