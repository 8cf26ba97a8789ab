"""Trained networks by name, loaded once."""

import functools

from clearmel.runtime import load as runtime
from clearmel.runtime.model import Model


@functools.lru_cache(maxsize=8)
def load(model: str, task: str | None = None, device: str = "auto") -> Model:
    """Loads trained weights, in evaluation mode; the same name gives the same network.

    Args:
        model: "denoiser", "cutter", "separator", "classifier" ... , or the file name of weights in models/ of the
            current folder, which go before those that ship with the package.
        task: refuses weights of another task than "classification", "denoising", "cutting" or "separation".
        device: "auto" (CUDA where there is a device, else the CPU), "cpu", "cuda" or "mps" (Apple).

    Returns:
        The weights with their `card`: task, network, features, training and scores.

    Raises:
        clearmel.InputError: there are no such weights, they are damaged or of another task, or there is no such device.
    """
    name = model if model.endswith(".pth") else f"{model}.pth"
    return runtime.by_name(name, task, device)
