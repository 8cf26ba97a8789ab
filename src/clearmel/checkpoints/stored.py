"""Weights files as arrays with a card, read without torch.

Files of the original suite have no card and are known by their keys and shapes.
"""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import cards, pth
from clearmel.core.errors import InputError, reason, shortened
from clearmel.core.file_io import existing, quoted

FORMAT = 1


class Stored(NamedTuple):
    """The tensors of a weights file by name, and its checked card."""

    card: dict[str, Any]
    tensors: dict[str, npt.NDArray[Any]]


SAME = {"classifier.pth": "noise_presence.pth"}
"""Weights that ship under two names, and the one that an installed wheel holds."""


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
        for name in (model_filename, SAME.get(model_filename, model_filename)):
            for folder in (package / "models", package.parents[1] / "models"):  # an installed wheel; a clone
                if (folder / name).exists():
                    return folder / name
    return here


def read(path: str | Path, task: str | None) -> Stored:
    """Reads a weights file, never running code from it.

    Args:
        path: a weights file, with a card or of the original suite.
        task: what it must have been trained for; None: anything.

    Raises:
        InputError: it is missing, damaged, of another task, or asks for code to be run.
    """
    existing(path, folder=False)
    try:
        state = pth.read(path)
    except (pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{quoted(path)} is not a plain weights file (damaged, or it holds code; it was not run). "
            "Expected a state dict saved by torch.save."
        ) from error
    except Exception as error:  # what a broken pickle or zip raises has no base in common
        raise InputError(f"{quoted(path)} cannot be read: {reason(error)}. Copy it again or retrain.") from error
    if not isinstance(state, dict) or not state:
        raise InputError(f"{quoted(path)} holds a {type(state).__name__}; expected a state dict.")
    card = card_of(path, state, task)
    tensors = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise InputError(f"{quoted(path)} holds NaN or infinite weights. Retrain it.")
    return Stored(card, tensors)


def card_of(path: str | Path, state: Mapping[Any, Any], task: str | None) -> dict[str, Any]:
    """The checked card in a state dict of arrays or tensors, or that of the original suite; arguments as in `read`.

    Raises:
        InputError: there is none, its entries are impossible, or it is of another task.
    """
    if not all(isinstance(key, str) for key in state):
        raise InputError(f"{quoted(path)} is not a state dict: its keys are not names.")
    found = state.get("_extra_state")
    card: dict[str, Any] = found if isinstance(found, dict) and found else _card_by_keys(path, state)
    try:
        if card["format"] > FORMAT:
            raise InputError(f"has card format {card['format']}; this version reads {FORMAT}. Update.")
        card = card | {"task": cards.current_task(card["task"])}
        cards.check(card)
        if cards.current_task(task) not in (None, card["task"]):
            raise InputError(f"holds weights for {card['task'][:40]}; expected {task}. Give another --model_filename.")
    except InputError as error:
        raise InputError(f"{quoted(path)} {error.line()}") from error
    except Exception as error:  # a card may hold anything
        raise does_not_fit(path, error) from error
    return {"labels": [], "training": {}, "scores": {}} | card


def does_not_fit(path: str | Path, error: Exception) -> InputError:
    """The error of a file whose card and tensors contradict each other."""
    return InputError(
        f"{quoted(path)} does not fit its card ({type(error).__name__}: {reason(error)[:120]}). Retrain it."
    )


def _card_by_keys(path: str | Path, state: Mapping[str, Any]) -> dict[str, Any]:
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
