"""Graphs of the separators: masks (S, T, F) or, with phases, (S, T, F, 2) for a spectrum (T, F, 2).

Shapes: S voices, T frames, F STFT bins, K bands, D width.
"""

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

AUDIO_LAYERS = (
    ((1, 7), (1, 1)), ((7, 1), (1, 1)), ((5, 5), (1, 1)), ((5, 5), (2, 1)), ((5, 5), (4, 1)), ((5, 5), (8, 1)),
    ((5, 5), (16, 1)), ((5, 5), (32, 1)), ((5, 5), (1, 1)), ((5, 5), (2, 2)), ((5, 5), (4, 4)), ((5, 5), (8, 8)),
    ((5, 5), (16, 16)), ((5, 5), (32, 32)),
)  # fmt: skip
"""Kernel and dilation, in time and in frequency."""
FACE_LAYERS = ((7, 1), (5, 1), (5, 2), (5, 4), (5, 8), (5, 16))
BOUND = 145.0
"""See `clearmel.networks.looking_to_listen`."""


def compressed(graph: Graph, spectrum: str, exponent: float = 0.3) -> str:
    """See `clearmel.networks.band_split.compressed`."""
    power = graph.op("ReduceSum", graph.op("Mul", spectrum, spectrum), graph.numbers([2]), keepdims=1)  # (T, F, 1)
    level = graph.op("Max", graph.op("ReduceMean", power, keepdims=1), graph.numbers(1e-12))
    relative = scaled(graph, graph.op("Div", power, level), 1, 1e-8)
    scale = graph.op("Pow", relative, graph.numbers(np.float32((exponent - 1) / 2)))
    return graph.op("Mul", spectrum, graph.op("Div", scale, graph.op("Sqrt", level)))


def band_split(graph: Graph, weights: Weights, sizes: Mapping[str, Any], sound: str) -> str:
    """See `clearmel.networks.BandSplitSeparator`."""
    n_bins, n_voices, phase = int(sizes.get("n_bins", 513)), int(sizes.get("n_voices", 2)), bool(sizes.get("phase"))
    squares = graph.op("ReduceSum", graph.op("Mul", sound, sound), graph.numbers([2]), keepdims=1)
    magnitude = graph.op("Sqrt", squares)  # (T, F, 1)
    logarithm = graph.op("Log", scaled(graph, magnitude, 1, 0.01))
    x = graph.op("Concat", *([sound, magnitude] if phase else [magnitude, logarithm]), axis=2)
    n_inputs, said = (3, 2) if phase else (2, 1)
    groups = list[tuple[int, int]]()  # bands, and bins in each
    while weights.has("inwards", len(groups)):
        shape = weights["inwards." + str(len(groups)) + ".weight"].shape
        groups.append((shape[0], shape[1] // n_inputs))
    whole = sum(n_bands * width for n_bands, width in groups)
    x = graph.op("Pad", x, graph.numbers([0, 0, 0, 0, whole - n_bins, 0]))
    parts, first = [], 0
    for number, (n_bands, width) in enumerate(groups):
        part = sliced(graph, x, 1, first, first + n_bands * width)
        parts.append(_banded(graph, weights.at("inwards", number), reshaped(graph, part, 0, n_bands, width * n_inputs)))
        first += n_bands * width
    y, layer = graph.op("Concat", *parts, axis=1), 0  # (T, K, D)
    while weights.has("along_time", layer):
        y = graph.op("Add", y, _path(graph, weights.at("along_time", layer), y))  # the LSTM runs along the first axis
        turned = graph.op("Transpose", y, perm=[1, 0, 2])
        along = _path(graph, weights.at("along_bands", layer), turned)
        y = graph.op("Add", y, graph.op("Transpose", along, perm=[1, 0, 2]))
        layer += 1
    y = layer_norm(graph, weights.at("norm"), y)
    masks, first = [], 0
    for number, (n_bands, width) in enumerate(groups):
        part = sliced(graph, y, 1, first, first + n_bands)
        part = graph.op("Tanh", _banded(graph, weights.at("hidden", number), part))
        part = _banded(graph, weights.at("outwards", number), part)  # (T, bands, numbers)
        part = reshaped(graph, part, 0, n_bands, n_voices, width * said)
        part = graph.op("Transpose", part, perm=[2, 0, 1, 3])  # (S, T, bands, width said)
        masks.append(reshaped(graph, part, n_voices, -1, n_bands * width, said))
        first += n_bands
    mask = sliced(graph, graph.op("Concat", *masks, axis=2), 2, 0, n_bins)
    if phase:
        return mask
    mask = graph.op("Squeeze", mask, graph.numbers([3]))
    nobody = scaled(graph, sliced(graph, mask, 0, 0, 1), 0, -2.0)
    return sliced(graph, graph.op("Softmax", graph.op("Concat", mask, nobody, axis=0), axis=0), 0, 0, n_voices)


def _banded(graph: Graph, weights: Weights, x: str) -> str:
    """A separate linear layer for each band: (T, K, in) to (T, K, out)."""
    bands_first = graph.op("MatMul", graph.op("Transpose", x, perm=[1, 0, 2]), graph.numbers(weights["weight"]))
    biased = graph.op("Add", bands_first, graph.numbers(np.asarray(weights["bias"])[:, None]))
    return graph.op("Transpose", biased, perm=[1, 0, 2])


def _path(graph: Graph, weights: Weights, x: str) -> str:
    """A bidirectional LSTM along the first axis of (L, A, D), and a linear layer."""
    hidden, _ = recurrent(graph, weights.at("lstm"), "LSTM", layer_norm(graph, weights.at("norm"), x))
    return linear(graph, weights.at("linear"), hidden)


def looking_to_listen(graph: Graph, weights: Weights, sizes: Mapping[str, Any], sound: str, faces: str = "") -> str:
    """See `clearmel.networks.LookingToListen`; faces (S, P, 512) or none."""
    n_bins, n_voices = int(sizes.get("n_bins", 257)), int(sizes.get("n_voices", 2))
    x = graph.op("Unsqueeze", graph.op("Transpose", sound, perm=[2, 0, 1]), graph.numbers([0]))  # (1, 2, T, F)
    for number, (kernel, dilation) in enumerate((*AUDIO_LAYERS, ((1, 1), (1, 1)))):
        pad = [(size - 1) * step // 2 for size, step in zip(kernel, dilation, strict=True)]
        x = convolution(graph, weights.at("audio", 3 * number), x, pad=pad, dilation=dilation)
        x = graph.op("Relu", batch_norm(graph, weights.at("audio", 3 * number + 1), x))
    x = reshaped(graph, graph.op("Transpose", x, perm=[2, 0, 1, 3]), -1, 1, 8 * n_bins)  # (T, 1, 8 F)
    if faces:
        seen = graph.op("Transpose", faces, perm=[0, 2, 1])  # (S, 512, P)
        for number, (size, step) in enumerate(FACE_LAYERS):
            seen = convolution(
                graph, weights.at("visual", 3 * number), seen, pad=[(size - 1) * step // 2], dilation=[step]
            )
            seen = graph.op("Relu", batch_norm(graph, weights.at("visual", 3 * number + 1), seen))
        frames = graph.op(
            "Concat", graph.op("Shape", seen, start=0, end=2), graph.op("Shape", x, start=0, end=1), axis=0
        )
        seen = graph.op("Resize", seen, "", "", frames, mode="linear", coordinate_transformation_mode="half_pixel")
        seen = reshaped(graph, graph.op("Transpose", seen, perm=[2, 0, 1]), 0, 1, -1)  # (T, 1, S W)
        x = graph.op("Concat", x, seen, axis=2)
    hidden, _ = recurrent(graph, weights.at("lstm"), "LSTM", x)
    x = graph.op("Relu", graph.op("Squeeze", hidden, graph.numbers([1])))
    for place in (2, 4, 6):
        x = graph.op("Relu", linear(graph, weights.at("linear", place), x))
    x = reshaped(graph, linear(graph, weights.at("linear", 8), x), 0, n_voices, n_bins, 2)
    return graph.op("Clip", graph.op("Transpose", x, perm=[1, 0, 2, 3]), graph.numbers(-BOUND), graph.numbers(BOUND))
