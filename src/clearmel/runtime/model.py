"""The seam between inference and the library that computes the networks.

Inference works on numpy arrays and never sees what computes them: `OnnxModel` runs a graph by ONNX Runtime, and
`TorchModel` a network of torch, in training, in evaluation and on devices that only torch knows.

Shapes: B batch, T frames, M mel bands, K bins of the fine structure or decisions, S voices, F STFT bins, E dimensions
of an embedding.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from clearmel.core.arrays import Array, with_closing
from clearmel.core.file_io import FloatArray


class Model(ABC):
    """Trained weights with their card.

    Attributes:
        card: see docs/architecture.md.
        device: where it computes: cpu, cuda or mps.
        fine_bins, look_ahead, warm_up_s: of denoisers, see `clearmel.networks.Denoiser`.
        two_passes: whether a denoiser has a second pass, see `corrected`.
        stride: of cutters, see `clearmel.networks.Cutter`.
        n_voices, faces: of separators, see `clearmel.networks.Separator`.
    """

    card: dict[str, Any]
    device: str = "cpu"
    fine_bins: int = 0
    look_ahead: int = 0
    warm_up_s: float = 0.0
    two_passes: bool = False
    stride: int = 1
    n_voices: int = 0
    faces: bool = False

    @abstractmethod
    def denoised(
        self, mel: FloatArray, fine: FloatArray | None = None, state: Any = None, last: bool = True
    ) -> tuple[FloatArray, FloatArray | None, Any]:
        """The next frames of one recording, see `clearmel.networks.Denoiser.forward`.

        Args:
            mel: noisy log-mel (1, T, M).
            fine: fine structure (1, T, K), or None.
            state: as returned for the previous frames; None at the start.
            last: whether the recording ends here.

        Returns:
            The estimate (1, T', M), log-factors of bins (1, T', K) or None, and the state.
        """

    @abstractmethod
    def primed(self, mel: FloatArray, fine: FloatArray | None = None) -> Any:
        """The state after the opening of a recording, see `clearmel.networks.Denoiser.prime`."""

    @abstractmethod
    def corrected(
        self, mel: FloatArray, fine: FloatArray | None, estimate: FloatArray, factor: FloatArray | None
    ) -> tuple[FloatArray, FloatArray | None]:
        """What a second pass, backwards in time, makes of the result of `denoised`; for models with `two_passes`.

        Args:
            mel: noisy log-mel (1, T, M).
            fine: fine structure (1, T, K), or None.
            estimate: of the first pass (1, T, M).
            factor: log-factors of the first pass (1, T, K), or None.

        Returns:
            The estimate (1, T, M), and the log-factors (1, T, K) or None.
        """

    @abstractmethod
    def logits(self, mel: FloatArray) -> FloatArray:
        """Logits (B, C) of a classifier or (B, K) of a cutter for log-mels (B, T, M) without padding."""

    @abstractmethod
    def embedding(self, mel: FloatArray) -> FloatArray:
        """The embedding (E,) of length 1 of the speaker of a log-mel (T, M)."""

    @abstractmethod
    def masks(self, spectrum: Array, faces: FloatArray | None = None) -> Array:
        """Complex masks (S, T, F) of a separator for a complex spectrum (T, F); faces (S, P, 512) or None."""

    def estimate(self, mel: FloatArray, n_opening: int = 0, passes: int = 2) -> FloatArray:
        """Estimates (T, M) of a whole log-mel (T, M).

        Args:
            mel: noisy.
            n_opening: opening frames that initialise the state, and last frames that initialise that of a second pass;
                a shorter recording is repeated.
            passes: 1 without the second pass.
        """
        opening = mel[np.arange(n_opening) % len(mel)][None]
        state = self.primed(opening) if n_opening else None
        found: FloatArray = self.denoised(mel[None], None, state)[0][0]
        if self.two_passes and passes > 1:
            frames = with_closing(len(mel), n_opening)
            found = self.corrected(mel[frames][None], None, found[frames][None], None)[0][0, : len(mel)]
        return found


def as_model(network: Any) -> Model:
    """A model as it is; a network of torch as a `TorchModel`."""
    if isinstance(network, Model):
        return network
    from clearmel.runtime.torch_model import TorchModel  # only where torch is in use

    return TorchModel(network)
