"""Writes weights as ONNX files with their card, after a comparison with torch or, where that is missing, inference."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from clearmel.checkpoints import stored
from clearmel.core.arrays import Array
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted, replacing
from clearmel.graphs import build
from clearmel.inference.classify import WindowClassifier
from clearmel.metrics.calibrated import probabilities
from clearmel.onnx_export import graphs
from clearmel.runtime import devices
from clearmel.runtime.model import Model
from clearmel.runtime.onnx_model import OnnxModel

TOLERANCE = 1e-4
LENGTHS, STEP_LENGTHS, SPECTRUM_LENGTHS = (4, 1100), (1, 50), (4, 100)
"""Frames of the inputs that are compared: whole recordings, the steps of a stream, spectra."""


def export(source: str | Path, path: str | Path, streaming: bool = False, reference: Model | None = None) -> float:
    """Writes weights as an ONNX file if its outputs are those of a reference.

    Args:
        source: a weights file.
        path: of the ONNX file.
        streaming: export the graph of one streaming step of a denoiser, which receives and returns the recurrent
            state.
        reference: the same weights; None: see `reference_of`.

    Returns:
        The largest absolute difference between the two, on random inputs of two lengths; that of masks is relative to
        the largest of them where that exceeds 1.

    Raises:
        InputError: the weights cannot be read or not be exported so, the difference is too large, or the file cannot be
            written. An existing file is then unchanged.
    """
    weights = stored.read(source, None)
    try:
        content = graphs.content(weights, streaming)
        reference = reference or reference_of(source, weights)
    except InputError:
        raise
    except Exception as error:  # a damaged file may hold any tensors
        raise stored.does_not_fit(source, error) from error
    with replacing(path) as temporary:
        differs = difference(content, reference, streaming)
        if not differs <= TOLERANCE:
            raise InputError(
                f"{quoted(path)} was not written: its output differs from {reference_name()}'s by {differs:.1e}; "
                f"expected at most {TOLERANCE}. Please report it with the weights."
            )
        temporary.write_bytes(content)
    return differs


def reference_name() -> str:
    """What exported files are compared with."""
    return "torch" if devices.has_torch() else "inference"


def reference_of(source: str | Path, weights: stored.Stored) -> Model:
    """The weights in torch, or where that is not installed, as inference computes them: in pieces, with a state."""
    if not devices.has_torch():
        return OnnxModel(weights)
    from clearmel.checkpoints import weights_file
    from clearmel.runtime.torch_model import TorchModel

    return TorchModel(weights_file.load(source, None))


def difference(content: bytes, reference: Model, streaming: bool = False) -> float:
    """The largest difference of an ONNX file's outputs from those of a reference; nan if any output is nan."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    compare = {"denoising": _whole, "separation": _masks, "speakers": _embeddings}
    compared = _steps if streaming else compare.get(reference.card["task"], _probabilities)
    return float(np.max(compared(session, reference)))


def _random(session: Any, n_frames: int, seed: int) -> dict[str, FloatArray]:
    """Inputs of realistic magnitude; a state is zero."""
    draw, given = np.random.default_rng(seed), dict[str, FloatArray]()
    free = {build.RECORDINGS: 2}
    for port in session.get_inputs():
        shape = [free.get(size, n_frames) if isinstance(size, str) else size for size in port.shape]
        varies = shape != port.shape
        given[port.name] = (0.3 * draw.normal(size=shape) if varies else np.zeros(shape)).astype(np.float32)
    return given


def _whole(session: Any, reference: Model) -> list[float]:
    found = list[float]()
    for seed, n_frames in enumerate(LENGTHS):
        given = _random(session, n_frames, seed)
        estimate, factor, _ = reference.denoised(given["mel"], given.get("fine"))
        if reference.two_passes:
            estimate, factor = reference.corrected(given["mel"], given.get("fine"), estimate, factor)
        found += _differences(session.run(None, given), [estimate, factor])
    return found


def _steps(session: Any, reference: Model) -> list[float]:
    found, state, after = list[float](), None, dict[str, FloatArray]()
    names = [port.name for port in session.get_outputs()]
    for seed, n_frames in enumerate(STEP_LENGTHS):
        given = _random(session, n_frames, seed) | after
        *wanted, state = reference.denoised(given["mel"], given.get("fine"), state, last=False)
        outputs = dict(zip(names, session.run(names, given), strict=True))
        after = {name.removeprefix("next_"): outputs.pop(name) for name in names if name.startswith("next_")}
        found += _differences(list(outputs.values()), wanted)
    return found


def _probabilities(session: Any, reference: Model) -> list[float]:
    found = list[float]()
    for seed, n_frames in enumerate(LENGTHS):
        given = _random(session, n_frames, seed)
        logits = reference.logits(given["mel"])
        cutting = reference.card["task"] == "cutting"
        wanted = (
            1 / (1 + np.exp(-logits)) if cutting else probabilities(logits, WindowClassifier(reference).temperature)
        )
        found += _differences(session.run(None, given), [wanted])
    return found


def _embeddings(session: Any, reference: Model) -> list[float]:
    found = list[float]()
    for seed, n_frames in enumerate(LENGTHS):
        given = _random(session, n_frames, seed)
        found += _differences(session.run(None, given), [reference.embedding(given["mel"][0])[None]])
    return found


def _masks(session: Any, reference: Model) -> list[float]:
    found = list[float]()
    for seed, n_frames in enumerate(SPECTRUM_LENGTHS):
        given = _random(session, n_frames, seed)
        spectrum = given["spectrum"].view(np.complex64)[..., 0]
        wanted, [masks] = reference.masks(spectrum, given.get("faces")), session.run(None, given)
        masks = masks if masks.ndim == 3 else masks.view(np.complex64)[..., 0]
        found += [value / max(1.0, float(np.abs(wanted).max())) for value in _differences([masks], [wanted])]
    return found


def _differences(found: list[Array], wanted: list[Array | None]) -> list[float]:
    pairs = zip(found, (value for value in wanted if value is not None), strict=True)
    return [float(np.abs(one - other).max()) for one, other in pairs]
