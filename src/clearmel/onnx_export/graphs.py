"""The graphs of exported files: named inputs and outputs, and the card as metadata. See docs/onnx.md.

Shapes: C classes, K decisions.
"""

from typing import Any

from clearmel.checkpoints.stored import Stored
from clearmel.core.errors import InputError
from clearmel.graphs import build
from clearmel.graphs.layers import Weights, scaled
from clearmel.graphs.writer import Graph
from clearmel.inference.classify import WindowClassifier
from clearmel.inference.cut import Editor
from clearmel.reporting.tables import json_text
from clearmel.runtime.onnx_model import OnnxModel

KEY = "clearmel"
"""Metadata key of the card as JSON."""


def content(weights: Stored, streaming: bool) -> bytes:
    """The content of an ONNX file.

    Args:
        weights: with their card.
        streaming: the graph of one step of a denoiser.

    Raises:
        InputError: `streaming` with weights that are none of a denoiser or look ahead, which would delay frames.
        Exception: any, where tensors are missing or contradict each other.
    """
    card, graph = weights.card, Graph()
    task, look_ahead = card["task"], card["sizes"].get("look_ahead", 0)
    if streaming and task != "denoising":
        raise InputError(f"--streaming is for denoisers; these weights are for {task}. Leave it out.")
    if streaming and look_ahead:
        raise InputError(
            f"--streaming: these weights look {look_ahead} frames ahead, which delays the output; "
            "expected 0. Export them without --streaming."
        )
    model, facts = OnnxModel(weights), dict[str, Any]()
    logits = build.add(graph, Weights(weights.tensors), card, whole=not streaming)
    if task == "denoising":
        facts = {"fine_bins": model.fine_bins}
    elif task == "classification":
        classifier = WindowClassifier(model)
        single = card["sizes"].get("n_classes", 1) == 1
        found = _probabilities(graph, logits, single, classifier.temperature)
        graph.output("probabilities", found, build.count_of(card["network"]), "classes")
        facts = {"window_s": classifier.window_s}
    elif task == "cutting":
        graph.output("keep", graph.op("Sigmoid", logits), 1, "decisions")
        facts = {"stride": model.stride, "threshold": Editor(model).threshold}
    return graph.model({KEY: json_text(card | facts)})


def _probabilities(graph: Graph, logits: str, single: bool, temperature: float) -> str:
    """See `clearmel.metrics.calibrated.probabilities`."""
    divided = scaled(graph, logits, 1 / temperature)
    if single:
        divided = graph.op("Concat", scaled(graph, divided, 0), divided, axis=1)
    return graph.op("Softmax", divided, axis=1)
