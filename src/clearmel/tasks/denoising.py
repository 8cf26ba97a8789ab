"""Denoising: estimates the clean log-mel of a noisy one; the gain between the two denoises the sound."""

import math
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from clearmel.audio import gains
from clearmel.audio.features import MelFeatures
from clearmel.audio.stft import power_of
from clearmel.data.batching import Batch
from clearmel.data.mel_datasets import MelDataset, PairedMels
from clearmel.data.shard_datasets import ShardedPairs
from clearmel.metrics import dnsmos_loss, pesq_loss, signal, spectral_loss, stoi_loss
from clearmel.networks import Denoiser, GainDenoiser, LSTMDenoiser, Network
from clearmel.options import LossOptions
from clearmel.options.source import Source
from clearmel.tasks.base import Record, Task


class DenoisingTask(Task):
    """Estimation of the clean log-mel, frame by frame; its error is in squared feature units (1.0 is 43.4 dB).

    The loss of pairs of mels is this error. The loss of waves is the sum weighted by `losses`, and their figures also
    include the error of the compressed spectrum and the SI-SDR.

    Args:
        source: location of the data.
        features: definition of a mel.
        sizes: arguments of a new network.
        losses: weights of the errors of waves.
        network_name: of a new network, a key of `DENOISERS`.
        warm_up_s: opening seconds of each mel that prime the network's state in evaluation.
    """

    name, monitor, higher_is_better = "denoising", "mse_denoised", False
    DENOISERS: dict[str, type[Denoiser]] = {"lstm": LSTMDenoiser, "gain": GainDenoiser}  # noqa: RUF012

    def __init__(
        self,
        source: Source | None = None,
        features: MelFeatures | None = None,
        sizes: dict[str, int | float | bool] | None = None,
        losses: LossOptions | None = None,
        network_name: str = "lstm",
        warm_up_s: float = 0.0,
    ) -> None:
        super().__init__(source, features, sizes)
        self.n_opening = self.features.frames_in(warm_up_s)
        self.losses, self.network_name = losses or LossOptions(), network_name
        if self.source.mixing is not None:
            self.monitor = "loss"  # type: ignore[misc]  # for waves the loss is more informative than the error of mels
            if self.losses.dnsmos_weight:
                dnsmos_loss.require(self.features.sample_rate)

    def dataset(self, split: str) -> MelDataset:
        """All pairs of a split, see `Task.dataset`."""
        if self.source.mixing is not None:
            return self.mixtures(split)
        if folder := self.sharded(split):
            return ShardedPairs(folder, self.features)
        return PairedMels(*self.folders(split), self.features, self.source.cache())

    def network(self) -> Network:
        """A denoiser of the task's sizes."""
        sizes: dict[str, Any] = {"input_dim": self.features.n_mels} | self.sizes
        if self.network_name == "lstm":
            sizes["spectrogram_resolution"] = self.features.n_mels
        network = self.DENOISERS[self.network_name](**sizes)
        if isinstance(network, GainDenoiser) and network.neighbours is not None:
            network.neighbours.begin_at(gains.spreading(self.features, torch.zeros(())))
            if network.second is not None:
                network.second.begin_at(network)
        return network

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        return super().settings() | (asdict(self.losses) if self.source.mixing else {})

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Mean loss of the items."""
        if batch.waves:
            return self._errors(network, batch)["loss"].mean()
        estimate, *_ = network(batch.mels["noisy"])
        return spectral_loss.masked_mse(estimate.float(), batch.mels["clean"], batch.mask()).mean()

    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Name, and the mean squared error of the noisy input and of the estimate; for waves all of `_errors`."""
        if batch.waves:
            errors = {key: values.tolist() for key, values in self._errors(network, batch).items()}
        else:
            noisy, clean, mask = batch.mels["noisy"], batch.mels["clean"], batch.mask()
            assert isinstance(network, Denoiser)
            estimate = network.estimate(noisy, batch.lengths, self.n_opening)
            errors = {
                "mse_noisy": spectral_loss.masked_mse(noisy, clean, mask).tolist(),
                "mse_denoised": spectral_loss.masked_mse(estimate.float(), clean, mask).tolist(),
            }
        return [
            {"name": name} | {key: values[index] for key, values in errors.items()}
            for index, name in enumerate(batch.names)
        ]

    @staticmethod
    def fine_bins(network: nn.Module) -> int:
        """`fine_bins` of a denoiser, which may be wrapped for several processes."""
        plain = getattr(network, "module", network)
        return plain.fine_bins if isinstance(plain, Denoiser) else 0

    def _errors(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        """All errors (B,) of waves, and their weighted sum "loss"."""
        losses, features, waves = self.losses, self.features, batch.waves
        device, low_precision = waves["noisy"].device.type, torch.is_autocast_enabled(waves["noisy"].device.type)
        with torch.autocast(device, enabled=False):
            with torch.no_grad():
                noisy, clean = features.stft(waves["noisy"]), features.stft(waves["clean"])  # (B, T, F)
                power = power_of(noisy)
                noisy_mel, clean_mel = features.mel_of_power(power), features.mel_of_power(power_of(clean))
                n_fine = self.fine_bins(network)
                fine = gains.fine_structure(features, power, noisy_mel, n_fine) if n_fine else None
                spectra = spectral_loss.CompressedSpectra(noisy, clean, losses.complex_share)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=low_precision):
                estimate, factor, _ = network(noisy_mel, fine)
            bands = gains.band_gain(noisy_mel, estimate.float())
            gain = gains.bin_gain(features, bands, factor)
            whole = torch.ones(noisy_mel.shape[:2], device=noisy_mel.device)
            errors = {
                "mse_noisy": spectral_loss.masked_mse(noisy_mel, clean_mel, whole),
                "mse_denoised": spectral_loss.masked_mse(estimate.float(), clean_mel, whole),
                "spectrum_error": spectra.error(gain),
            }
            spectrum_error = errors["spectrum_error"]
            if factor is not None and network.training:  # otherwise the band gains would not be trained
                spectrum_error = (spectrum_error + spectra.error(gains.spread(features, bands))) / 2
            loss = losses.mel_weight * errors["mse_denoised"] + losses.spectrum_weight * spectrum_error
            if losses.of_waves or not network.training:
                wave = features.istft(noisy * gain, waves["clean"].shape[-1])
                errors["si_sdr_noisy"] = signal.si_sdr(waves["noisy"], waves["clean"])
                errors["si_sdr_denoised"] = signal.si_sdr(wave, waves["clean"])
                loss = loss - losses.sdr_weight * errors["si_sdr_denoised"].clamp(max=40) / 10
                if losses.resolution_weight:
                    loss = loss + losses.resolution_weight * spectral_loss.resolution_error(wave, waves["clean"])
                if losses.loudness_weight:
                    errors["disturbance"] = pesq_loss.pesq_loss(wave, waves["clean"], features.sample_rate)
                    loss = loss + losses.loudness_weight * errors["disturbance"]
                if losses.intelligibility_weight:
                    errors["estoi"] = stoi_loss.estoi(wave, waves["clean"], features.sample_rate)
                    loss = loss + losses.intelligibility_weight * (1 - errors["estoi"])
                if losses.dnsmos_weight:
                    n_scored = math.ceil(len(wave) / dnsmos_loss.SHARE) if network.training else len(wave)
                    with torch.autocast(device, dtype=torch.bfloat16, enabled=low_precision):
                        lacking = dnsmos_loss.dnsmos_loss(wave[:n_scored], waves["clean"][:n_scored])
                    errors["dnsmos_lacking"] = nn.functional.pad(lacking, (0, len(wave) - n_scored))
                    loss = loss + losses.dnsmos_weight * errors["dnsmos_lacking"] * len(wave) / n_scored
            return errors | {"loss": loss}
