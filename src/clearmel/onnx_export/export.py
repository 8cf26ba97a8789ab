"""Exports networks to ONNX files with their card, after a check against torch."""

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
"""Metadata key of the card as JSON."""
TOLERANCE = 1e-4
EXAMPLE_FRAMES = 50
"""Frames of the example input for tracing; the graph accepts any number of frames."""
LENGTHS, STEP_LENGTHS = (4, 1100), (1, 50)
"""Frames of the check's inputs, for complete recordings and for streaming steps."""


def missing() -> list[str]:
    """The packages required for exporting that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def export(network: Network, path: str | Path, streaming: bool = False) -> float:
    """Writes a network as an ONNX file if the outputs of ONNX Runtime match those of torch.

    Args:
        network: with its card.
        path: of the ONNX file.
        streaming: export the graph of one streaming step of a denoiser, which receives and returns the recurrent
            state.

    Returns:
        The largest absolute difference between the two, on random inputs of two lengths.

    Raises:
        InputError: a package is missing, the network cannot be exported, the difference is too large, or the file
            cannot be written. An existing file is then unchanged.
    """
    if missing():
        raise InputError(f"exporting needs {' and '.join(missing())}. Install: pip install 'clearmel[onnx]'")
    reference = graph(network, streaming).eval()
    with replacing(path) as temporary:
        model = _to_onnx(reference)
        entry = model.metadata_props.add()
        entry.key, entry.value = KEY, json_text(network.card | reference.facts)
        content = model.SerializeToString()
        differs = difference(reference, content)
        if not differs <= TOLERANCE:
            raise InputError(
                f"{quoted(path)} was not written: ONNX Runtime's output differs from torch's by {differs:.1e}; "
                f"expected at most {TOLERANCE}. Please report it with the weights."
            )
        temporary.write_bytes(content)
    return differs


def difference(reference: Graph, content: bytes) -> float:
    """The largest absolute difference between ONNX Runtime and torch over all outputs; nan if any output is nan."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    largest = [0.0]
    for seed, n_frames in enumerate(STEP_LENGTHS if reference.state else LENGTHS):
        given = reference.example(n_frames, seed)
        with torch.no_grad():
            expected = reference(*given.values())
        found = session.run(reference.outputs, {name: tensor.numpy() for name, tensor in given.items()})
        largest += [float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, found, strict=True)]
    return float(np.max(largest))


def _to_onnx(reference: Graph) -> Any:
    """The onnx.ModelProto of a graph."""
    twin = copy.deepcopy(reference)
    with_operators(twin)
    given, variable = reference.example(EXAMPLE_FRAMES), {1: torch.export.Dim("n_frames")}
    shapes = tuple(variable if name in reference.frames else None for name in given)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                twin,
                tuple(given.values()),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=list(given),
                output_names=reference.outputs,
                dynamic_shapes=(shapes,),  # `*tensors` counts as one argument
            )
    except torch.onnx.errors.OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # the innermost one names the operation
            cause = cause.__cause__
        raise InputError(
            f"this {type(reference.network).__name__} cannot be exported: {reason(cause)[:200]}."
        ) from error
    assert program is not None
    model = program.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]  # torch stores file paths and lines of this computer there
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses torch's warnings about missing packages and future renames."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
