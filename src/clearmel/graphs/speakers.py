"""The graph of an encoder of speakers: an embedding (1, E) of a log-mel (1, T, M).

Shapes: T frames, M mel bands, H width, E dimension of an embedding.
"""

import numpy as np

from clearmel.graphs.layers import Weights, batch_norm, convolution, linear
from clearmel.graphs.writer import Graph


def encoder(graph: Graph, weights: Weights, mel: str) -> str:
    """See `clearmel.networks.SpeakerEncoder`."""
    x = _normed(graph, weights.at("enter"), graph.op("Transpose", mel, perm=[0, 2, 1]), 2, 1)
    number = 0
    while weights.has("blocks", number):
        x = graph.op("Add", x, _normed(graph, weights.at("blocks", number), x, number + 1, number + 1))
        number += 1
    x = graph.op("Relu", convolution(graph, weights.at("wide", 0), x))  # (1, 2 H, T)
    attention = weights.at("attention")
    share = convolution(graph, attention.at(2), graph.op("Tanh", convolution(graph, attention.at(0), x)))
    share, frames = graph.op("Softmax", share, axis=2), graph.numbers([2])
    mean = graph.op("ReduceSum", graph.op("Mul", share, x), frames, keepdims=0)  # (1, 2 H)
    square = graph.op("ReduceSum", graph.op("Mul", share, graph.op("Mul", x, x)), frames, keepdims=0)
    variance = graph.op("Sub", square, graph.op("Mul", mean, mean))
    deviation = graph.op("Sqrt", graph.op("Max", variance, graph.numbers(np.float32(1e-5))))
    both = batch_norm(graph, weights.at("norm"), graph.op("Concat", mean, deviation, axis=1))
    found = linear(graph, weights.at("head"), both)
    return graph.op("Div", found, graph.op("ReduceL2", found, graph.numbers([1]), keepdims=1))


def _normed(graph: Graph, weights: Weights, x: str, pad: int, dilation: int) -> str:
    """A convolution, a rectifier and a normalisation."""
    y = convolution(graph, weights.at(0), x, pad=[pad], dilation=[dilation])
    return batch_norm(graph, weights.at(2), graph.op("Relu", y))
