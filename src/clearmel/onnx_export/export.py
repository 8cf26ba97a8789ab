"""Networks as ONNX files that carry their card, checked against torch before they are written."""

import contextlib
import copy
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import quoted, replacing
from clearmel.networks import Network
from clearmel.onnx_export.graphs import Graph, graph
from clearmel.onnx_export.lstm import with_operators
from clearmel.reporting.tables import json_text

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 20
KEY = "clearmel"
"""Of the metadata that holds the card as JSON."""
TOLERANCE = 1e-4
EXAMPLE_FRAMES = 50
"""Of the recording that the exporter follows through the network; the graph takes any number."""
LENGTHS, STEP_LENGTHS = (4, 1100), (1, 50)
"""Frames of the recordings that the check is made with."""


def missing() -> list[str]:
    """The packages that exporting needs and that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def export(network: Network, path: str | Path, streaming: bool = False) -> float:
    """Writes a network as an ONNX file, if ONNX Runtime's outputs equal torch's.

    Args:
        network: with its card.
        path: where to.
        streaming: of a denoiser the graph of a step, which takes and gives the recurrent state.

    Returns:
        The largest absolute difference between both, on random input of two lengths.

    Raises:
        InputError: a package is missing, the network cannot be exported, the difference is too large, or the file
            cannot be written. It is then what it was.
    """
    if missing():
        raise InputError(f"exporting needs {' and '.join(missing())}. Install: pip install 'clearmel[onnx]'")
    wanted = graph(network, streaming).eval()
    with replacing(path) as temporary:
        model = _translated(wanted)
        entry = model.metadata_props.add()
        entry.key, entry.value = KEY, json_text(network.card | wanted.facts)
        content = model.SerializeToString()
        differs = difference(wanted, content)
        if not differs <= TOLERANCE:
            raise InputError(
                f"{quoted(path)} was not written: ONNX Runtime's output differs from torch's by {differs:.1e}; "
                f"expected at most {TOLERANCE}. Please report it with the weights."
            )
        temporary.write_bytes(content)
    return differs


def difference(wanted: Graph, content: bytes) -> float:
    """The largest absolute difference between ONNX Runtime and torch over all outputs, nan where one is."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    largest = [0.0]
    for seed, n_frames in enumerate(STEP_LENGTHS if wanted.state else LENGTHS):
        given = wanted.example(n_frames, seed)
        with torch.no_grad():
            expected = wanted(*given.values())
        found = session.run(wanted.outputs, {name: tensor.numpy() for name, tensor in given.items()})
        largest += [float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, found, strict=True)]
    return float(np.max(largest))


def _translated(wanted: Graph) -> Any:
    """The onnx.ModelProto of a graph."""
    twin = copy.deepcopy(wanted)
    with_operators(twin)
    given, grows = wanted.example(EXAMPLE_FRAMES), {1: torch.export.Dim("n_frames")}
    shapes = tuple(grows if name in wanted.frames else None for name in given)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                twin,
                tuple(given.values()),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=list(given),
                output_names=wanted.outputs,
                dynamic_shapes=(shapes,),  # all of `*tensors` are one argument
            )
    except torch.onnx.errors.OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # the first one says which operation it is
            cause = cause.__cause__
        raise InputError(f"this {type(wanted.network).__name__} cannot be exported: {reason(cause)[:200]}.") from error
    assert program is not None
    model = program.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]  # torch notes there which line of which file on this computer it comes from
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """A context without torch's own warnings about missing packages and future renames."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
