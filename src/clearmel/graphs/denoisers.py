"""Graphs of the denoisers: the next frames of one recording, and the recurrent state before and after them.

Shapes: T frames, M mel bands, K bins of the fine structure, C channels of the third stage, L layers, H hidden.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearmel.graphs.layers import Weights, linear, recurrent, reshaped, scaled, sliced
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
    if weights.has("refiner"):
        fine_width = weights["refiner.weight_hh_l0"].shape[1]
        shapes |= dict.fromkeys(("fine_hidden", "fine_cell"), (1, 1, fine_width))
    if weights.has("neighbours"):
        n_bins, channels = len(weights["neighbours.place.weight"]), weights["neighbours.along.weight_hh_l0"].shape[1]
        shapes["near_seen"] = (1, REACH, n_bins, PLANES)
        shapes |= dict.fromkeys(("near_hidden", "near_cell"), (1, n_bins, channels))
    return shapes


def denoiser(graph: Graph, weights: Weights, network: str, sizes: Mapping[str, Any]) -> None:
    """Adds a denoiser; inputs and outputs are those of docs/onnx.md with `--streaming`."""
    n_bands = weights["lstm.weight_ih_l0"].shape[1]
    mel = reshaped(graph, graph.input("mel", 1, "frames", n_bands), -1, 1, n_bands)  # (T, 1, M)
    n_bins = len(weights["hidden2factor.weight"]) if weights.has("refiner") else 0
    fine = graph.input("fine", 1, "frames", n_bins) if n_bins else ""
    state = {name: graph.input(name, *shape) for name, shape in state_shapes(weights).items()}
    if network == "lstm_denoiser":
        after = _lstm_denoiser(graph, weights, mel, state, bool(sizes.get("attenuation")))
    else:
        after = _gain_denoiser(graph, weights, mel, fine, state, sizes)
    for name in state:
        graph.output(f"next_{name}", after[name], *state_shapes(weights)[name])


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
    graph: Graph, weights: Weights, mel: str, fine: str, state: dict[str, str], sizes: Mapping[str, Any]
) -> dict[str, str]:
    level = scaled(graph, mel, 1 / SPREAD, -MEAN / SPREAD)
    hidden, ends = recurrent(graph, weights.at("lstm"), "LSTM", level, [state["hidden"], state["cell"]])
    after = dict(zip(("hidden", "cell"), ends, strict=True))
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


def _bin_refiner(graph: Graph, weights: Weights, inputs: list[str], state: dict[str, str]) -> tuple[str, list[str]]:
    """The corrections (T, 1, K), and the state after them.

    Channels lie last throughout, as the LSTM wants them; the convolutions are products with shifted copies.
    """
    level, lowered, shape, logit = inputs
    n_bins = len(weights["place.weight"])
    planes = [shape, logit, *(linear(graph, weights.at("place"), bands) for bands in (level, lowered))]
    now = graph.op("Concat", *(reshaped(graph, plane, -1, n_bins, 1) for plane in planes), axis=2)  # (T, K, PLANES)
    seen = graph.op("Concat", reshaped(graph, state["near_seen"], REACH, n_bins, PLANES), now, axis=0)
    around = weights["around.weight"]  # (C, PLANES, REACH + 1, 2 REACH + 1)
    rows = _beside(graph, seen, REACH, n_bins)  # (T + REACH, K, (2 REACH + 1) PLANES)
    matrix = around.transpose(3, 1, 2, 0).reshape(-1, (REACH + 1) * len(around))
    parts = graph.op("MatMul", rows, graph.numbers(matrix))  # what each frame adds to itself and to later ones
    local = graph.numbers(weights["around.bias"])
    for past in range(REACH + 1):
        frames = sliced(graph, parts, 0, past, past - REACH if past < REACH else None)
        local = graph.op("Add", local, sliced(graph, frames, 2, past * len(around), (past + 1) * len(around)))
    local = graph.op("LeakyRelu", local, alpha=SLOPE)  # (T, K, C)
    turned, ends = recurrent(graph, weights.at("along"), "LSTM", local, [state["near_hidden"], state["near_cell"]])
    beside = weights["beside.weight"]  # (C, C, 1, 3)
    both = _beside(graph, graph.op("Add", local, turned), 1, n_bins)  # (T, K, 3 C)
    matrix = beside[:, :, 0].transpose(2, 1, 0).reshape(-1, len(beside))
    wide = graph.op("Add", graph.op("MatMul", both, graph.numbers(matrix)), graph.numbers(weights["beside.bias"]))
    correction = linear(graph, weights.at("out"), graph.op("LeakyRelu", wide, alpha=SLOPE))
    last = reshaped(graph, sliced(graph, seen, 0, -REACH), 1, REACH, n_bins, PLANES)
    return reshaped(graph, correction, -1, 1, n_bins), [last, *ends]


def _beside(graph: Graph, x: str, reach: int, n_bins: int) -> str:
    """(T, K, C) with the channels of the bins up to `reach` beside each, (T, K, (2 reach + 1) C); zeros beyond."""
    padded = graph.op("Pad", x, graph.numbers(np.array([0, reach, 0] * 2)))
    return graph.op("Concat", *(sliced(graph, padded, 1, k, k + n_bins) for k in range(2 * reach + 1)), axis=2)
