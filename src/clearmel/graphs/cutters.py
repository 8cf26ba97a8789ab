"""Graphs of the cutters: the logits (1, K) of a log-mel (1, T, M)."""

import math
from collections.abc import Mapping
from typing import Any

from clearmel.graphs.layers import Weights, batch_norm, convolution, linear, recurrent, reshaped, scaled
from clearmel.graphs.writer import Graph


def recurrent_cutter(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.RecurrentCutter`."""
    members = [weights]
    while weights.has("others", len(members) - 1):
        members.append(weights.at("others", len(members) - 1))
    logits = [_decided(graph, member, mel) for member in members]
    return logits[0] if len(logits) == 1 else graph.op("Mean", *logits)


def _decided(graph: Graph, weights: Weights, mel: str) -> str:
    x = graph.op("Transpose", scaled(graph, mel, 1.5, -0.3), perm=[0, 2, 1])  # (1, M, T)
    for number, stride in enumerate((1, 2, 2)):
        x = convolution(graph, weights.at("convolutions", number), x, [stride], [2])
        x = graph.op("Relu", batch_norm(graph, weights.at("norms", number), x))
    hidden, _ = recurrent(graph, weights.at("gru"), "GRU", graph.op("Transpose", x, perm=[2, 0, 1]))  # (K, 1, 2 W)
    return reshaped(graph, linear(graph, weights.at("head"), hidden), 1, -1)


def convolutional_cutter(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.ConvolutionalCutter`."""
    factor = 200 / math.log(10) / 100
    x = graph.op("Clip", scaled(graph, mel, factor, 0.8 - factor), graph.numbers(1e-8), graph.numbers(1.0))
    x, number = graph.op("Transpose", x, perm=[0, 2, 1]), 0
    while weights.has("convolutions", number):
        x = convolution(graph, weights.at("convolutions", number), x, pad=[1])
        number += 1
    return reshaped(graph, x, 1, -1)
