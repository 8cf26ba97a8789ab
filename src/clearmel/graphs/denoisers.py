"""Graphs of the denoisers: the next frames of one recording, and the recurrent state before and after them.

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


def denoiser(
    graph: Graph, weights: Weights, network: str, sizes: Mapping[str, Any], features: Mapping[str, Any], whole: bool
) -> None:
    """Adds a denoiser with its inputs and outputs, see docs/onnx.md.

    Args:
        graph: grows.
        weights: of the network.
        network: its name.
        sizes: of its card.
        features: of its card.
        whole: takes a whole recording, without state. Otherwise it takes the next frames, as with `--streaming`. With a
            look-ahead, there is then an input `ahead` of as many frames as `mel`, which lie the look-ahead behind them.
    """
    n_bands, look_ahead = int(features.get("n_mels", 80)), int(sizes.get("look_ahead", 0))
    mel = reshaped(graph, graph.input("mel", 1, "frames", n_bands), -1, 1, n_bands)  # (T, 1, M)
    n_bins = len(weights["hidden2factor.weight"]) if weights.has("refiner") else 0
    fine = graph.input("fine", 1, "frames", n_bins) if n_bins else ""
    shapes = state_shapes(weights)
    if whole:
        state = {name: graph.numbers(np.zeros(shape, np.float32)) for name, shape in shapes.items()}
        last = graph.op("Expand", sliced(graph, mel, 0, -1), graph.numbers([look_ahead, 1, n_bands]))
        ahead = graph.op("Concat", mel, last, axis=0) if look_ahead else mel  # (T + look_ahead, 1, M)
    else:
        ahead = mel
        if look_ahead:
            ahead = reshaped(graph, graph.input("ahead", 1, "frames", n_bands), -1, 1, n_bands)
        state = {name: graph.input(name, *shape) for name, shape in shapes.items()}
    if network == "lstm_denoiser":
        after = _lstm_denoiser(graph, weights, mel, state, bool(sizes.get("attenuation")))
    else:
        after = _gain_denoiser(graph, weights, [mel, ahead], fine, state, sizes, look_ahead if whole else 0)
    for name in () if whole else state:
        graph.output(f"next_{name}", after[name], *shapes[name])


def _lstm_denoiser(
    graph: Graph, weights: Weights, mel: str, state: dict[str, str], attenuation: bool
) -> dict[str, str]:
    hidden, after = recurrent(graph, weights.at("lstm"), "LSTM", mel, [state["hidden"], state["cell"]])
    output = linear(graph, weights.at("hidden2spectrogram"), hidden)
    if attenuation:
        output = graph.op("Sub", mel, graph.op("Softplus", output))
    n_bands = len(weights["hidden2spectrogram.bias"])
    graph.output("estimate", reshaped(graph, output, 1, -1, n_bands), 1, "frames", n_bands)
    return dict(zip(("hidden", "cell"), after, strict=True))


def _gain_denoiser(
    graph: Graph,
    weights: Weights,
    mels: list[str],
    fine: str,
    state: dict[str, str],
    sizes: Mapping[str, Any],
    early: int,
) -> dict[str, str]:
    """Adds the stages; of the outputs of the first LSTM, the first `early` ones belong to no frame."""
    mel, ahead = mels
    level = scaled(graph, mel, 1 / SPREAD, -MEAN / SPREAD)
    seen = level if ahead == mel else scaled(graph, ahead, 1 / SPREAD, -MEAN / SPREAD)
    hidden, ends = recurrent(graph, weights.at("lstm"), "LSTM", seen, [state["hidden"], state["cell"]])
    after = dict(zip(("hidden", "cell"), ends, strict=True))
    if "ahead_hidden" in state:
        known = hidden if early else graph.op("Concat", state["ahead_hidden"], hidden, axis=0)
        hidden, after["ahead_hidden"] = _corrected(graph, weights, known)
    elif early:
        hidden = sliced(graph, hidden, 0, early)
    least = 10 ** (-sizes.get("bound_db", 60.0) / 20)
    gain = scaled(
        graph, graph.op("Sigmoid", linear(graph, weights.at("hidden2gain"), hidden)), 1 - least, least
    )  # (T, 1, M)
    lowered = graph.op("Neg", graph.op("Log", gain))  # nepers of amplitude
    if sizes.get("knee_db"):
        knee = sizes["knee_db"] * math.log(10) / 20
        lowered = graph.op("Div", graph.op("Mul", lowered, lowered), scaled(graph, lowered, 1, knee))
    n_bands = len(weights["hidden2gain.bias"])
    estimate = graph.op("Sub", mel, scaled(graph, lowered, 1 / 5))
    graph.output("estimate", reshaped(graph, estimate, 1, -1, n_bands), 1, "frames", n_bands)
    if not fine:
        return after
    n_bins = len(weights["hidden2factor.bias"])
    shape = scaled(graph, reshaped(graph, fine, -1, 1, n_bins), 1 / FINE_SPREAD)
    seen = graph.op("Elu", linear(graph, weights.at("mix"), graph.op("Concat", hidden, shape, axis=-1)))
    turned, ends = recurrent(graph, weights.at("refiner"), "LSTM", seen, [state["fine_hidden"], state["fine_cell"]])
    after |= dict(zip(("fine_hidden", "fine_cell"), ends, strict=True))
    logit = scaled(graph, linear(graph, weights.at("hidden2factor"), turned), 1, -1.456)
    if weights.has("neighbours"):
        correction, ends = _bin_refiner(graph, weights.at("neighbours"), [level, lowered, shape, logit], state)
        after |= dict(zip(("near_seen", "near_hidden", "near_cell"), ends, strict=True))
        logit = graph.op("Add", logit, correction)
    factor = scaled(graph, graph.op("Sigmoid", logit), -3.7, 0.7)
    graph.output("factor", reshaped(graph, factor, 1, -1, n_bins), 1, "frames", n_bins)
    return after


def _corrected(graph: Graph, weights: Weights, known: str) -> tuple[str, str]:
    """The LSTM's outputs (T + reach, 1, H) for the first T frames, corrected with the following; and the last ones."""
    reach = weights["ahead.weight"].shape[2] - 1
    present = sliced(graph, known, 0, 0, -reach)
    turned = convolution(graph, weights.at("ahead"), graph.op("Transpose", known, perm=[1, 2, 0]))  # (1, ahead_dim, T)
    seen = graph.op("Transpose", graph.op("Elu", turned), perm=[2, 0, 1])
    return graph.op("Add", present, linear(graph, weights.at("ahead2hidden"), seen)), sliced(graph, known, 0, -reach)


def _bin_refiner(graph: Graph, weights: Weights, inputs: list[str], state: dict[str, str]) -> tuple[str, list[str]]:
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
    after = [last, *(reshaped(graph, end, 1, n_bins, channels) for end in ends)]
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
