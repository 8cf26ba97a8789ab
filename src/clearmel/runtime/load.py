"""Loads trained weights as a `Model`."""

from pathlib import Path

from clearmel.checkpoints import stored
from clearmel.core.errors import InputError
from clearmel.core.file_io import quoted
from clearmel.graphs.build import UnsupportedError
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
        InputError: unreadable, of another task, its tensors do not fit its card, there is no such device, or only torch
            can compute the network and is not installed.
    """
    place = devices.pick(device)
    if place.library == "torch":
        return _by_torch(path, task, place.device)
    weights = stored.read(path, task)
    from clearmel.runtime.onnx_model import OnnxModel

    try:
        return OnnxModel(weights, place.device, n_threads)
    except UnsupportedError as error:
        if not devices.has_torch():
            raise InputError(
                f"{quoted(path)} holds {error}, which only torch computes. Install it: {devices.TRAIN}."
            ) from error
        return _by_torch(path, task, place.device)
    except Exception as error:  # a damaged file may hold any tensors
        raise stored.does_not_fit(path, error) from error


def _by_torch(path: str | Path, task: str | None, device: str) -> Model:
    from clearmel.checkpoints import weights_file
    from clearmel.runtime.torch_model import TorchModel

    return TorchModel(weights_file.load(path, task, device))


def by_name(model_filename: str, task: str | None, device: str = "cpu", n_threads: int | None = None) -> Model:
    """The weights in `models/<model_filename>` of the current folder, or those that ship with the package."""
    return load(stored.models_path(model_filename, saved=True), task, device, n_threads)
