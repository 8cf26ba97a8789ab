"""Networks computed by ONNX Runtime, from graphs that are built of the weights when they are loaded.

Shapes: T frames, M mel bands, S voices, F STFT bins.
"""

import os
from typing import Any

import numpy as np
import onnxruntime

from clearmel.checkpoints.stored import Stored
from clearmel.core.arrays import Array
from clearmel.core.file_io import FloatArray
from clearmel.graphs import build
from clearmel.runtime.model import Model

PIECE_FRAMES = 128
"""Frames of a denoiser in one run, so that its activations fit into the processor's cache."""
OPENING = ("hidden", "cell", "fine_hidden", "fine_cell")
"""The state that the opening of a recording initialises, see `GainDenoiser.prime`."""


class OnnxModel(Model):
    """See `Model`.

    Args:
        stored: the weights.
        device: cpu or cuda.
        n_threads: of an operator; None: `OMP_NUM_THREADS`, or as many as there are cores.

    Raises:
        KeyError: a tensor is missing.
        Exception: the tensors contradict each other, or the network is none of those in `clearmel.graphs`.
    """

    def __init__(self, stored: Stored, device: str = "cpu", n_threads: int | None = None) -> None:
        self.card, self.device = stored.card, device
        built = build.build(stored.card, stored.tensors)
        self.statistics, self.state_shapes = built.statistics, built.state_shapes
        for name, value in built.facts.items():
            setattr(self, name, value)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = n_threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other programs need the cores
        providers = ["CUDAExecutionProvider"] if device == "cuda" else []
        self._session = onnxruntime.InferenceSession(
            built.content, options, providers=[*providers, "CPUExecutionProvider"]
        )
        self._only_wanted = onnxruntime.RunOptions()
        self._only_wanted.only_execute_path_to_fetches = True

    def denoised(
        self, mel: FloatArray, fine: FloatArray | None = None, state: Any = None, last: bool = True
    ) -> tuple[FloatArray, FloatArray | None, Any]:
        """See `Model.denoised`; the state is a dict of arrays."""
        before = self._zeros() if state is None else state
        pieces, factors = list[FloatArray](), list[FloatArray]()
        for start in range(0, max(1, mel.shape[1]), PIECE_FRAMES):
            piece = slice(start, start + PIECE_FRAMES)
            found = self._frames(mel[:, piece], None if fine is None else fine[:, piece], before)
            before = before | {name: found[f"next_{name}"] for name in before if f"next_{name}" in found}
            pieces.append(found["estimate"])
            if "factor" in found:
                factors.append(found["factor"])
        return _joined(pieces), _joined(factors) if factors else None, before

    def primed(self, mel: FloatArray, fine: FloatArray | None = None) -> Any:
        """See `Model.primed`; the third stage begins at zero."""
        before = self._zeros()
        opening = [name for name in OPENING if name in before and (fine is not None or not name.startswith("fine"))]
        for start in range(0, mel.shape[1], PIECE_FRAMES):
            piece = slice(start, start + PIECE_FRAMES)
            given = None if fine is None else fine[:, piece]
            found = self._frames(mel[:, piece], given, before, [f"next_{name}" for name in opening])
            before |= {name: found[f"next_{name}"] for name in opening}
        return before

    def logits(self, mel: FloatArray) -> FloatArray:
        """See `Model.logits`."""
        given = mel if self.statistics is None else np.stack([self.statistics(item) for item in mel])
        return np.concatenate([self._run(["logits"], {"mel": item[None]})["logits"] for item in given])

    def masks(self, spectrum: Array, faces: FloatArray | None = None) -> Array:
        """See `Model.masks`."""
        given = {"sound": build.sound_of(spectrum)}
        if faces is not None:
            given["faces"] = faces
        numbers = self._run(["masks"], given)["masks"]  # (S, T, F) or (S, T, F, 2)
        return numbers if numbers.ndim == 3 else np.ascontiguousarray(numbers).view(np.complex64)[..., 0]

    def _frames(
        self, mel: FloatArray, fine: FloatArray | None, state: dict[str, FloatArray], wanted: list[str] | None = None
    ) -> dict[str, FloatArray]:
        """The outputs for the next frames; without a fine structure only those of the first stage."""
        given = {"mel": mel} | state
        if self.fine_bins:
            given["fine"] = np.zeros((1, mel.shape[1], self.fine_bins), np.float32) if fine is None else fine
        if wanted is None and fine is None:
            wanted = ["estimate", "next_hidden", "next_cell"]
        return self._run(wanted, given)

    def _run(self, wanted: list[str] | None, given: dict[str, FloatArray]) -> dict[str, FloatArray]:
        names = wanted or [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, given, self._only_wanted), strict=True))

    def _zeros(self) -> dict[str, FloatArray]:
        return {name: np.zeros(shape, np.float32) for name, shape in self.state_shapes.items()}


def _joined(pieces: list[FloatArray]) -> FloatArray:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)
