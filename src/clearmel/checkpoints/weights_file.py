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
from clearmel.checkpoints import cards
from clearmel.core.errors import FullDiskError, InputError, reason, shortened
from clearmel.core.file_io import existing, quoted, replacing
from clearmel.networks import NETWORKS, Denoiser, Network, devices

FORMAT = 1


def models_path(model_filename: str, *, saved: bool) -> Path:
    """Path of a weights file: `models/<model_filename>` below the current folder.

    Args:
        model_filename: such as "denoiser.pth".
        saved: the file is to be read. Then the weights that ship with the package are the second choice, so that they
            are found from any folder.
    """
    here = Path("models", model_filename)
    if saved and not here.exists():
        package = Path(__file__).parents[1]
        for folder in (package / "models", package.parents[1] / "models"):  # an installed wheel; a clone
            if (folder / model_filename).exists():
                return folder / model_filename
    return here


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
    if not all(isinstance(key, str) for key in state):
        raise InputError(f"{quoted(path)} is not a state dict: its keys are not names.")
    card = state.get("_extra_state")
    if not isinstance(card, dict) or not card:
        card = _card_by_keys(path, state)
    try:
        if card["format"] > FORMAT:
            raise InputError(f"has card format {card['format']}; this version reads {FORMAT}. Update.")
        card = card | {"task": cards.current_task(card["task"])}
        cards.check(card)
        if cards.current_task(task) not in (None, card["task"]):
            raise InputError(f"holds weights for {card['task'][:40]}; expected {task}. Give another --model_filename.")
        network = cards.build(card, state)
    except InputError as error:
        raise InputError(f"{quoted(path)} {error.line()}") from error
    except Exception as error:  # torch's layers raise various exceptions for impossible sizes
        raise InputError(
            f"{quoted(path)} does not fit its card ({type(error).__name__}: {reason(error)[:120]}). Retrain it."
        ) from error
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


def _card_by_keys(path: str | Path, state: dict[str, Any]) -> dict[str, Any]:
    """The card of weights that the original scripts have saved."""
    lstm = {f"lstm.{kind}_{side}_l0" for kind in ("weight", "bias") for side in ("ih", "hh")}
    for head, task in (("hidden2class", "classification"), ("hidden2spectrogram", "denoising")):
        if set(state) == lstm | {f"{head}.weight", f"{head}.bias"}:
            shapes = {key: tuple(getattr(value, "shape", ())) for key, value in state.items()}
            if len(shapes["lstm.weight_ih_l0"]) != 2 or len(shapes[f"{head}.weight"]) != 2:
                break
            sizes = {"input_dim": shapes["lstm.weight_ih_l0"][1], "hidden_dim": shapes["lstm.weight_ih_l0"][0] // 4}
            if task == "denoising":
                sizes["spectrogram_resolution"] = shapes[f"{head}.weight"][0]
            if sizes["input_dim"] != MelFeatures().n_mels:
                break
            return {
                "format": FORMAT,
                "task": task,
                "network": "lstm_classifier" if task == "classification" else "lstm_denoiser",
                "sizes": sizes,
                "features": MelFeatures().card(),
                "labels": ["noisy", "clean"] if task == "classification" else [],
                "training": {"by": "the original suite"},
                "scores": {},
            }
    names = ", ".join(shortened(name, 60) for name in sorted(state)[:4])
    raise InputError(f"{quoted(path)} is of no known network: it has no card, and keys {names} ... Give other weights.")
