"""A network of torch behind the seam of inference."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from clearmel.core.arrays import Array
from clearmel.core.file_io import FloatArray
from clearmel.networks import Cutter, Denoiser, GainDenoiser, Network, Separator
from clearmel.runtime.model import Model


class TorchModel(Model):
    """See `Model`; the network stays on its device.

    Args:
        network: with its card, in evaluation mode.
    """

    def __init__(self, network: Network) -> None:
        self.network, self.card, self.device = network, network.card, network.device.type
        if isinstance(network, Denoiser):
            self.fine_bins, self.look_ahead, self.warm_up_s = network.fine_bins, network.look_ahead, network.warm_up_s
        if isinstance(network, Cutter):
            self.stride = network.stride
        self.two_passes = isinstance(network, GainDenoiser) and network.second is not None
        if isinstance(network, Separator):
            self.n_voices, self.faces = network.n_voices, network.faces

    @torch.inference_mode()
    def denoised(
        self, mel: FloatArray, fine: FloatArray | None = None, state: Any = None, last: bool = True
    ) -> tuple[FloatArray, FloatArray | None, Any]:
        """See `Model.denoised`."""
        assert isinstance(self.network, Denoiser)
        mels = self._given(mel)
        assert mels is not None
        estimate, factor, after = self.network.causal(mels, self._given(fine), state, last)
        return estimate.cpu().numpy(), None if factor is None else factor.cpu().numpy(), after

    @torch.inference_mode()
    def primed(self, mel: FloatArray, fine: FloatArray | None = None) -> Any:
        """See `Model.primed`."""
        assert isinstance(self.network, Denoiser)
        mels = self._given(mel)
        assert mels is not None
        return self.network.prime(mels, self._given(fine))

    @torch.inference_mode()
    def corrected(
        self, mel: FloatArray, fine: FloatArray | None, estimate: FloatArray, factor: FloatArray | None
    ) -> tuple[FloatArray, FloatArray | None]:
        """See `Model.corrected`."""
        assert isinstance(self.network, GainDenoiser)
        assert self.network.second is not None
        found, factors = self.network.second(*map(self._given, (mel, fine, estimate, factor)))
        return found.cpu().numpy(), None if factors is None else factors.cpu().numpy()

    @torch.inference_mode()
    def logits(self, mel: FloatArray) -> FloatArray:
        """See `Model.logits`."""
        lengths = torch.full((len(mel),), mel.shape[1], device=self.network.device)
        found: FloatArray = self.network(self._given(mel), lengths).float().cpu().numpy()
        return found

    @torch.inference_mode()
    def embedding(self, mel: FloatArray) -> FloatArray:
        """See `Model.embedding`."""
        found: FloatArray = self.network(self._given(mel[None]))[0].cpu().numpy()
        return found

    @torch.inference_mode()
    def masks(self, spectrum: Array, faces: FloatArray | None = None) -> Array:
        """See `Model.masks`."""
        given = self._given(spectrum[None]), None if faces is None else self._given(faces[None])
        return self.network(*given)[0].cpu().numpy()

    def _given(self, array: Array | None) -> Tensor | None:
        return None if array is None else torch.from_numpy(np.ascontiguousarray(array)).to(self.network.device)
