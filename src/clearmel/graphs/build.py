"""The graph of any weights, by the network's name in their card.

Shapes: T frames, M mel bands, C classes, K decisions, S voices, F STFT bins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from clearmel.audio.face_embeddings import FACE_DIM
from clearmel.graphs import (
    attention,
    classifiers,
    cutters,
    denoiser_stages,
    denoisers,
    second_pass,
    separators,
    speakers,
    statistics,
)
from clearmel.graphs.layers import Weights
from clearmel.graphs.writer import Graph

CLASSIFIERS: dict[str, Callable[[Graph, Weights, Mapping[str, Any], str], str]] = {
    "lstm_classifier": classifiers.lstm,
    "resnet18": classifiers.resnet,
    "resnet34": classifiers.resnet,
    "resnet50": classifiers.resnet,
    "mhatt": attention.heads_on_lstm,
    "kwt": attention.transformer,
    "fully_connected": classifiers.fully_connected,
    "vgg11": classifiers.vgg,
    "bcresnet": classifiers.bcresnet,
    "statistics": statistics.classifier,
    "mask_snr": classifiers.mask_snr,
}
CUTTERS: dict[str, Callable[[Graph, Weights, Mapping[str, Any], str], str]] = {
    "crnn": cutters.recurrent_cutter,
    "conv1d": cutters.convolutional_cutter,
}
BATCHED = ("mask_snr",)
"""Networks whose graph takes several mels of one length: recurrent ones, which are then 1.7 times as fast."""
RECORDINGS = "recordings"
"""The name of the dimension of those mels."""
STRIDES = {"crnn": 4, "conv1d": 1}
DENOISERS = ("lstm_denoiser", "gain_denoiser")
SEPARATORS = {"band_split": 513, "looking_to_listen": 257, "looking_to_listen_faces": 257}
"""STFT bins by default."""
WARM_UP_S = {"gain_denoiser": 4.0}


@dataclass(frozen=True)
class Built:
    """A graph and what has to be known to run it.

    Attributes:
        content: of an ONNX file.
        state_shapes: names and shapes of a denoiser's state.
        facts: attributes of `clearmel.runtime.model.Model`.
        second: content of the file of a denoiser's second pass; b"" without one.
        second_shapes: names and shapes of its state.
    """

    content: bytes
    state_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    second: bytes = b""
    second_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


def build(card: Mapping[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> Built:
    """The graph of checked weights that inference runs.

    Raises:
        ValueError: tensors are left over.
        Exception: any, where tensors are missing or contradict each other.
    """
    network, sizes, graph, weights = card["network"], card["sizes"], Graph(), Weights(tensors)
    shapes, facts = dict[str, tuple[int, ...]](), dict[str, Any]()
    logits, second, second_shapes = add(graph, weights, card), b"", dict[str, tuple[int, ...]]()
    if weights.has("second"):
        backwards = Graph()
        second_pass.step(backwards, weights.at("second"), sizes, card["features"])
        second, second_shapes = backwards.model(), denoiser_stages.state_shapes(weights.at("second"))
    if network in DENOISERS:
        facts = {"fine_bins": int(sizes.get("fine_bins", 0)), "warm_up_s": WARM_UP_S.get(network, 0.0)}
        facts |= {"look_ahead": int(sizes.get("look_ahead", 0)), "two_passes": bool(second)}
        shapes = denoiser_stages.state_shapes(weights)
    elif network in SEPARATORS:
        facts = {"n_voices": int(sizes.get("n_voices", 2)), "faces": network == "looking_to_listen_faces"}
    elif network in CUTTERS:
        facts = {"stride": STRIDES[network]}
    elif network in BATCHED:
        facts = {"batched": True}
    if logits:
        graph.output("logits", logits, count_of(network), "decisions" if network in CUTTERS else "classes")
    return Built(graph.model(), shapes, facts, second, second_shapes)


def count_of(network: str) -> int | str:
    """How many mels the graph of a network takes: 1, or the name of that dimension."""
    return RECORDINGS if network in BATCHED else 1


def add(graph: Graph, weights: Weights, card: Mapping[str, Any], *, whole: bool = False) -> str:
    """Adds the network of a card with its inputs.

    Args:
        graph: grows.
        weights: all of them.
        card: checked.
        whole: see `clearmel.graphs.denoisers.denoiser`.

    Returns:
        The logits of a classifier (1, C) or a cutter (1, K). The outputs of all others have been named: "".

    Raises:
        ValueError: tensors are left over.
        Exception: any, where tensors are missing or contradict each other.
    """
    network, sizes, features, logits = card["network"], card["sizes"], card["features"], ""
    if network in DENOISERS:
        denoisers.denoiser(graph, weights, network, sizes, features, whole)
    elif network in SEPARATORS:
        _separator(graph, weights, network, sizes)
    else:
        mel = graph.input("mel", count_of(network), "frames", int(features.get("n_mels", 80)))
        if network == "tdnn":
            graph.output("embedding", speakers.encoder(graph, weights, mel), 1, "dimensions")
        else:
            logits = (CLASSIFIERS | CUTTERS)[network](graph, weights, sizes, mel)
    if left := weights.left():
        raise ValueError(f"{len(left)} tensors such as {left[0][:60]} are none of a {network}")
    return logits


def _separator(graph: Graph, weights: Weights, network: str, sizes: Mapping[str, Any]) -> None:
    n_bins, n_voices = int(sizes.get("n_bins", SEPARATORS[network])), int(sizes.get("n_voices", 2))
    sound = separators.compressed(graph, graph.input("spectrum", "frames", n_bins, 2))
    phases = bool(sizes.get("phase", network != "band_split"))
    if network == "band_split":
        masks = separators.band_split(graph, weights, sizes, sound)
    else:
        with_faces = network == "looking_to_listen_faces"
        faces = graph.input("faces", n_voices, "video_frames", FACE_DIM) if with_faces else ""
        masks = separators.looking_to_listen(graph, weights, sizes, sound, faces)
    graph.output("masks", masks, n_voices, "frames", n_bins, *([2] if phases else []))
