"""Exports LSTM and GRU layers as the ONNX operators of these names.

torch's exporter also uses them, but fixes the length of their output to that of the example, so the rest of the graph
would only accept recordings of that length.

Shapes: B batch, T frames, I inputs, H hidden, D directions, L layers.
"""

from typing import Any

import torch
from torch import Tensor, nn

from clearmel.graphs.layers import GATES


class OnnxRecurrence(nn.Module):
    """Computes the same as an `nn.LSTM` or `nn.GRU` with the batch first, but works only in an exported graph.

    Args:
        layers: in evaluation mode.
    """

    def __init__(self, layers: nn.LSTM | nn.GRU) -> None:
        super().__init__()
        if not (layers.batch_first and layers.bias) or layers.proj_size:
            raise ValueError(f"{layers}; expected batch_first, biases and no projection")
        self.kind, self.n_layers, self.width = layers.mode, layers.num_layers, layers.hidden_size
        self.n_directions = 2 if layers.bidirectional else 1
        for layer in range(layers.num_layers):
            sides = [f"l{layer}", f"l{layer}_reverse"][: self.n_directions]
            for name in ("weight_ih", "weight_hh"):
                weight = torch.stack([self._ordered(getattr(layers, f"{name}_{side}")) for side in sides])
                self.register_buffer(f"{name}_{layer}", weight)  # (D, gates x H, I or H)
            biases = [[self._ordered(getattr(layers, f"{n}_{side}")) for n in ("bias_ih", "bias_hh")] for side in sides]
            self.register_buffer(f"bias_{layer}", torch.stack([torch.cat(pair) for pair in biases]))

    def _ordered(self, weight: Tensor) -> Tensor:
        parts = weight.detach().chunk(len(GATES[self.kind]))
        return torch.cat([parts[place] for place in GATES[self.kind]])

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """See `nn.LSTM.forward` and `nn.GRU.forward`: (B, T, D H) and the state after the last frame."""
        if state is None:
            zeros = x.new_zeros(self.n_layers * self.n_directions, len(x), self.width)
            state = (zeros, zeros) if self.kind == "LSTM" else zeros
        before = state if self.kind == "LSTM" else (state,)
        after = []
        x = x.transpose(0, 1)  # (T, B, I)
        for layer in range(self.n_layers):
            rows = slice(layer * self.n_directions, (layer + 1) * self.n_directions)
            x, *ends = self._layer(layer, x, [part[rows] for part in before])
            after.append(ends)
        ends = [torch.cat(parts) for parts in zip(*after, strict=True)]
        return x.transpose(0, 1), tuple(ends) if self.kind == "LSTM" else ends[0]

    def _layer(self, layer: int, x: Tensor, before: list[Tensor]) -> list[Tensor]:
        """Maps (T, B, I) to (T, B, D H) and each state to its value after the last frame (D, B, H)."""
        weights = [getattr(self, f"{name}_{layer}") for name in ("weight_ih", "weight_hh", "bias")]
        attributes: dict[str, Any] = {
            "hidden_size": self.width,
            "direction": "bidirectional" if self.n_directions == 2 else "forward",
        }
        if self.kind == "GRU":
            attributes["linear_before_reset"] = 1  # as torch computes it
        n_frames, n_items = x.shape[:2]
        end = (self.n_directions, n_items, self.width)
        y, *ends = torch.onnx.ops.symbolic_multi_out(
            self.kind,
            [x, *weights, None, *before],
            attributes,
            dtypes=[x.dtype] * (1 + len(before)),
            shapes=[(n_frames, *end), *[end] * len(before)],
        )  # y: (T, D, B, H)
        return [y.transpose(1, 2).flatten(2), *ends]


def with_operators(network: nn.Module) -> None:
    """Replaces every LSTM and GRU of a network by an `OnnxRecurrence`."""
    for name, child in network.named_children():
        if isinstance(child, nn.LSTM | nn.GRU):
            setattr(network, name, OnnxRecurrence(child))
        else:
            with_operators(child)
