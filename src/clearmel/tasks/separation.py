"""Separation: estimates the wave of each voice of a mixture."""

import inspect
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearmel.audio.features import MelFeatures
from clearmel.core.errors import InputError
from clearmel.data.batching import Batch
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.multi_speaker import MultiSpeakerMixtures, role
from clearmel.data.separation_folder import SeparationFolder
from clearmel.data.splits import split_pools
from clearmel.metrics import signal
from clearmel.metrics.permutation import best_order, ratio
from clearmel.networks import SEPARATORS, Network
from clearmel.options import MultiSpeakerOptions
from clearmel.options.source import Source
from clearmel.tasks.base import Record, Task

BEST_DB = 30.0
"""SI-SDR in dB above which a voice no longer contributes to the loss."""


class SeparationTask(Task):
    """Estimation of the voices of a mixture by complex masks on its spectrum.

    Without faces the order of the voices is arbitrary, so the best order counts (permutation-invariant training).
    Source: Yu et al., ICASSP 2017; for whole utterances: Kolbaek et al., TASLP 2017.

    Args:
        source: cache and seed; with `folder` also the location of the mixtures.
        features: the STFT.
        sizes: arguments of a new network.
        network_name: of a new network, a key of `SEPARATORS`.
        voices: mixing options.
        folder: use the mixtures in `source.dataset_path` instead, see `SeparationFolder`.
    """

    name, monitor, higher_is_better = "separation", "si_sdr_improvement", True

    def __init__(
        self,
        source: Source | None = None,
        features: MelFeatures | None = None,
        sizes: dict[str, int | float | bool] | None = None,
        network_name: str = "band_split",
        voices: MultiSpeakerOptions | None = None,
        *,
        folder: bool = False,
    ) -> None:
        super().__init__(source, features, sizes)
        self.kind, self.voices, self.folder = SEPARATORS[network_name], voices or MultiSpeakerOptions(), folder
        if self.kind.faces and not folder:
            raise InputError(f"--network {network_name} needs mixtures with faces: give their --dataset_path.")
        known = list(inspect.signature(self.kind).parameters)
        if unknown := [name for name in self.sizes if name not in known]:
            raise InputError(f"--{unknown[0]} is no size of {network_name}; its sizes are {', '.join(known[2:])}.")

    def has(self, split: str) -> bool:
        """See `Task.has`."""
        if self.folder:
            return Path(self.source.dataset_path, split).is_dir()
        return split in split_pools(self.voices, self.source.seed)

    def dataset(self, split: str) -> MelDataset:
        """Mixtures of a split, see `Task.dataset`.

        "." are the complete mixtures of the source's folder, or mixtures of all speakers, mixed as for validation.
        """
        if self.folder:
            root, clip_s = Path(self.source.dataset_path, split), 0.0 if split == "." else self.voices.clip_s
            return SeparationFolder(
                root, self.features, clip_s, self.source.seed, faces=self.kind.faces, cache=self.source.cache()
            )
        pool = split_pools(self.voices, self.source.seed)["train" if split == "." else split]
        kind = "val" if split == "." else split
        return MultiSpeakerMixtures(kind, pool, self.voices, self.features, self.source.seed, self.source.cache())

    def network(self) -> Network:
        """A network of the task's sizes."""
        sizes: dict[str, Any] = {"n_bins": self.features.n_fft // 2 + 1, "n_voices": self.voices.n_voices} | self.sizes
        return self.kind(**sizes)

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        paths = ("clean_path", "noise_path", "val_clean_path", "val_noise_path", "val_speakers", "val_noises")
        return {key: value for key, value in asdict(self.voices).items() if key not in paths}

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Negative SI-SDR in dB, averaged over voices and items; in the best order, or with faces in their order."""
        return -self._ratios(network, batch).clamp(max=BEST_DB).mean()

    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Name, mean SI-SDR of the voices in dB, and its improvement over the mixture."""
        mixture, voices = batch.waves["mixture"], self.wanted(batch)
        found = self._ratios(network, batch).mean(dim=1)
        before = ratio(mixture[:, None].expand_as(voices), voices, mixture[:, None]).mean(dim=1)
        rows = zip(batch.names, found.tolist(), (found - before).tolist(), strict=True)
        return [{"name": name, "si_sdr": ratio, "si_sdr_improvement": gain} for name, ratio, gain in rows]

    def wanted(self, batch: Batch) -> Tensor:
        """The true voices (B, S, N)."""
        count = sum(name.startswith("voice_") for name in batch.waves)
        return torch.stack([batch.waves[role(number)] for number in range(1, count + 1)], dim=1)

    def _ratios(self, network: Network, batch: Batch) -> Tensor:
        """SI-SDR in dB (B, S)."""
        voices, faces = self.wanted(batch), batch.waves.get("faces")
        if voices.shape[1] != self.voices.n_voices:
            raise InputError(
                f"{batch.names[0]} has {voices.shape[1]} voices; the network tells {self.voices.n_voices} apart."
            )
        estimates = self.separated(network, batch.waves["mixture"], faces)
        if faces is None:
            return best_order(estimates, voices, batch.waves["mixture"])[0]
        return signal.si_sdr(estimates, voices)

    def separated(self, network: Network, mixture: Tensor, faces: Tensor | None = None) -> Tensor:
        """Estimates (B, S, N) of a mixture (B, N)."""
        device = mixture.device.type
        low_precision = torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False):
            spectrum = self.features.stft(mixture)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=low_precision):
                masks = network(spectrum, faces)
            voices: Tensor = self.features.istft(spectrum[:, None] * masks, mixture.shape[-1])
            return voices
