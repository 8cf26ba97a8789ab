"""The graph of any weights, by the network's name in their card.

Shapes: T frames, M mel bands, S voices, F STFT bins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.audio.face_embeddings import FACE_DIM
from clearmel.core.file_io import FloatArray
from clearmel.graphs import attention, classifiers, cutters, denoisers, separators, speakers, statistics
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
    "statistics": statistics.perceptrons,
}
CUTTERS: dict[str, Callable[[Graph, Weights, Mapping[str, Any], str], str]] = {
    "crnn": cutters.recurrent_cutter,
    "conv1d": cutters.convolutional_cutter,
}
STRIDES = {"crnn": 4, "conv1d": 1}
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
        statistics: turns a log-mel (T, M) into the input "statistics" of the graph, if there is one.
    """

    content: bytes
    state_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    statistics: Callable[[FloatArray], FloatArray] | None = None


def build(card: Mapping[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> Built:
    """The graph of checked weights.

    Raises:
        ValueError: tensors are left over.
        Exception: any, where tensors are missing or contradict each other.
    """
    network, sizes, graph, weights = card["network"], card["sizes"], Graph(), Weights(tensors)
    n_mels = int(card["features"].get("n_mels", 80))
    built = Built(b"")
    if network in ("lstm_denoiser", "gain_denoiser"):
        denoisers.denoiser(graph, weights, network, sizes)
        facts = {"fine_bins": int(sizes.get("fine_bins", 0)), "warm_up_s": WARM_UP_S.get(network, 0.0)}
        facts["look_ahead"] = int(sizes.get("look_ahead", 0))
        built = Built(graph.model(), denoisers.state_shapes(weights), facts)
    elif network in CLASSIFIERS and network != "statistics":
        logits = CLASSIFIERS[network](graph, weights, sizes, graph.input("mel", 1, "frames", n_mels))
        graph.output("logits", logits, 1, "classes")
        built = Built(graph.model())
    elif network == "statistics":
        width = int(sizes.get("width", 0))
        given = graph.input("statistics", 1, len(weights["standard.running_mean"]) - 8 * width)
        if width:
            body = classifiers.pooled(graph, weights.at("body"), graph.input("mel", 1, "frames", n_mels))
            given = graph.op("Concat", given, body, axis=1)
        logits = statistics.perceptrons(graph, weights, sizes, given)
        graph.output("logits", logits, 1, "classes")
        built = Built(graph.model(), statistics=statistics.of_mel)
    elif network in CUTTERS:
        logits = CUTTERS[network](graph, weights, sizes, graph.input("mel", 1, "frames", n_mels))
        graph.output("logits", logits, 1, "decisions")
        built = Built(graph.model(), facts={"stride": STRIDES[network]})
    elif network == "tdnn":
        embedding = speakers.encoder(graph, weights, graph.input("mel", 1, "frames", n_mels))
        graph.output("embedding", embedding, 1, "dimensions")
        built = Built(graph.model())
    else:
        n_bins, n_voices = int(sizes.get("n_bins", SEPARATORS[network])), int(sizes.get("n_voices", 2))
        sound, complex_masks = (
            graph.input("sound", "frames", n_bins, 2),
            bool(sizes.get("phase", network != "band_split")),
        )
        if network == "band_split":
            masks = separators.band_split(graph, weights, sizes, sound)
        else:
            with_faces = network == "looking_to_listen_faces"
            faces = graph.input("faces", n_voices, "video_frames", FACE_DIM) if with_faces else ""
            masks = separators.looking_to_listen(graph, weights, sizes, sound, faces)
        graph.output("masks", masks, n_voices, "frames", n_bins, *([2] if complex_masks else []))
        built = Built(graph.model(), facts={"n_voices": n_voices, "faces": network == "looking_to_listen_faces"})
    if left := weights.left():
        raise ValueError(f"{len(left)} tensors such as {left[0][:60]} are none of a {network}")
    return built


def sound_of(spectrum: npt.NDArray[np.complex64], exponent: float = 0.3) -> FloatArray:
    """The input (T, F, 2) of a separator, see `clearmel.networks.band_split.compressed`."""
    power = spectrum.real**2 + spectrum.imag**2
    level = max(float(power.mean()), 1e-12)
    scale = (power / np.float32(level) + np.float32(1e-8)) ** np.float32((exponent - 1) / 2) / np.sqrt(level)
    return np.stack([spectrum.real * scale, spectrum.imag * scale], axis=2).astype(np.float32)
