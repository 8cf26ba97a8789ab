"""Weights and resume files: the only caller of torch.save and torch.load.

A weights file is `network.state_dict()` and nothing else; its card (`Network.card`) says what it is. Files of the
original suite have no card and are known by their keys and shapes.
"""

import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import assembly, stored
from clearmel.checkpoints.stored import FORMAT, models_path
from clearmel.core.errors import FullDiskError, InputError, reason
from clearmel.core.file_io import existing, quoted, replacing
from clearmel.networks import NETWORKS, Denoiser, Network, devices

__all__ = ["FORMAT", "flag_name", "load", "load_denoiser", "load_dict", "make_card", "models_path", "save"]


def make_card(
    network: Network,
    task: str,
    features: MelFeatures,
    labels: list[str] | None = None,
    training: dict[str, Any] | None = None,
    scores: dict[str, float] | None = None,
) -> dict[str, Any]:
    """The card of a network: everything that inference needs to know."""
    names = {kind: name for name, kind in NETWORKS.items()}
    return {
        "format": FORMAT,
        "task": task,
        "network": names[type(network)],
        "sizes": dict(network.sizes),
        "features": features.card(),
        "labels": labels or [],
        "training": training or {},
        "scores": scores or {},
    }


def save(path: str | Path, state_dict: dict[str, Any]) -> None:
    """Writes through a temporary file.

    Raises:
        InputError: the place cannot be written, or the disk is full.
    """
    with replacing(path) as temporary:
        try:
            with temporary.open("wb") as file:  # given a path, torch would write its random name into the file
                torch.save(state_dict, file)
                file.flush()
                os.fsync(file.fileno())
        except RuntimeError as error:  # torch's zip writer reports a full disk so
            raise FullDiskError(f"cannot write {quoted(path)}: {reason(error)}. Is the disk full?") from error


def load_dict(path: str | Path) -> dict[str, Any]:
    """Reads a dict of tensors and plain values, never running code from the file.

    Raises:
        InputError: missing, damaged, not such a dict, or it asks for code to be run.
    """
    existing(path, folder=False)
    try:
        with warnings.catch_warnings():  # torch warns of odd pickles before it refuses them
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{quoted(path)} is not a plain weights file (damaged, or it holds code; it was not run). "
            "Expected a state dict saved by torch.save."
        ) from error
    except Exception as error:  # what a broken pickle raises has no base in common
        raise InputError(f"{quoted(path)} cannot be read: {reason(error)}. Copy it again or retrain.") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{quoted(path)} holds a {type(content).__name__}; expected a state dict.")
    return content


def load(path: str | Path, task: str | None, device: str = "cpu") -> Network:
    """Builds the network that a weights file holds, in evaluation mode.

    Args:
        path: a weights file, with a card or of the original suite.
        task: what it must have been trained for; None: anything.
        device: where the network computes, see `clearmel.networks.devices.pick`.

    Raises:
        InputError: unreadable, of another task, its tensors do not fit its card, or there is no such device.
    """
    place = devices.pick(device)
    state = load_dict(path)
    card = stored.card_of(path, state, task)
    try:
        network = assembly.build(card, state)
    except InputError as error:
        raise InputError(f"{quoted(path)} {error.line()}") from error
    except Exception as error:  # torch's layers raise various exceptions for impossible sizes
        raise stored.does_not_fit(path, error) from error
    weights = [value for value in network.state_dict().values() if isinstance(value, torch.Tensor)]
    if not all(torch.isfinite(weight).all() for weight in weights):
        raise InputError(f"{quoted(path)} holds NaN or infinite weights. Retrain it.")
    return network.eval().to(place)


def flag_name(network: Network) -> str:
    """The network's name in its card."""
    return str(network.card["network"])


def load_denoiser(model_filename: str, device: str = "cpu") -> Denoiser:
    """The denoiser in `models/<model_filename>`, see `models_path` and `load`."""
    network = load(models_path(model_filename, saved=True), "denoising", device)
    assert isinstance(network, Denoiser)
    return network
