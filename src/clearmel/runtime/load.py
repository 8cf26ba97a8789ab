"""Loads trained weights as a `Model`."""

from pathlib import Path

from clearmel.checkpoints import weights_file
from clearmel.runtime.model import Model
from clearmel.runtime.torch_model import TorchModel


def load(path: str | Path, task: str | None, device: str = "cpu") -> Model:
    """A weights file as a model; arguments and errors as of `clearmel.checkpoints.weights_file.load`."""
    return TorchModel(weights_file.load(path, task, device))


def by_name(model_filename: str, task: str | None, device: str = "cpu") -> Model:
    """The weights in `models/<model_filename>` of the current folder, or those that ship with the package."""
    return load(weights_file.models_path(model_filename, saved=True), task, device)
