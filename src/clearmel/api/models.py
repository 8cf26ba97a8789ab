"""Trained networks by name, loaded once."""

import functools

from clearmel.checkpoints import weights_file
from clearmel.networks import Network


@functools.lru_cache(maxsize=8)
def load(model: str, task: str | None = None, device: str = "auto") -> Network:
    """Loads trained weights, in evaluation mode; the same name gives the same network.

    Args:
        model: "denoiser", "cutter", "separator", "classifier" ... , or the file name of weights in models/ of the
            current folder, which go before those that ship with the package.
        task: refuses weights of another task than "classification", "denoising", "cutting" or "separation".
        device: "auto" (CUDA where there is a device, else the CPU), "cpu", "cuda" or "mps" (Apple).

    Returns:
        A `torch.nn.Module` with a `card`: task, network, features, training and scores.

    Raises:
        clearmel.InputError: there are no such weights, they are damaged or of another task, or there is no such device.
    """
    name = model if model.endswith(".pth") else f"{model}.pth"
    return weights_file.load(weights_file.models_path(name, saved=True), task, device)
