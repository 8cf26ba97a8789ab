"""Graphs of the denoisers: the next frames of one recording, and the recurrent state before and after them.

Shapes: T frames, M mel bands, K bins of the fine structure, C channels of the third stage, L layers, H hidden.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clearmel.graphs import second_pass
from clearmel.graphs.denoiser_stages import (
    FINE_SPREAD,
    MEAN,
    SPREAD,
    attenuation,
    bin_refiner,
    name_outputs,
    state_shapes,
)
from clearmel.graphs.layers import Weights, convolution, linear, recurrent, reshaped, scaled, sliced
from clearmel.graphs.writer import Graph


def denoiser(
    graph: Graph, weights: Weights, network: str, sizes: Mapping[str, Any], features: Mapping[str, Any], whole: bool
) -> None:
    """Adds a denoiser with its inputs and outputs, see docs/onnx.md.

    Args:
        graph: grows.
        weights: of the network, whose second pass belongs to whole recordings alone, see `clearmel.graphs.second_pass`.
        network: its name.
        sizes: of its card.
        features: of its card.
        whole: takes a whole recording, without state. Otherwise it takes the next frames, as with `--streaming`. With a
            look-ahead, there is then an input `ahead` of as many frames as `mel`, which lie the look-ahead behind them.
    """
    n_bands, look_ahead = int(features.get("n_mels", 80)), int(sizes.get("look_ahead", 0))
    if weights.has("second") and not whole:
        weights.at("second").leave_out()
    mel = reshaped(graph, graph.input("mel", 1, "frames", n_bands), -1, 1, n_bands)  # (T, 1, M)
    n_bins = len(weights["hidden2factor.weight"]) if weights.has("refiner") else 0
    fine = reshaped(graph, graph.input("fine", 1, "frames", n_bins), -1, 1, n_bins) if n_bins else ""  # (T, 1, K)
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
        found, after = _lstm_denoiser(graph, weights, mel, state, bool(sizes.get("attenuation")))
    else:
        found, after = _gain_denoiser(graph, weights, [mel, ahead], fine, state, sizes, look_ahead if whole else 0)
    if whole and weights.has("second"):
        found = second_pass.whole(graph, weights.at("second"), {"mel": mel, "fine": fine} | found, sizes)
    name_outputs(graph, found, {} if whole else after, {"estimate": n_bands, "factor": n_bins}, shapes)


def _lstm_denoiser(
    graph: Graph, weights: Weights, mel: str, state: dict[str, str], lowers: bool
) -> tuple[dict[str, str], dict[str, str]]:
    hidden, after = recurrent(graph, weights.at("lstm"), "LSTM", mel, [state["hidden"], state["cell"]])
    output = linear(graph, weights.at("hidden2spectrogram"), hidden)
    if lowers:
        output = graph.op("Sub", mel, graph.op("Softplus", output))
    return {"estimate": output}, dict(zip(("hidden", "cell"), after, strict=True))


def _gain_denoiser(
    graph: Graph,
    weights: Weights,
    mels: list[str],
    fine: str,
    state: dict[str, str],
    sizes: Mapping[str, Any],
    early: int,
) -> tuple[dict[str, str], dict[str, str]]:
    """Adds the stages; of the outputs of the first LSTM, the first `early` ones belong to no frame.

    Returns:
        The estimate (T, 1, M) and the factor (T, 1, K), and the state after them.
    """
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
    lowered = attenuation(graph, linear(graph, weights.at("hidden2gain"), hidden), sizes)  # (T, 1, M)
    found = {"estimate": graph.op("Sub", mel, scaled(graph, lowered, 1 / 5))}
    if not fine:
        return found, after
    shape = scaled(graph, fine, 1 / FINE_SPREAD)
    seen = graph.op("Elu", linear(graph, weights.at("mix"), graph.op("Concat", hidden, shape, axis=-1)))
    turned, ends = recurrent(graph, weights.at("refiner"), "LSTM", seen, [state["fine_hidden"], state["fine_cell"]])
    after |= dict(zip(("fine_hidden", "fine_cell"), ends, strict=True))
    logit = scaled(graph, linear(graph, weights.at("hidden2factor"), turned), 1, -1.456)
    if weights.has("neighbours"):
        correction, bins = bin_refiner(graph, weights.at("neighbours"), [level, lowered, shape, logit], state)
        after |= bins
        logit = graph.op("Add", logit, correction)
    return found | {"factor": scaled(graph, graph.op("Sigmoid", logit), -3.7, 0.7)}, after


def _corrected(graph: Graph, weights: Weights, known: str) -> tuple[str, str]:
    """The LSTM's outputs (T + reach, 1, H) for the first T frames, corrected with the following; and the last ones."""
    reach = weights["ahead.weight"].shape[2] - 1
    present = sliced(graph, known, 0, 0, -reach)
    turned = convolution(graph, weights.at("ahead"), graph.op("Transpose", known, perm=[1, 2, 0]))  # (1, ahead_dim, T)
    seen = graph.op("Transpose", graph.op("Elu", turned), perm=[2, 0, 1])
    return graph.op("Add", present, linear(graph, weights.at("ahead2hidden"), seen)), sliced(graph, known, 0, -reach)
