"""Layers of torch as operators of a graph, from the tensors of a state dict.

Shapes: T frames, B rows that are independent of each other, I inputs, H hidden, C channels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clearmel.graphs.writer import Graph

Floats = npt.NDArray[np.floating]
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
"""Index among torch's gates of each ONNX gate (input, output, forget, cell; update, reset, hidden).

Source: operators LSTM and GRU in the ONNX specification; documentation of torch.nn.LSTM and torch.nn.GRU.
"""


class Weights:
    """Tensors of a state dict below a prefix. Those that no layer has taken can be asked for at the end."""

    def __init__(self, tensors: dict[str, Floats], prefix: str = "", taken: set[str] | None = None) -> None:
        self._tensors, self._prefix, self._taken = tensors, prefix, set() if taken is None else taken

    def __getitem__(self, name: str) -> Floats:
        self._taken.add(self._prefix + name)
        return self._tensors[self._prefix + name]

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._tensors

    def at(self, *names: str | int) -> "Weights":
        """The tensors of a part, such as `at("blocks", 3)`."""
        return Weights(self._tensors, self._prefix + "".join(f"{name}." for name in names), self._taken)

    def has(self, *names: str | int) -> bool:
        """Whether there is such a part."""
        prefix = self._prefix + "".join(f"{name}." for name in names)
        return any(key.startswith(prefix) for key in self._tensors)

    def leave_out(self) -> None:
        """Counts all tensors below the prefix as taken: another graph has them."""
        self._taken.update(key for key in self._tensors if key.startswith(self._prefix))

    def left(self) -> list[str]:
        """Names that no layer has taken; those of counters of batches are none."""
        return sorted(key for key in self._tensors.keys() - self._taken if not key.endswith("num_batches_tracked"))


def linear(graph: Graph, weights: Weights, x: str) -> str:
    """`nn.Linear` along the last axis."""
    product = graph.op("MatMul", x, graph.numbers(weights["weight"].T))
    return graph.op("Add", product, graph.numbers(weights["bias"])) if "bias" in weights else product


def recurrent(
    graph: Graph, weights: Weights, kind: str, x: str, state: Sequence[str] = (), n_rows: int = 1
) -> tuple[str, list[str]]:
    """`nn.LSTM` or `nn.GRU` over (T, B, I).

    Args:
        graph: grows.
        weights: of all layers.
        kind: LSTM or GRU.
        x: the input.
        state: hidden (L, B, H) and, for an LSTM, cell before the first frame; default: zeros.
        n_rows: B, where there is a state.

    Returns:
        (T, B, D H), and the state after the last frame where one was given.
    """
    sides = ["", "_reverse"] if "weight_ih_l0_reverse" in weights else [""]
    n_layers, ends = 0, list[list[str]]()
    while f"weight_ih_l{n_layers}" in weights:
        names = [f"l{n_layers}{side}" for side in sides]
        inward, across = (
            np.stack([_ordered(weights[f"{part}_{name}"], kind) for name in names])
            for part in ("weight_ih", "weight_hh")
        )
        biases = [[_ordered(weights[f"bias_{part}_{name}"], kind) for part in ("ih", "hh")] for name in names]
        numbers = [graph.numbers(inward), graph.numbers(across)]
        numbers.append(graph.numbers(np.stack([np.concatenate(pair) for pair in biases])))
        before = [_layer_of(graph, value, n_layers) for value in state]
        more = {"linear_before_reset": 1} if kind == "GRU" else {}
        y, *after = graph.ops(
            kind, 1 + len(before), x, *numbers, "", *before, hidden_size=across.shape[2],
            direction="bidirectional" if len(sides) == 2 else "forward", **more,
        )  # fmt: skip
        ends.append(after)
        if len(sides) == 2:  # (T, D, B, H) to (T, B, D H)
            x = graph.op("Reshape", graph.op("Transpose", y, perm=[0, 2, 1, 3]), graph.numbers([0, 0, -1]))
        else:
            x = graph.op("Squeeze", y, graph.numbers([1]))
        n_layers += 1
    if n_layers == 1 or not state:
        return x, ends[0]
    return x, [graph.op("Concat", *parts, axis=0) for parts in zip(*ends, strict=True)]


def _ordered(weight: Floats, kind: str) -> Floats:
    parts = np.split(weight, len(GATES[kind]))
    return np.concatenate([parts[place] for place in GATES[kind]])


def _layer_of(graph: Graph, state: str, layer: int) -> str:
    return sliced(graph, state, 0, layer, layer + 1)


def convolution(graph: Graph, weights: Weights, x: str, stride: Sequence[int] = (), pad: Sequence[int] = (),
                dilation: Sequence[int] = (), groups: int = 1) -> str:  # fmt: skip
    """`nn.Conv1d` or `nn.Conv2d` over (1, C, ...); `pad` on both sides of each axis."""
    weight = weights["weight"]
    n_axes = weight.ndim - 2
    numbers = [graph.numbers(weight)] + ([graph.numbers(weights["bias"])] if "bias" in weights else [])
    return graph.op(
        "Conv", x, *numbers, kernel_shape=weight.shape[2:], strides=stride or [1] * n_axes, group=groups,
        pads=[*(pad or [0] * n_axes)] * 2, dilations=dilation or [1] * n_axes,
    )  # fmt: skip


def batch_norm(graph: Graph, weights: Weights, x: str) -> str:
    """`nn.BatchNorm1d` or `nn.BatchNorm2d` over axis 1, as in evaluation."""
    numbers = (graph.numbers(weights[name]) for name in ("weight", "bias", "running_mean", "running_var"))
    return graph.op("BatchNormalization", x, *numbers, epsilon=1e-5)


def layer_norm(graph: Graph, weights: Weights, x: str) -> str:
    """`nn.LayerNorm` over the last axis."""
    numbers = (graph.numbers(weights[name]) for name in ("weight", "bias"))
    return graph.op("LayerNormalization", x, *numbers, axis=-1, epsilon=1e-5)


def sliced(graph: Graph, x: str, axis: int, start: int, end: int | None = None) -> str:
    """The part from `start` to `end` of an axis."""
    limits = ([start], [np.iinfo(np.int64).max if end is None else end], [axis])
    return graph.op("Slice", x, *(graph.numbers(limit) for limit in limits))


def scaled(graph: Graph, x: str, factor: float, offset: float = 0.0) -> str:
    """The value times `factor` plus `offset`."""
    product = graph.op("Mul", x, graph.numbers(np.float32(factor))) if factor != 1 else x
    return graph.op("Add", product, graph.numbers(np.float32(offset))) if offset else product


def reshaped(graph: Graph, x: str, *shape: int) -> str:
    """The value in another shape; 0 keeps a size, -1 is what is left."""
    return graph.op("Reshape", x, graph.numbers(list(shape)))
