"""Graph of the pass of a denoiser backwards in time, see `clearmel.networks.second_pass`.

Shapes: T frames, M mel bands, K bins of the fine structure.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearmel.graphs.denoiser_stages import (
    FINE_SPREAD,
    MEAN,
    SPREAD,
    attenuation,
    bin_refiner,
    name_outputs,
    state_shapes,
)
from clearmel.graphs.layers import Weights, linear, recurrent, reshaped, scaled
from clearmel.graphs.writer import Graph

LOWEST, RANGE, EDGE = -3.0, 3.7, 1e-4
"""See `clearmel.networks.gain_logits`."""


def step(graph: Graph, weights: Weights, sizes: Mapping[str, Any], features: Mapping[str, Any]) -> None:
    """Adds the pass over the next frames, from the end of a recording to its start, with its inputs and outputs.

    What the first pass found are the inputs `first_estimate` and `first_factor`.

    Args:
        graph: grows.
        weights: of the pass.
        sizes: of the card.
        features: of the card.
    """
    n_bands, shapes = int(features.get("n_mels", 80)), state_shapes(weights)
    widths = {"mel": n_bands, "estimate": n_bands}
    if weights.has("refiner"):
        widths |= dict.fromkeys(("fine", "factor"), len(weights["hidden2factor.weight"]))
    given = dict[str, str]()
    for name, size in widths.items():
        port = graph.input(f"first_{name}" if name in ("estimate", "factor") else name, 1, "frames", size)
        given[name] = reshaped(graph, port, -1, 1, size)
    state = {name: graph.input(name, *shape) for name, shape in shapes.items()}
    name_outputs(graph, *_corrected(graph, weights, given, state, sizes), widths, shapes)


def whole(graph: Graph, weights: Weights, given: Mapping[str, str], sizes: Mapping[str, Any]) -> dict[str, str]:
    """The corrected estimate (T, 1, M) and factor (T, 1, K) of a whole recording.

    Args:
        graph: grows.
        weights: of the pass.
        given: "mel", "estimate" (T, 1, M) and, of networks with bins, "fine" and "factor" (T, 1, K).
        sizes: of the card.
    """
    state = {name: graph.numbers(np.zeros(shape, np.float32)) for name, shape in state_shapes(weights).items()}
    reversed_in_time = {name: _reversed(graph, value) for name, value in given.items() if value}
    found, _ = _corrected(graph, weights, reversed_in_time, state, sizes)
    return {name: _reversed(graph, value) for name, value in found.items()}


def _corrected(
    graph: Graph, weights: Weights, given: Mapping[str, str], state: Mapping[str, str], sizes: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """What `SecondPass` returns for frames in its order of time, and the state after them."""
    mel, level = given["mel"], scaled(graph, given["mel"], 1 / SPREAD, -MEAN / SPREAD)
    before = graph.op("Relu", scaled(graph, graph.op("Sub", mel, given["estimate"]), 5))  # nepers of amplitude
    seen = graph.op("Concat", level, before, axis=-1)
    hidden, ends = recurrent(graph, weights.at("lstm"), "LSTM", seen, [state["hidden"], state["cell"]])
    after = dict(zip(("hidden", "cell"), ends, strict=True))
    logit = graph.op("Add", linear(graph, weights.at("hidden2gain"), hidden), _logit(graph, before, sizes))
    lowered = attenuation(graph, logit, sizes)
    found = {"estimate": graph.op("Sub", mel, scaled(graph, lowered, 1 / 5))}
    if "fine" not in given:
        return found, after
    shape, factor = scaled(graph, given["fine"], 1 / FINE_SPREAD), given["factor"]
    mixed = linear(graph, weights.at("mix"), graph.op("Concat", hidden, shape, factor, axis=-1))
    state_before = [state["fine_hidden"], state["fine_cell"]]
    turned, ends = recurrent(graph, weights.at("refiner"), "LSTM", graph.op("Elu", mixed), state_before)
    after |= dict(zip(("fine_hidden", "fine_cell"), ends, strict=True))
    before = _inverse_sigmoid(graph, scaled(graph, factor, -1 / RANGE, (LOWEST + RANGE) / RANGE))
    logit = graph.op("Add", linear(graph, weights.at("hidden2factor"), turned), before)
    if weights.has("neighbours"):
        planes = [level, lowered, shape, logit]
        correction, ends_of_bins = bin_refiner(graph, weights.at("neighbours"), planes, state)
        logit, after = graph.op("Add", logit, correction), after | ends_of_bins
    return found | {"factor": scaled(graph, graph.op("Sigmoid", logit), -RANGE, LOWEST + RANGE)}, after


def _logit(graph: Graph, lowered: str, sizes: Mapping[str, Any]) -> str:
    """The logit of an attenuation in nepers of amplitude, the inverse of `attenuation`."""
    least = 10 ** (-sizes.get("bound_db", 60.0) / 20)
    if sizes.get("knee_db"):
        knee = sizes["knee_db"] * math.log(10) / 20
        square = graph.op("Mul", lowered, scaled(graph, lowered, 1, 4 * knee))
        lowered = scaled(graph, graph.op("Add", lowered, graph.op("Sqrt", square)), 1 / 2)
    gain = graph.op("Exp", graph.op("Neg", lowered))
    return _inverse_sigmoid(graph, scaled(graph, gain, 1 / (1 - least), -least / (1 - least)))


def _inverse_sigmoid(graph: Graph, share: str) -> str:
    share = graph.op("Clip", share, *(graph.numbers(np.float32(end)) for end in (EDGE, 1 - EDGE)))
    return graph.op("Log", graph.op("Div", share, scaled(graph, share, -1, 1)))


def _reversed(graph: Graph, value: str) -> str:
    limits = ([-1], [np.iinfo(np.int64).min], [0], [-1])
    return graph.op("Slice", value, *(graph.numbers(limit) for limit in limits))
