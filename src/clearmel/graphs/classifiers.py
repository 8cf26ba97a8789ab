"""Graphs of the classifiers: the logits (1, C) of a log-mel (1, T, M) without padding.

Shapes: T frames, M mel bands, F rows of bands, W windows, H hidden.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearmel.graphs.layers import (
    Weights,
    batch_norm,
    convolution,
    linear,
    recurrent,
    reshaped,
    scaled,
    sliced,
)  # fmt: skip
from clearmel.graphs.writer import Graph

SPREAD, MASK_MEAN, LOUDEST, POWER_FLOOR = 0.5, -0.11, 10.0, 1e-8
"""See `clearmel.networks.mask_snr`."""


def lstm(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.LSTMClassifier`."""
    hidden, _ = recurrent(graph, weights.at("lstm"), "LSTM", graph.op("Transpose", mel, perm=[1, 0, 2]))
    return linear(
        graph, weights.at("hidden2class"), graph.op("Squeeze", sliced(graph, hidden, 0, -1), graph.numbers([0]))
    )


def mask_snr(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.MaskSNR`; the mels are those of several recordings of one length, (B, T, M)."""
    frames = graph.op("Transpose", mel, perm=[1, 0, 2])  # (T, B, M)
    hidden, _ = recurrent(graph, weights.at("lstm"), "LSTM", scaled(graph, frames, 1 / SPREAD, -MASK_MEAN / SPREAD))
    gain = graph.op("Sigmoid", linear(graph, weights.at("hidden2gain"), hidden))
    share = graph.op("Mul", gain, gain)
    nepers = graph.op("Min", scaled(graph, frames, 10, -10), graph.numbers(np.float32(LOUDEST)))
    power = graph.op("Mul", graph.op("Exp", nepers), graph.numbers(np.exp(weights["weight"])))
    levels = [
        level
        for part in (share, scaled(graph, share, -1, 1))
        for level in _levels(graph, graph.op("ReduceSum", graph.op("Mul", power, part), graph.numbers([2]), keepdims=0))
    ]
    seen = graph.op(
        "Concat",
        graph.op("ReduceMean", hidden, graph.numbers([0]), keepdims=0),
        graph.op("ReduceMax", hidden, graph.numbers([0]), keepdims=0),
        graph.op("ReduceMean", share, graph.numbers([0]), keepdims=0),
        axis=-1,
    )
    turned = graph.op("Relu", linear(graph, weights.at("first"), seen))
    return linear(graph, weights.at("last"), graph.op("Concat", *levels, turned, axis=-1))


def _levels(graph: Graph, power: str) -> list[str]:
    """The two levels (B, 1) in bels of the power of each frame (T, B)."""
    power, first = scaled(graph, power, 1, POWER_FLOOR), graph.numbers([0])
    mean = graph.op("ReduceMean", power, first, keepdims=1)
    square = graph.op("ReduceMean", graph.op("Mul", power, power), first, keepdims=1)
    bels = (scaled(graph, graph.op("Log", value), 1 / math.log(10)) for value in (mean, graph.op("Div", square, mean)))
    return [graph.op("Transpose", level, perm=[1, 0]) for level in bels]


def resnet(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.resnet.ResNet`; of any depth."""
    return linear(graph, weights.at("head", 1), pooled(graph, weights, mel))


def pooled(graph: Graph, weights: Weights, mel: str) -> str:
    """The input of a residual network's last layer."""
    x = graph.op("Relu", _normed(graph, weights.at("stem"), _image(graph, mel), 2, 7))
    x = graph.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    number, width = 0, 0
    while weights.has("blocks", number):
        block = weights.at("blocks", number)
        own = block.at("last")["0.weight"].shape[0]
        stride = 2 if number and own != width else 1
        width, y = own, x
        strides = (1, stride) if block.has("inner", 1) else (stride,)
        for place, step in enumerate(strides):
            unit = block.at("inner", place)
            y = graph.op("Relu", _normed(graph, unit, y, step, unit["0.weight"].shape[2]))
        y = _normed(graph, block.at("last"), y, 1, block.at("last")["0.weight"].shape[2])
        x = _normed(graph, block.at("shortcut"), x, stride, 1) if block.has("shortcut") else x
        x, number = graph.op("Relu", graph.op("Add", y, x)), number + 1
    return graph.op("Flatten", graph.op("GlobalAveragePool", x))


def _normed(graph: Graph, weights: Weights, x: str, stride: int, kernel: int) -> str:
    """A convolution and its normalisation, see `clearmel.networks.resnet.convolution`."""
    x = convolution(graph, weights.at(0), x, [stride, stride], [kernel // 2, kernel // 2])
    return batch_norm(graph, weights.at(1), x)


def _image(graph: Graph, mel: str) -> str:
    """(1, 1, M, T)."""
    return graph.op("Unsqueeze", graph.op("Transpose", mel, perm=[0, 2, 1]), graph.numbers([1]))


def fully_connected(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.FullyConnected`: the mean over windows, weighted by their frames."""
    n_mels = int(sizes.get("input_dim", 80))
    window = weights["layers.0.weight"].shape[1] // n_mels
    padded = graph.op("Pad", mel, graph.op("Concat", graph.numbers([0, 0, 0, 0]), _rest(graph, mel, window),
                                           graph.numbers([0]), axis=0))  # fmt: skip
    x = reshaped(graph, padded, -1, window * n_mels)  # (W, window M)
    real = graph.op("Pad", _ones(graph, mel), graph.op("Concat", graph.numbers([0]), _rest(graph, mel, window), axis=0))
    share = graph.op("ReduceMean", reshaped(graph, real, -1, window), graph.numbers([1]))  # (W, 1)
    for number in (0, 3):
        x = graph.op("Relu", linear(graph, weights.at("layers", number), x))
    x = graph.op("Mul", linear(graph, weights.at("layers", 6), x), share)
    return graph.op(
        "Div", graph.op("ReduceSum", x, graph.numbers([0])), graph.op("ReduceSum", share, graph.numbers([0]))
    )


def _length(graph: Graph, mel: str) -> str:
    """T as int64 (1,)."""
    return graph.op("Shape", mel, start=1, end=2)


def _ones(graph: Graph, mel: str) -> str:
    """T ones."""
    return graph.op("Expand", graph.numbers(np.ones(1, np.float32)), _length(graph, mel))


def _rest(graph: Graph, mel: str, window: int) -> str:
    """Frames (1,) that are missing at the end of the last window."""
    size = graph.numbers([window])
    return graph.op("Mod", graph.op("Sub", size, graph.op("Mod", _length(graph, mel), size)), size)


def vgg(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.VGG11`."""
    x, stage = _image(graph, mel), 0
    while weights.has("stages", stage):
        place = 0
        while weights.has("stages", stage, place):
            x = graph.op("Relu", convolution(graph, weights.at("stages", stage, place), x, pad=[1, 1]))
            place += 1
        x = graph.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        stage += 1
    n_cells, n_rows = 7, int(sizes.get("input_dim", 80))
    for _ in range(stage):
        n_rows = -(-n_rows // 2)
    x = graph.op("MatMul", graph.numbers(_cells(n_rows, n_cells).T), x)  # (1, C, 7, T')
    frames = graph.op("Shape", x, start=3, end=4)
    cells = graph.numbers(np.arange(n_cells))
    size = graph.numbers([n_cells])
    first = graph.op("Div", graph.op("Mul", cells, frames), size)
    later = graph.op("Mul", graph.op("Add", cells, graph.numbers([1])), frames)
    end = graph.op("Div", graph.op("Add", later, graph.numbers([n_cells - 1])), size)
    place_of = graph.op("Unsqueeze", graph.op("Range", graph.numbers(np.int64(0)), graph.op("Squeeze", frames),
                                              graph.numbers(np.int64(1))), graph.numbers([1]))  # fmt: skip
    member = graph.op("And", graph.op("GreaterOrEqual", place_of, first), graph.op("Less", place_of, end))
    share = graph.op("Div", graph.op("Cast", member, to=1), graph.op("Cast", graph.op("Sub", end, first), to=1))
    x = graph.op("Flatten", graph.op("MatMul", x, share))
    for number in (0, 3):
        x = graph.op("Relu", linear(graph, weights.at("head", number), x))
    return linear(graph, weights.at("head", 6), x)


def _cells(n_rows: int, n_cells: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Adaptive mean pooling as a matrix (n_rows, n_cells)."""
    found = np.zeros((n_rows, n_cells), np.float32)
    for cell in range(n_cells):
        first, end = cell * n_rows // n_cells, -(-(cell + 1) * n_rows // n_cells)
        found[first:end, cell] = 1 / (end - first)
    return found


BCRESNET_STAGES = ((1, 1, 2), (2, 2, 2), (2, 4, 4), (1, 8, 4))
"""Stride over bands, dilation over frames, blocks, see `clearmel.networks.bcresnet`."""


def bcresnet(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """See `clearmel.networks.BCResNet`."""
    x = convolution(graph, weights.at("stem"), _image(graph, mel), [2, 1], [2, 2])
    n_rows, number = -(-int(sizes.get("input_dim", 80)) // 2), 0
    for stride, dilation, n_blocks in BCRESNET_STAGES:
        n_rows = -(-n_rows // stride)
        for place in range(n_blocks):
            x = _broadcasted(graph, weights.at("blocks", number), x, n_rows, 1 if place else stride, dilation)
            number += 1
    last = weights["last.weight"]
    x = convolution(graph, weights.at("last"), x, pad=[0, 2], groups=len(last))
    x = graph.op("ReduceMean", x, graph.numbers([2, 3]), keepdims=0)  # (1, 20 scale)
    return linear(graph, weights.at("head", 1), linear(graph, weights.at("head", 0), x))


def _broadcasted(graph: Graph, weights: Weights, x: str, n_rows: int, stride: int, dilation: int) -> str:
    residual, entered = not weights.has("enter"), x
    if not residual:
        entered = graph.op(
            "Relu", batch_norm(graph, weights.at("enter", 1), convolution(graph, weights.at("enter", 0), x))
        )
    channels = len(weights["bands.0.weight"])
    bands = convolution(graph, weights.at("bands", 0), entered, [stride, 1], [1, 0], groups=channels)
    n_bands = len(weights["bands.1.norm.weight"]) // channels
    split = reshaped(graph, bands, 1, channels * n_bands, n_rows // n_bands, -1)
    bands = reshaped(graph, batch_norm(graph, weights.at("bands", 1, "norm"), split), 1, channels, n_rows, -1)
    y = graph.op("ReduceMean", bands, graph.numbers([2]), keepdims=1)
    y = convolution(graph, weights.at("frames", 0), y, pad=[0, dilation], dilation=[1, dilation], groups=channels)
    y = batch_norm(graph, weights.at("frames", 1), y)
    y = convolution(graph, weights.at("frames", 3), graph.op("Mul", y, graph.op("Sigmoid", y)))
    total = graph.op("Add", bands, y)
    return graph.op("Relu", graph.op("Add", total, x) if residual else total)
