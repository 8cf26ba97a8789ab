"""Loads trained weights as a `Model`."""

from pathlib import Path

from clearmel.checkpoints import stored
from clearmel.runtime import devices
from clearmel.runtime.model import Model


def load(path: str | Path, task: str | None, device: str = "cpu", n_threads: int | None = None) -> Model:
    """A weights file as a model.

    Args:
        path: a weights file, with a card or of the original suite.
        task: what it must have been trained for; None: anything.
        device: see `clearmel.runtime.devices.pick`.
        n_threads: see `OnnxModel`.

    Raises:
        InputError: unreadable, of another task, its tensors do not fit its card, or there is no such device.
    """
    place = devices.pick(device)
    if place.library == "torch":
        from clearmel.checkpoints import weights_file
        from clearmel.runtime.torch_model import TorchModel

        return TorchModel(weights_file.load(path, task, place.device))
    weights = stored.read(path, task)
    from clearmel.runtime.onnx_model import OnnxModel

    try:
        model = OnnxModel(weights, place.device, n_threads)
    except Exception as error:  # a damaged file may hold any tensors
        raise stored.does_not_fit(path, error) from error
    devices.check(device, model.device)
    return model


def by_name(model_filename: str, task: str | None, device: str = "cpu", n_threads: int | None = None) -> Model:
    """The weights in `models/<model_filename>` of the current folder, or those that ship with the package."""
    return load(stored.models_path(model_filename, saved=True), task, device, n_threads)
