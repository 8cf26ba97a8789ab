"""The fixed statistics of `clearmel.networks.Statistics` in numpy, and the graph of the perceptrons on them.

Shapes: T frames, M mel bands, G groups of bands, S statistics, K members, H hidden.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.core.file_io import FloatArray
from clearmel.graphs.layers import Weights, reshaped
from clearmel.graphs.writer import Graph

N_CEPSTRA, N_GROUPS, N_FRAMES = 25, 8, 1024
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAGS = (1, 2, 4, 6, 9, 13, 19, 28, 40, 57, 80, 113, 160, 226)
MODULATION = (1, 3, 6, 12, 25, 50, 100, 200, 400)
"""See `clearmel.networks.statistics`."""
Values = npt.NDArray[np.floating]


def perceptrons(graph: Graph, weights: Weights, sizes: Mapping[str, Any], given: str) -> str:
    """Logits (1, C) of the statistics (1, S), with those of the ResNet18 if there is one."""
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


def of_mel(mel: FloatArray) -> FloatArray:
    """The statistics (S,) of a log-mel (T, M)."""
    level = 10 * (mel.astype(np.float64) - 1)  # nepers of power
    count, n_mels = level.shape
    place = (np.arange(n_mels) + 0.5) * math.pi / n_mels
    basis = np.cos(np.arange(min(N_CEPSTRA, n_mels))[:, None] * place) * math.sqrt(2 / n_mels)
    basis[0] /= math.sqrt(2)
    cepstrum = level @ basis.T  # (T, cepstra)
    change = np.diff(cepstrum, axis=0)
    ranked = np.sort(level, axis=0)
    centred = (level - level.mean(axis=0)) / _deviation(level)
    squared = centred * centred  # numpy's power of 3 and 4 takes ten times as long
    edges = [(g * n_mels // N_GROUPS, -(-(g + 1) * n_mels // N_GROUPS)) for g in range(N_GROUPS)]
    groups = np.stack([level[:, low:high].mean(axis=1) for low, high in edges], axis=1)  # (T, G)
    groups -= groups.mean(axis=0)
    whole = level.mean(axis=1, keepdims=True)
    whole -= whole.mean(axis=0)
    parts = [
        *(cepstrum.mean(axis=0), _deviation(cepstrum), _deviation(change), _mean(np.abs(change))),
        *(ranked[round((count - 1) * share)] for share in QUANTILES),
        *(_deviation(level), (squared * centred).mean(axis=0)),
        np.log(np.maximum((squared * squared).mean(axis=0), 1e-3)),
        _modulation(groups),
        _together(groups / _deviation(groups)),
        _repetition(np.concatenate([groups, whole], axis=1)),
        _mean(np.abs(np.diff(level, axis=0))),
        np.abs(np.diff(level, axis=1)).mean(axis=0),
        np.array([math.log(count)]),
    ]
    return np.concatenate(parts).astype(np.float32)


def _mean(values: Values) -> Values:
    """The mean over frames; 0 without frames."""
    return np.asarray(values.sum(axis=0) / max(1, len(values)))


def _deviation(values: Values) -> Values:
    return np.asarray(np.sqrt(_mean((values - _mean(values)) ** 2) + 1e-6))


def _modulation(groups: Values) -> Values:
    """Log-power in ranges of modulation frequency, over segments of N_FRAMES."""
    n_stretches = -(-len(groups) // N_FRAMES)
    filled = np.pad(groups, ((0, n_stretches * N_FRAMES - len(groups)), (0, 0)))
    stretches = filled.reshape(n_stretches, N_FRAMES, -1)
    power = (np.abs(np.fft.rfft(stretches, axis=1)) ** 2).sum(axis=0) / len(groups)  # (bins, G)
    ranges = [power[low:high].mean(axis=0) for low, high in itertools.pairwise(MODULATION)]
    return np.log(np.stack(ranges) + 1e-3).reshape(-1)


def _together(groups: Values) -> Values:
    """Correlations of standardised groups, at lag 0 and at a lag of two frames."""
    rows, columns = (list(side) for side in zip(*itertools.combinations(range(groups.shape[1]), 2), strict=True))
    at_once, apart = groups.T @ groups, groups[:-2].T @ groups[2:]
    return np.concatenate([at_once[rows, columns], apart.reshape(-1)]) / len(groups)


def _repetition(groups: Values) -> Values:
    """Maximum and minimum of the autocorrelation in each range of lags."""
    size = 1 << (len(groups) + LAGS[-1]).bit_length()
    alike = np.fft.irfft(np.abs(np.fft.rfft(groups, size, axis=0)) ** 2, axis=0)[: LAGS[-1]]
    alike = alike / (alike[:1] + 1e-3)
    ranges = [alike[low:high] for low, high in itertools.pairwise(LAGS)]
    return np.concatenate([part.max(axis=0) for part in ranges] + [part.min(axis=0) for part in ranges])
