"""Graphs of the classifiers that attend to frames: the logits (1, C) of a log-mel (1, T, M) without padding.

Shapes: T frames, M mel bands, H hidden, P tokens.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearmel.graphs.layers import (
    Weights,
    batch_norm,
    convolution,
    layer_norm,
    linear,
    recurrent,
    reshaped,
    scaled,
    sliced,
)
from clearmel.graphs.writer import Graph


def heads_on_lstm(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.MultiHeadAttention`."""
    x = graph.op("Unsqueeze", graph.op("Transpose", mel, perm=[0, 2, 1]), graph.numbers([1]))  # (1, 1, M, T)
    for place in (0, 3):
        x = convolution(graph, weights.at("bands", place), x)
        x = graph.op("Relu", batch_norm(graph, weights.at("bands", place + 1), x))
    x = graph.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, count_include_pad=0)
    x = graph.op("Transpose", graph.op("Squeeze", x, graph.numbers([1])), perm=[2, 0, 1])  # (T / 2, 1, M')
    hidden, _ = recurrent(graph, weights.at("lstm"), "LSTM", x)
    hidden = graph.op("Squeeze", hidden, graph.numbers([1]))  # (T / 2, 2 H)
    half = graph.op("Div", graph.op("Shape", hidden, start=0, end=1), graph.numbers([2]))
    query = linear(graph, weights.at("query"), graph.op("Gather", hidden, half, axis=0))  # (1, heads 2 H)
    query = reshaped(graph, query, int(sizes.get("num_heads", 4)), -1)
    weight = graph.op("Softmax", graph.op("MatMul", query, graph.op("Transpose", hidden, perm=[1, 0])), axis=1)
    x = reshaped(graph, graph.op("MatMul", weight, hidden), 1, -1)
    x = graph.op("Relu", linear(graph, weights.at("head", 1), x))
    return linear(graph, weights.at("head", 4), linear(graph, weights.at("head", 3), x))


def transformer(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.KeywordTransformer`."""
    n_mels = int(sizes.get("input_dim", 80))
    patch = weights["embed.weight"].shape[1] // n_mels
    size = graph.numbers([patch])
    length = graph.op("Shape", mel, start=1, end=2)
    rest = graph.op("Mod", graph.op("Sub", size, graph.op("Mod", length, size)), size)
    mel = graph.op("Pad", mel, graph.op("Concat", graph.numbers([0] * 4), rest, graph.numbers([0]), axis=0))
    tokens = linear(graph, weights.at("embed"), reshaped(graph, mel, -1, patch * n_mels))  # (P, H)
    width = len(weights["summary"])
    rates = np.exp(np.arange(0, width, 2, dtype=np.float32) * np.float32(-math.log(10000) / width))
    count = graph.op("Squeeze", graph.op("Shape", tokens, start=0, end=1))
    places = graph.op("Range", graph.numbers(np.int64(0)), count, graph.numbers(np.int64(1)))
    angles = graph.op(
        "Mul", graph.op("Unsqueeze", graph.op("Cast", places, to=1), graph.numbers([1])), graph.numbers(rates)
    )
    waves = graph.op("Concat", graph.op("Sin", angles), graph.op("Cos", angles), axis=1)
    tokens = graph.op("Add", tokens, sliced(graph, waves, 1, 0, width))
    x = graph.op("Concat", graph.numbers(weights["summary"][None]), tokens, axis=0)  # (1 + P, H)
    layer = 0
    while weights.has("layers", layer):
        own = weights.at("layers", layer)
        x = graph.op("Add", x, _attended(graph, own.at("self_attn"), layer_norm(graph, own.at("norm1"), x), sizes))
        inner = graph.op("Gelu", linear(graph, own.at("linear1"), layer_norm(graph, own.at("norm2"), x)))
        x, layer = graph.op("Add", x, linear(graph, own.at("linear2"), inner)), layer + 1
    return linear(graph, weights.at("head", 1), layer_norm(graph, weights.at("head", 0), sliced(graph, x, 0, 0, 1)))


def _attended(graph: Graph, weights: Weights, x: str, sizes: Mapping[str, Any]) -> str:
    """`nn.MultiheadAttention` of tokens (P, H) to each other."""
    n_heads, width = int(sizes.get("num_heads", 1)), weights["out_proj.weight"].shape[0]
    inward = graph.op("MatMul", x, graph.numbers(weights["in_proj_weight"].T))
    both = reshaped(graph, graph.op("Add", inward, graph.numbers(weights["in_proj_bias"])), 0, 3, n_heads, -1)
    both = graph.op("Transpose", both, perm=[1, 2, 0, 3])  # (3, heads, P, H / heads)
    query, key, value = (
        graph.op("Squeeze", sliced(graph, both, 0, part, part + 1), graph.numbers([0])) for part in range(3)
    )
    alike = graph.op(
        "MatMul", scaled(graph, query, 1 / math.sqrt(width / n_heads)), graph.op("Transpose", key, perm=[0, 2, 1])
    )
    found = graph.op("MatMul", graph.op("Softmax", alike, axis=2), value)
    return linear(
        graph, weights.at("out_proj"), reshaped(graph, graph.op("Transpose", found, perm=[1, 0, 2]), 0, width)
    )
