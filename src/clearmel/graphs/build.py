"""The graph of any weights, by the network's name in their card.

Shapes: T frames, M mel bands, S voices, F STFT bins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.core.file_io import FloatArray
from clearmel.graphs import classifiers, cutters, denoisers, separators, statistics
from clearmel.graphs.layers import Weights
from clearmel.graphs.writer import Graph

CLASSIFIERS: dict[str, Callable[[Graph, Weights, Mapping[str, Any], str], str]] = {
    "lstm_classifier": classifiers.lstm,
    "resnet18": classifiers.resnet,
    "resnet34": classifiers.resnet,
    "resnet50": classifiers.resnet,
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
WARM_UP_S = {"gain_denoiser": 4.0}


class UnsupportedError(Exception):
    """There is no graph for a network."""


@dataclass(frozen=True)
class Built:
    """A graph and what has to be known to run it.

    Attributes:
        content: of an ONNX file.
        state_shapes: names and shapes of a denoiser's state.
        facts: attributes of `clearmel.runtime.model.Model`.
        statistics: turns a log-mel (T, M) into the input of the graph, if that is not the mel itself.
    """

    content: bytes
    state_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    statistics: Callable[[FloatArray], FloatArray] | None = None


def build(card: Mapping[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> Built:
    """The graph of checked weights.

    Raises:
        UnsupportedError: there is no graph for the network.
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
        logits = statistics.perceptrons(
            graph, weights, sizes, graph.input("mel", 1, len(weights["standard.running_mean"]))
        )
        graph.output("logits", logits, 1, "classes")
        built = Built(graph.model(), statistics=statistics.of_mel)
    elif network in CUTTERS:
        logits = CUTTERS[network](graph, weights, sizes, graph.input("mel", 1, "frames", n_mels))
        graph.output("logits", logits, 1, "decisions")
        built = Built(graph.model(), facts={"stride": STRIDES[network]})
    elif network == "band_split":
        n_bins, n_voices = int(sizes["n_bins"]), int(sizes["n_voices"])
        masks = separators.band_split(graph, weights, sizes, graph.input("sound", "frames", n_bins, 2))
        phase = [2] if sizes.get("phase") else []
        graph.output("masks", masks, n_voices, "frames", n_bins, *phase)
        built = Built(graph.model(), facts={"n_voices": n_voices})
    else:
        raise UnsupportedError(network)
    if left := weights.left():
        raise ValueError(f"{len(left)} tensors such as {left[0][:60]} are none of a {network}")
    return built


def sound_of(spectrum: npt.NDArray[np.complex64], exponent: float = 0.3) -> FloatArray:
    """The input (T, F, 2) of a separator, see `clearmel.networks.band_split.compressed`."""
    power = spectrum.real**2 + spectrum.imag**2
    level = max(float(power.mean()), 1e-12)
    scale = (power / np.float32(level) + np.float32(1e-8)) ** np.float32((exponent - 1) / 2) / np.sqrt(level)
    return np.stack([spectrum.real * scale, spectrum.imag * scale], axis=2).astype(np.float32)
