"""Parts that the graphs of both passes of a denoiser share.

Shapes: T frames, M mel bands, K bins of the fine structure, C channels of the third stage, L layers, H hidden.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearmel.graphs.layers import Weights, convolution, linear, recurrent, reshaped, scaled, sliced
from clearmel.graphs.writer import Graph

MEAN, SPREAD, FINE_SPREAD = 0.25, 0.5, 0.15
"""See `clearmel.networks.gain_denoiser`."""
REACH, PLANES, SLOPE = 2, 4, 0.1
"""See `clearmel.networks.bin_refiner`."""


def state_shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state of a denoiser."""
    n_layers = sum(f"lstm.weight_ih_l{layer}" in weights for layer in range(64))
    width = weights["lstm.weight_hh_l0"].shape[1]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("hidden", "cell"), (n_layers, 1, width))
    if weights.has("ahead"):
        shapes["ahead_hidden"] = (weights["ahead.weight"].shape[2] - 1, 1, width)  # outputs of the last frames
    if weights.has("refiner"):
        fine_width = weights["refiner.weight_hh_l0"].shape[1]
        shapes |= dict.fromkeys(("fine_hidden", "fine_cell"), (1, 1, fine_width))
    if weights.has("neighbours"):
        n_bins, channels = len(weights["neighbours.place.weight"]), weights["neighbours.along.weight_hh_l0"].shape[1]
        shapes["near_seen"] = (1, REACH, n_bins, PLANES)
        shapes |= dict.fromkeys(("near_hidden", "near_cell"), (1, n_bins, channels))
    return shapes


def name_outputs(
    graph: Graph,
    found: Mapping[str, str],
    after: Mapping[str, str],
    widths: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Names what was found, (T, 1, width), and the state after it as outputs."""
    for name, value in found.items():
        graph.output(name, reshaped(graph, value, 1, -1, widths[name]), 1, "frames", widths[name])
    for name, value in after.items():
        graph.output(f"next_{name}", value, *shapes[name])


def attenuation(graph: Graph, logit: str, sizes: Mapping[str, Any]) -> str:
    """Nepers of amplitude from the logits of the gain, with the bound and the knee of the sizes."""
    least = 10 ** (-sizes.get("bound_db", 60.0) / 20)
    gain = scaled(graph, graph.op("Sigmoid", logit), 1 - least, least)
    lowered = graph.op("Neg", graph.op("Log", gain))
    if not sizes.get("knee_db"):
        return lowered
    knee = sizes["knee_db"] * math.log(10) / 20
    return graph.op("Div", graph.op("Mul", lowered, lowered), scaled(graph, lowered, 1, knee))


def bin_refiner(
    graph: Graph, weights: Weights, inputs: list[str], state: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """The corrections (T, 1, K), and the state after them.

    The convolutions have two axes and one recording: ONNX Runtime then runs them on the layout (T, K, C), which is that
    of the LSTM's rows, so that the transpositions around them cost nothing.
    """
    level, lowered, shape, logit = inputs
    n_bins, channels = len(weights["place.weight"]), len(weights["around.bias"])
    planes = [shape, logit, *(linear(graph, weights.at("place"), bands) for bands in (level, lowered))]
    now = graph.op("Concat", *(reshaped(graph, plane, 1, 1, -1, n_bins) for plane in planes), axis=1)
    before = graph.op("Transpose", state["near_seen"], perm=[0, 3, 1, 2])
    seen = graph.op("Concat", before, now, axis=2)  # (1, PLANES, REACH + T, K)
    around = convolution(graph, weights.at("around"), seen, pad=[0, REACH])
    local = graph.op("Transpose", graph.op("LeakyRelu", around, alpha=SLOPE), perm=[0, 2, 3, 1])  # (1, T, K, C)
    # Two bins in a row of the LSTM, which do not act on each other: it is slow for many narrow rows.
    pair = 2 if n_bins % 2 == 0 else 1
    rows = (n_bins // pair, pair * channels)
    states = [reshaped(graph, state[name], 1, *rows) for name in ("near_hidden", "near_cell")]
    turned, ends = recurrent(
        graph, _side_by_side(weights.at("along"), pair), "LSTM", reshaped(graph, local, -1, *rows), states
    )
    both = graph.op("Add", local, reshaped(graph, turned, 1, -1, n_bins, channels))
    beside = convolution(graph, weights.at("beside"), graph.op("Transpose", both, perm=[0, 3, 1, 2]), pad=[0, 1])
    out = Weights({"weight": weights["out.weight"][:, :, None, None], "bias": weights["out.bias"]})
    correction = convolution(graph, out, graph.op("LeakyRelu", beside, alpha=SLOPE))  # (1, 1, T, K)
    last = graph.op("Transpose", sliced(graph, seen, 2, -REACH), perm=[0, 2, 3, 1])
    hidden, cell = (reshaped(graph, end, 1, n_bins, channels) for end in ends)
    after = {"near_seen": last, "near_hidden": hidden, "near_cell": cell}
    return reshaped(graph, correction, -1, 1, n_bins), after


def _side_by_side(weights: Weights, count: int) -> Weights:
    """An LSTM for `count` independent inputs beside each other."""
    found = {}
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        gates = np.split(weights[name], 4)
        if name.startswith("weight"):
            gates = [np.kron(np.eye(count, dtype=np.float32), gate) for gate in gates]
        else:
            gates = [np.tile(gate, count) for gate in gates]
        found[name] = np.concatenate(gates)
    return Weights(found)
