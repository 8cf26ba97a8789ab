"""Networks computed by ONNX Runtime, from graphs that are built of the weights when they are loaded.

Shapes: T frames, M mel bands, S voices, F STFT bins.
"""

import contextlib
import functools
import io
import os
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

from clearmel.checkpoints.stored import Stored
from clearmel.core.arrays import Array
from clearmel.core.file_io import FloatArray
from clearmel.graphs import build
from clearmel.runtime.model import Model

CUDA = "CUDAExecutionProvider"
PIECE_FRAMES = 128
"""Frames of a denoiser in one run, so that its activations fit into the processor's cache."""
OPENING = ("hidden", "cell", "fine_hidden", "fine_cell")
"""The state that the opening of a recording initialises, see `GainDenoiser.prime`."""


LEADING = ("hidden", "cell", "ahead_hidden")
"""The state of the first stage."""


class OnnxState(NamedTuple):
    """State of a stream: that of the graph by name, and the frames whose look-ahead is incomplete."""

    arrays: dict[str, FloatArray]
    mel: FloatArray
    fine: FloatArray | None


class OnnxModel(Model):
    """See `Model`.

    Args:
        stored: the weights.
        device: cpu or cuda; without libraries for cuda, the attribute `device` is then cpu.
        n_threads: of an operator; None: `OMP_NUM_THREADS`, or as many as there are cores.

    Raises:
        KeyError: a tensor is missing.
        Exception: the tensors contradict each other, or the network is none of those in `clearmel.graphs`.
    """

    batched = False
    """Whether the graph takes several mels of one length."""

    def __init__(self, stored: Stored, device: str = "cpu", n_threads: int | None = None) -> None:
        self.card = stored.card
        built = build.build(stored.card, stored.tensors)
        self.built, self.state_shapes = built, built.state_shapes
        for name, value in built.facts.items():
            setattr(self, name, value)
        self.n_threads = n_threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
        if device == "cuda":
            _load_cuda()
        self.providers = [CUDA] if CUDA in onnxruntime.get_available_providers() and device == "cuda" else []
        self._session = self._opened(built.content)
        self.device = "cuda" if CUDA in self._session.get_providers() else "cpu"
        self._only_wanted = onnxruntime.RunOptions()
        self._only_wanted.only_execute_path_to_fetches = True

    def denoised(
        self, mel: FloatArray, fine: FloatArray | None = None, state: Any = None, last: bool = True
    ) -> tuple[FloatArray, FloatArray | None, Any]:
        """See `Model.denoised`."""
        state, ahead = self._begun(mel, fine, state), mel
        if last and self.look_ahead:
            ahead = np.concatenate([mel, np.repeat(mel[:, -1:], self.look_ahead, axis=1)], axis=1)
        mel = np.concatenate([state.mel, mel], axis=1)
        fine = None if fine is None or state.fine is None else np.concatenate([state.fine, fine], axis=1)
        arrays, ahead = self._led(state, ahead)
        n_frames = ahead.shape[1]
        waiting = mel[:, n_frames:], None if fine is None else fine[:, n_frames:]
        pieces, factors = [mel[:, :0]], [] if fine is None else [fine[:, :0]]
        for start in range(0, n_frames, PIECE_FRAMES):
            piece = slice(start, min(start + PIECE_FRAMES, n_frames))
            given = None if fine is None else fine[:, piece]
            found = self._frames(mel[:, piece], ahead[:, piece], given, arrays)
            arrays = arrays | {name: found[f"next_{name}"] for name in arrays if f"next_{name}" in found}
            pieces.append(found["estimate"])
            if "factor" in found:
                factors.append(found["factor"])
        return _joined(pieces), _joined(factors) if factors else None, OnnxState(arrays, *waiting)

    def primed(self, mel: FloatArray, fine: FloatArray | None = None) -> Any:
        """See `Model.primed`; the third stage begins at zero."""
        begun = self._begun(mel, fine, None)
        arrays, ahead = self._led(begun, mel)
        opening = [name for name in OPENING if name in arrays and (fine is not None or not name.startswith("fine"))]
        also = [name for name in arrays if name in LEADING and name not in opening]
        for start in range(0, ahead.shape[1], PIECE_FRAMES):
            piece = slice(start, min(start + PIECE_FRAMES, ahead.shape[1]))
            given = None if fine is None else fine[:, piece]
            wanted = [f"next_{name}" for name in [*opening, *also]]
            found = self._frames(mel[:, piece], ahead[:, piece], given, arrays, wanted)
            arrays = arrays | {name.removeprefix("next_"): value for name, value in found.items()}
        kept = begun.arrays | {name: arrays[name] for name in opening}
        return OnnxState(kept, begun.mel, begun.fine)

    def corrected(
        self, mel: FloatArray, fine: FloatArray | None, estimate: FloatArray, factor: FloatArray | None
    ) -> tuple[FloatArray, FloatArray | None]:
        """See `Model.corrected`."""
        given = {"mel": mel, "first_estimate": estimate}
        if self.fine_bins:
            zeros = np.zeros((1, mel.shape[1], self.fine_bins), np.float32)
            given |= {"fine": zeros if fine is None else fine, "first_factor": zeros if factor is None else factor}
        given = {name: np.ascontiguousarray(array[:, ::-1]) for name, array in given.items()}
        arrays = {name: np.zeros(shape, np.float32) for name, shape in self.built.second_shapes.items()}
        wanted = None if fine is not None else ["estimate", *(f"next_{name}" for name in LEADING if name in arrays)]
        pieces, factors = list[FloatArray](), list[FloatArray]()
        for start in range(0, mel.shape[1], PIECE_FRAMES):
            piece = {name: array[:, start : start + PIECE_FRAMES] for name, array in given.items()}
            found = self._run(wanted, piece | arrays, self._second)
            arrays |= {name: found[f"next_{name}"] for name in arrays if f"next_{name}" in found}
            pieces.append(found["estimate"])
            if "factor" in found:
                factors.append(found["factor"])
        return _joined(pieces)[:, ::-1], _joined(factors)[:, ::-1] if factors else None

    @functools.cached_property
    def _second(self) -> Any:
        """The session of the second pass; streams do without it."""
        return self._opened(self.built.second)

    def logits(self, mel: FloatArray) -> FloatArray:
        """See `Model.logits`."""
        if self.batched:
            return self._run(["logits"], {"mel": mel})["logits"]
        return np.concatenate([self._run(["logits"], {"mel": item[None]})["logits"] for item in mel])

    def embedding(self, mel: FloatArray) -> FloatArray:
        """See `Model.embedding`."""
        found: FloatArray = self._run(["embedding"], {"mel": mel[None]})["embedding"][0]
        return found

    def masks(self, spectrum: Array, faces: FloatArray | None = None) -> Array:
        """See `Model.masks`."""
        parts = np.ascontiguousarray(spectrum, np.complex64).view(np.float32)
        given = {"spectrum": parts.reshape(*spectrum.shape, 2)}
        if faces is not None:
            given["faces"] = faces
        numbers = self._run(["masks"], given)["masks"]  # (S, T, F) or (S, T, F, 2)
        return numbers if numbers.ndim == 3 else np.ascontiguousarray(numbers).view(np.complex64)[..., 0]

    def _begun(self, mel: FloatArray, fine: FloatArray | None, state: Any) -> "OnnxState":
        """The state, or that of the beginning."""
        if isinstance(state, OnnxState):
            return state
        zeros = {name: np.zeros(shape, np.float32) for name, shape in self.state_shapes.items()}
        return OnnxState(zeros, mel[:, :0], None if fine is None else fine[:, :0])

    def _led(self, state: "OnnxState", ahead: FloatArray) -> tuple[dict[str, FloatArray], FloatArray]:
        """Runs the first stage over the frames that give no output yet; its arrays, and the frames behind these."""
        count = min(ahead.shape[1], self.look_ahead - state.mel.shape[1])
        if count < 1:
            return state.arrays, ahead
        leading = [f"next_{name}" for name in LEADING if name in state.arrays]
        found = self._frames(ahead[:, :count], ahead[:, :count], None, state.arrays, leading)
        return state.arrays | {name.removeprefix("next_"): value for name, value in found.items()}, ahead[:, count:]

    def _frames(
        self,
        mel: FloatArray,
        ahead: FloatArray,
        fine: FloatArray | None,
        arrays: dict[str, FloatArray],
        wanted: list[str] | None = None,
    ) -> dict[str, FloatArray]:
        """The outputs for the next frames; without a fine structure only those of the first stage."""
        given = {"mel": mel} | arrays
        if self.look_ahead:
            given["ahead"] = ahead
        if self.fine_bins:
            given["fine"] = np.zeros((1, mel.shape[1], self.fine_bins), np.float32) if fine is None else fine
        if wanted is None and fine is None:
            wanted = ["estimate", *(f"next_{name}" for name in LEADING if name in arrays)]
        return self._run(wanted, given)

    def _opened(self, content: bytes) -> Any:
        """A session of ONNX Runtime."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = self.n_threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other programs need the cores
        return onnxruntime.InferenceSession(content, options, providers=[*self.providers, "CPUExecutionProvider"])

    def _run(
        self, wanted: list[str] | None, given: dict[str, FloatArray], session: Any = None
    ) -> dict[str, FloatArray]:
        session = session or self._session
        names = wanted or [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, given, self._only_wanted), strict=True))


def _joined(pieces: list[FloatArray]) -> FloatArray:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


def _load_cuda() -> None:
    """Loads NVIDIA's libraries from their Python packages, if there are some; what fails shows in `get_providers`."""
    onnxruntime.set_default_logger_severity(4)  # otherwise it prints pages of reasons
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
