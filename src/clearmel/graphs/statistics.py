"""The graph of `clearmel.networks.Statistics`: fixed statistics of a log-mel, and perceptrons on them.

Shapes: T frames, M mel bands, G groups of bands, S statistics, K members, H hidden.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.graphs.classifiers import pooled
from clearmel.graphs.layers import Weights, reshaped, scaled, sliced
from clearmel.graphs.writer import FLOAT, INT64, Graph

N_CEPSTRA, N_GROUPS, N_FRAMES = 25, 8, 1024
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAGS = (1, 2, 4, 6, 9, 13, 19, 28, 40, 57, 80, 113, 160, 226)
MODULATION = (1, 3, 6, 12, 25, 50, 100, 200, 400)
"""See `clearmel.networks.statistics`."""


def classifier(graph: Graph, weights: Weights, sizes: Mapping[str, Any], mel: str) -> str:
    """Logits (1, C) of a log-mel (1, T, M), with the output of a ResNet18 if there is one."""
    given = _statistics(graph, mel, int(sizes.get("input_dim", 80)))
    if sizes.get("width"):
        given = graph.op("Concat", given, pooled(graph, weights.at("body"), mel), axis=1)
    return _perceptrons(graph, weights, given)


def _perceptrons(graph: Graph, weights: Weights, given: str) -> str:
    first, second = weights["first"], weights["second"]  # (K, S, H), (K, H, C)
    mean, variance = weights["standard.running_mean"], weights["standard.running_var"]
    x = graph.op("Sub", given, graph.numbers(mean))
    x = graph.op("Div", x, graph.numbers(np.sqrt(variance.astype(np.float64) + 1e-5)))
    scale = weights["norm.weight"] / np.sqrt(weights["norm.running_var"].astype(np.float64) + 1e-5)
    offset = weights["norm.bias"] - weights["norm.running_mean"] * scale
    shape = (len(first), 1, first.shape[2])
    hidden = graph.op("MatMul", x, graph.numbers(first))  # (K, 1, H)
    hidden = graph.op("Mul", hidden, graph.numbers(scale.reshape(shape)))
    hidden = graph.op("Relu", graph.op("Add", hidden, graph.numbers(offset.reshape(shape))))
    logits = graph.op("Add", graph.op("MatMul", hidden, graph.numbers(second)), graph.numbers(weights["bias"][:, None]))
    if second.shape[2] > 1:
        logits = graph.op("LogSoftmax", logits, axis=2)
    return reshaped(graph, graph.op("ReduceMean", logits, graph.numbers([0]), keepdims=1), 1, second.shape[2])


def _statistics(graph: Graph, mel: str, n_mels: int) -> str:
    """The statistics (1, S) of a log-mel (1, T, M)."""
    level = reshaped(graph, scaled(graph, mel, 10, -10), -1, n_mels)  # nepers of power
    frames = graph.op("Shape", level, start=0, end=1)
    count = graph.op("Cast", frames, to=FLOAT)  # (1,)
    steps = graph.op("Max", scaled(graph, count, 1, -1), graph.numbers(1.0))
    cepstrum = graph.op("MatMul", level, graph.numbers(_cosines(n_mels).T))  # (T, cepstra)
    change, rise = _change(graph, cepstrum, 0), _change(graph, level, 0)
    ranked = graph.ops("TopK", 2, level, frames, axis=0, largest=0)[0]
    shares = graph.op("Mul", scaled(graph, count, 1, -1), graph.numbers(np.array(QUANTILES, np.float32)))
    places = graph.op("Cast", graph.op("Round", shares), to=INT64)
    spread = _deviation(graph, level, count)
    centred = graph.op("Div", _centred(graph, level, count), spread)
    square = graph.op("Mul", centred, centred)
    fourth = _mean(graph, graph.op("Mul", square, square), count)
    edges = [(g * n_mels // N_GROUPS, -(-(g + 1) * n_mels // N_GROUPS)) for g in range(N_GROUPS)]
    groups = _centred(graph, graph.op("MatMul", level, graph.numbers(_averages(edges, n_mels).T)), count)  # (T, G)
    whole = _centred(graph, graph.op("ReduceMean", level, graph.numbers([1]), keepdims=1), count)
    standard = graph.op("Div", groups, _deviation(graph, groups, count))
    parts = [
        *(_mean(graph, cepstrum, count), _deviation(graph, cepstrum, count)),
        *(_deviation(graph, change, steps), _mean(graph, graph.op("Abs", change), steps)),
        graph.op("Gather", ranked, places, axis=0),
        *(spread, _mean(graph, graph.op("Mul", square, centred), count)),
        graph.op("Log", graph.op("Max", fourth, graph.numbers(1e-3))),
        _modulation(graph, groups, frames, count),
        *_together(graph, standard, count),
        *_repetition(graph, graph.op("Concat", groups, whole, axis=1), count),
        _mean(graph, graph.op("Abs", rise), steps),
        _mean(graph, graph.op("Abs", _change(graph, level, 1)), count),
        graph.op("Log", count),
    ]
    return reshaped(graph, graph.op("Concat", *(reshaped(graph, part, -1) for part in parts), axis=0), 1, -1)


def _cosines(n_mels: int) -> npt.NDArray[np.float64]:
    """The orthonormal DCT-II (cepstra, M)."""
    place = (np.arange(n_mels) + 0.5) * math.pi / n_mels
    basis: npt.NDArray[np.float64] = np.cos(np.arange(min(N_CEPSTRA, n_mels))[:, None] * place) * math.sqrt(2 / n_mels)
    basis[0] /= math.sqrt(2)
    return basis


def _averages(edges: list[tuple[int, int]], size: int) -> npt.NDArray[np.float64]:
    """A matrix (ranges, size) that averages ranges."""
    found = np.zeros((len(edges), size))
    for row, (low, high) in enumerate(edges):
        found[row, low:high] = 1 / (high - low)
    return found


def _mean(graph: Graph, x: str, count: str) -> str:
    """The mean (1, ...) over frames; `count` is their number, at least 1: without frames the mean is 0."""
    return graph.op("Div", graph.op("ReduceSum", x, graph.numbers([0]), keepdims=1), count)


def _centred(graph: Graph, x: str, count: str) -> str:
    return graph.op("Sub", x, _mean(graph, x, count))


def _deviation(graph: Graph, x: str, count: str) -> str:
    centred = _centred(graph, x, count)
    return graph.op("Sqrt", scaled(graph, _mean(graph, graph.op("Mul", centred, centred), count), 1, 1e-6))


def _change(graph: Graph, x: str, axis: int) -> str:
    return graph.op("Sub", sliced(graph, x, axis, 1), sliced(graph, x, axis, 0, -1))


def _power(graph: Graph, spectrum: str) -> str:
    """Power of complex numbers along the last axis."""
    return graph.op("ReduceSum", graph.op("Mul", spectrum, spectrum), graph.numbers([-1]), keepdims=1)


def _modulation(graph: Graph, groups: str, frames: str, count: str) -> str:
    """Log-power in ranges of modulation frequency, over segments of N_FRAMES."""
    rest = graph.op("Mod", graph.op("Neg", frames), graph.numbers([N_FRAMES]))
    pads = graph.op("Concat", graph.numbers([0, 0]), rest, graph.numbers([0]), axis=0)
    stretches = reshaped(graph, graph.op("Pad", groups, pads), -1, N_FRAMES, N_GROUPS, 1)
    spectrum = graph.op("DFT", stretches, "", graph.numbers(1), onesided=1)
    power = graph.op("ReduceSum", _power(graph, spectrum), graph.numbers([0, 3]), keepdims=0)  # (bins, G)
    averages = graph.numbers(_averages(list(itertools.pairwise(MODULATION)), N_FRAMES // 2 + 1))
    return graph.op("Log", scaled(graph, graph.op("Div", graph.op("MatMul", averages, power), count), 1, 1e-3))


def _together(graph: Graph, groups: str, count: str) -> list[str]:
    """Correlations of standardised groups, at lag 0 and at a lag of two frames."""
    pairs = [row * N_GROUPS + column for row, column in itertools.combinations(range(N_GROUPS), 2)]
    turned = graph.op("Transpose", groups, perm=[1, 0])
    later = sliced(graph, graph.op("Pad", groups, graph.numbers([0, 0, 2, 0])), 0, 2)
    at_once, apart = (
        graph.op("Div", reshaped(graph, graph.op("MatMul", turned, other), -1), count) for other in (groups, later)
    )
    return [graph.op("Gather", at_once, graph.numbers(pairs), axis=0), apart]


def _repetition(graph: Graph, groups: str, count: str) -> list[str]:
    """Maxima and minima of the autocorrelation in each range of lags.

    The DFT of an even spectrum is its inverse DFT, times the length.
    """
    doublings = graph.op("Div", graph.op("Log", scaled(graph, count, 1, LAGS[-1] + 1)), graph.numbers(math.log(2)))
    size = graph.op("Pow", graph.numbers(2.0), graph.op("Ceil", doublings))  # (1,)
    length = graph.op("Squeeze", graph.op("Cast", size, to=INT64))
    columns = reshaped(graph, groups, 1, -1, N_GROUPS + 1, 1)
    spectrum = graph.op("DFT", columns, length, graph.numbers(1))
    alike = graph.op("DFT", _power(graph, spectrum), "", graph.numbers(1))  # (1, size, G + 1, 2)
    alike = graph.op("Div", sliced(graph, sliced(graph, alike, 1, 0, LAGS[-1]), 3, 0, 1), size)
    alike = graph.op("Div", alike, scaled(graph, sliced(graph, alike, 1, 0, 1), 1, 1e-3))
    ranges = [sliced(graph, alike, 1, low, high) for low, high in itertools.pairwise(LAGS)]
    axes = graph.numbers([1])
    return [graph.op(kind, part, axes, keepdims=0) for kind in ("ReduceMax", "ReduceMin") for part in ranges]
