"""Inputs and outputs of the exported graphs: named tensors of one recording.

Shapes: T frames, M mel bands, F bins of the fine structure, C classes, K decisions, L layers, H hidden.
"""

from typing import Any

import torch
from torch import Tensor, nn

from clearmel.core.errors import InputError
from clearmel.inference.classify import WindowClassifier
from clearmel.inference.cut import Editor
from clearmel.metrics.calibrated import probabilities
from clearmel.networks import Cutter, Denoiser, GainDenoiser, Network, Separator, SpeakerEncoder
from clearmel.networks.bin_refiner import BinRefinerState
from clearmel.networks.gain_denoiser import GainState


class Graph(nn.Module):
    """A network with named inputs and outputs.

    Attributes:
        frames: name: width of each input (1, T, width).
        state: name: shape of each recurrent state; it is zero at the start of a recording.
        outputs: names of the outputs.
        facts: values for the metadata that the card does not hold.
    """

    def __init__(self, network: Network, outputs: list[str]) -> None:
        super().__init__()
        self.network = network
        self.frames: dict[str, int] = {"mel": int(network.card["features"]["n_mels"])}
        self.state: dict[str, tuple[int, ...]] = {}
        self.outputs, self.facts = outputs, dict[str, Any]()

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Returns the outputs in their order; takes the inputs in the order of `frames`, then `state`."""
        raise NotImplementedError

    def example(self, n_frames: int, seed: int = 0) -> dict[str, Tensor]:
        """Random inputs of realistic magnitude."""
        draw = torch.Generator().manual_seed(seed)
        frames = {name: torch.randn(1, n_frames, width, generator=draw) * 0.3 for name, width in self.frames.items()}
        return frames | {name: torch.rand(shape, generator=draw) - 0.5 for name, shape in self.state.items()}


class ClassifierGraph(Graph):
    """mel (1, T, M) to probabilities (1, C), calibrated with the temperature of the card."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, ["probabilities"])
        classifier = WindowClassifier(network)
        self.temperature = classifier.temperature
        self.facts = {"window_s": classifier.window_s}

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `Graph.forward`."""
        return (probabilities(self.network(*_with_length(*tensors)), self.temperature),)


class CutterGraph(Graph):
    """mel (1, T, M) to keep probabilities (1, K), one per `stride` frames."""

    def __init__(self, network: Cutter) -> None:
        super().__init__(network, ["keep"])
        self.facts = {"stride": network.stride, "threshold": Editor(network).threshold}

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `Graph.forward`."""
        return (torch.sigmoid(self.network(*_with_length(*tensors))),)


class DenoiserGraph(Graph):
    """mel (1, T, M) to estimate (1, T, M). Networks with a bin stage also map fine (1, T, F) to factor (1, T, F).

    With `streaming` the inputs are the next frames of a recording and the recurrent state before them (L, 1, H); the
    outputs named next_... are the state after them.

    Raises:
        InputError: `streaming` with a network that has a look-ahead, which would delay frames.
    """

    def __init__(self, network: Denoiser, streaming: bool) -> None:
        super().__init__(network, ["estimate"])
        self.facts = {"fine_bins": network.fine_bins}
        self.has_refiner = False
        if network.fine_bins:
            self.frames["fine"] = network.fine_bins
            self.outputs.append("factor")
        if not streaming:
            return
        if network.look_ahead:
            raise InputError(
                f"--streaming: these weights look {network.look_ahead} frames ahead, which delays the output; "
                "expected 0. Export them without --streaming."
            )
        for prefix, layers in (("", network.lstm), ("fine_", network.refiner if network.fine_bins else None)):
            if isinstance(layers, nn.LSTM):
                shape = (layers.num_layers, 1, layers.hidden_size)
                self.state |= {f"{prefix}hidden": shape, f"{prefix}cell": shape}
        if isinstance(network, GainDenoiser) and network.neighbours is not None:
            self.has_refiner = True
            self.state |= {f"near_{name}": shape for name, shape in network.neighbours.state_shapes().items()}
        self.outputs += [f"next_{name}" for name in self.state]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `Graph.forward`."""
        named = dict(zip([*self.frames, *self.state], tensors, strict=True))
        mel, fine = named["mel"], named.get("fine")
        before: Any = None
        if self.state:
            band_state = named["hidden"], named["cell"]
            bin_state = (named["fine_hidden"], named["fine_cell"]) if fine is not None else None
            pending = mel[:, :0], None if fine is None else fine[:, :0]  # empty without look-ahead
            near = (
                BinRefinerState(*(named[f"near_{name}"] for name in BinRefinerState._fields))
                if self.has_refiner
                else None
            )
            before = (
                GainState(band_state, bin_state, *pending, 0, near=near)
                if isinstance(self.network, GainDenoiser)
                else band_state
            )
        estimate, factor, after = self.network(mel, fine, before)
        outputs = [estimate] if factor is None else [estimate, factor]
        if self.state:
            parts = (after.bands, after.refined, after.near) if isinstance(after, GainState) else (after,)
            outputs += [tensor for part in parts for tensor in part or ()]
        return tuple(outputs)


def graph(network: Network, streaming: bool) -> Graph:
    """The export graph of a network.

    Raises:
        InputError: networks of this kind cannot be exported.
    """
    if isinstance(network, Separator):
        raise InputError(
            "weights for separation cannot be exported: their masks are complex, which ONNX Runtime does not support. "
            "Use `clearmel separate`."
        )
    if isinstance(network, SpeakerEncoder):
        raise InputError("encoders of speakers cannot be exported; `clearmel separate` uses them.")
    if isinstance(network, Denoiser):
        return DenoiserGraph(network, streaming)
    if streaming:
        raise InputError(f"--streaming is for denoisers; these weights are for {network.card['task']}. Leave it out.")
    return CutterGraph(network) if isinstance(network, Cutter) else ClassifierGraph(network)


def _with_length(mel: Tensor) -> tuple[Tensor, Tensor]:
    """A mel (1, T, M) without padding and its lengths (1,)."""
    return mel, torch.full((1,), mel.shape[1])
