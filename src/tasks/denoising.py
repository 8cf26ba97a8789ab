"""From a noisy log-mel to the clean one."""

from torch import Tensor

from src.batching import Batch
from src.datasets import PairedMels
from src.metrics import masked_mse
from src.networks import LSTMDenoiser, Network
from src.tasks.base import Record, Task


class DenoisingTask(Task):
    """Frame by frame clean log-mel; the error is in squared feature units (1.0 is 43.4 dB)."""

    name, monitor, higher_is_better = "denoising", "mse_denoised", False

    def dataset(self, split: str) -> PairedMels:
        """All pairs of a split, see `Task.dataset`."""
        return PairedMels(*self.folders(split), self.features, self.source.cache())

    def network(self) -> Network:
        """An LSTM denoiser of the task's sizes."""
        bands = {"input_dim": self.features.n_mels, "spectrogram_resolution": self.features.n_mels}
        return LSTMDenoiser(**bands | self.sizes)  # type: ignore[arg-type]

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Mean over the items of their mean squared error."""
        estimate, _ = network(batch.mels["noisy"])
        return masked_mse(estimate.float(), batch.mels["clean"], batch.mask()).mean()

    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Name, and the mean squared error of the noisy input and of the estimate."""
        estimate, _ = network(batch.mels["noisy"])
        noisy = masked_mse(batch.mels["noisy"], batch.mels["clean"], batch.mask()).tolist()
        denoised = masked_mse(estimate.float(), batch.mels["clean"], batch.mask()).tolist()
        columns = zip(batch.names, noisy, denoised, strict=True)
        return [{"name": name, "mse_noisy": before, "mse_denoised": after} for name, before, after in columns]
