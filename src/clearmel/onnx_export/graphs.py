"""Inputs and outputs of exported graphs: named tensors of one recording.

Shapes: T frames, M mel bands, F bins of the fine structure, C classes, K decisions, L layers, H hidden.
"""

from typing import Any

import torch
from torch import Tensor, nn

from clearmel.core.errors import InputError
from clearmel.inference.classify import WindowClassifier
from clearmel.inference.cut import Editor
from clearmel.metrics.classification import probabilities
from clearmel.networks import Cutter, Denoiser, GainDenoiser, Network, Separator
from clearmel.networks.bin_refiner import BinRefinerState
from clearmel.networks.gain_denoiser import GainState


class Graph(nn.Module):
    """A network as its consumer calls it.

    Attributes:
        frames: width of every input (1, T, width) by name.
        state: shape of every input that does not grow with T by name, zeros at the start of a recording.
        outputs: names.
        facts: what a consumer needs to know besides the card.
    """

    def __init__(self, network: Network, outputs: list[str]) -> None:
        super().__init__()
        self.network = network
        self.frames: dict[str, int] = {"mel": int(network.card["features"]["n_mels"])}
        self.state: dict[str, tuple[int, ...]] = {}
        self.outputs, self.facts = outputs, dict[str, Any]()

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The outputs in their order, of the inputs in that of `frames` and `state`."""
        raise NotImplementedError

    def example(self, n_frames: int, seed: int = 0) -> dict[str, Tensor]:
        """Random inputs of about the size of real ones."""
        draw = torch.Generator().manual_seed(seed)
        frames = {name: torch.randn(1, n_frames, width, generator=draw) * 0.3 for name, width in self.frames.items()}
        return frames | {name: torch.rand(shape, generator=draw) - 0.5 for name, shape in self.state.items()}


class ClassifierGraph(Graph):
    """mel (1, T, M) to probabilities (1, C), calibrated as the card says."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, ["probabilities"])
        judge = WindowClassifier(network)
        self.temperature = judge.temperature
        self.facts = {"window_s": judge.window_s}

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `Graph.forward`."""
        return (probabilities(self.network(*_unpadded(*tensors)), self.temperature),)


class CutterGraph(Graph):
    """mel (1, T, M) to the probability (1, K) of being kept, every `stride` frames."""

    def __init__(self, network: Cutter) -> None:
        super().__init__(network, ["keep"])
        self.facts = {"stride": network.stride, "threshold": Editor(network).threshold}

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `Graph.forward`."""
        return (torch.sigmoid(self.network(*_unpadded(*tensors))),)


class DenoiserGraph(Graph):
    """mel (1, T, M) to the estimate (1, T, M); for a network with fine structure (1, T, F) also to factor (1, T, F).

    With `streaming` these are the next frames of a recording: the state before them (L, 1, H) goes in, and the state
    behind them comes out, as next_...

    Raises:
        InputError: a streaming network would hold frames back.
    """

    def __init__(self, network: Denoiser, streaming: bool) -> None:
        super().__init__(network, ["estimate"])
        self.facts = {"fine_bins": network.fine_bins}
        self.looks_around = False
        if network.fine_bins:
            self.frames["fine"] = network.fine_bins
            self.outputs.append("factor")
        if not streaming:
            return
        if network.look_ahead:
            raise InputError(
                f"--streaming: these weights hear {network.look_ahead} frames ahead, and would hold frames back; "
                "expected a look-ahead of 0. Export them without --streaming."
            )
        for prefix, layers in (("", network.lstm), ("fine_", network.refiner if network.fine_bins else None)):
            if isinstance(layers, nn.LSTM):
                shape = (layers.num_layers, 1, layers.hidden_size)
                self.state |= {f"{prefix}hidden": shape, f"{prefix}cell": shape}
        if isinstance(network, GainDenoiser) and network.neighbours is not None:
            self.looks_around = True
            self.state |= {f"near_{name}": shape for name, shape in network.neighbours.state_shapes().items()}
        self.outputs += [f"next_{name}" for name in self.state]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `Graph.forward`."""
        named = dict(zip([*self.frames, *self.state], tensors, strict=True))
        mel, fine = named["mel"], named.get("fine")
        before: Any = None
        if self.state:
            bands = named["hidden"], named["cell"]
            refined = (named["fine_hidden"], named["fine_cell"]) if fine is not None else None
            held = mel[:, :0], None if fine is None else fine[:, :0]  # none, without look-ahead
            near = (
                BinRefinerState(*(named[f"near_{name}"] for name in BinRefinerState._fields))
                if self.looks_around
                else None
            )
            before = GainState(bands, refined, *held, 0, near=near) if isinstance(self.network, GainDenoiser) else bands
        estimate, factor, after = self.network(mel, fine, before)
        outputs = [estimate] if factor is None else [estimate, factor]
        if self.state:
            parts = (after.bands, after.refined, after.near) if isinstance(after, GainState) else (after,)
            outputs += [tensor for part in parts for tensor in part or ()]
        return tuple(outputs)


def graph(network: Network, streaming: bool) -> Graph:
    """The graph of a network with its card.

    Raises:
        InputError: there is none of its kind.
    """
    if isinstance(network, Separator):
        raise InputError(
            "weights for separation cannot be exported: their masks are complex numbers, which ONNX Runtime does not "
            "compute with. Use inference_separation.py."
        )
    if isinstance(network, Denoiser):
        return DenoiserGraph(network, streaming)
    if streaming:
        raise InputError(f"--streaming is for denoisers; these weights are for {network.card['task']}. Leave it out.")
    return CutterGraph(network) if isinstance(network, Cutter) else ClassifierGraph(network)


def _unpadded(mel: Tensor) -> tuple[Tensor, Tensor]:
    """A mel (1, T, M) and its lengths (1,): there is no padding."""
    return mel, torch.full((1,), mel.shape[1])
