"""What a card must say before it is believed, and the network that it describes.

A weights file may come from anywhere. A size in its card that the file's own tensors do not bear out would otherwise
be met with terabytes of memory or an endless construction, and a wrong kind of value long after loading.
"""

import contextlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from clearmel import networks
from clearmel.audio.features import MelFeatures
from clearmel.networks import Cutter, Denoiser, Network, Separator

KINDS: dict[str, type[Network]] = {"denoising": Denoiser, "cutting": Cutter, "separation": Separator}
"""What the weights of a task are; those of other tasks are none of these."""
RENAMED_TASKS = {"cleaning": "cutting"}
"""Tasks of older cards by their present names; such weights must load for ever."""
LARGEST = 1e9
LEVELS = {"bound_db": (0, 1000), "knee_db": (0, 1000)}
BOUNDS = {"look_ahead": (0, 10_000), "dropout": (0, 1), "input_dropout": (0, 1)} | LEVELS
"""Sizes that no tensor shows."""
READ_LATER = {"temperature": (1e-6, LARGEST), "clip_s": (0, LARGEST), "threshold": (0, 1)}
"""Of the training or the scores, where they are there."""


def current_task(task: str | None) -> str | None:
    """The present name of a task that an older version may have named otherwise."""
    return RENAMED_TASKS.get(task, task) if isinstance(task, str) else task


def check(card: Mapping[str, Any]) -> None:
    """Looks at a card alone.

    Raises:
        KeyError: a field is missing.
        ValueError: an entry has another type or an impossible value.
        InputError: its features contradict each other.
    """
    for key in ("task", "network"):
        _expect(isinstance(card[key], str), f"its {key} is no name")
    for key in ("sizes", "features"):
        _expect(isinstance(card[key], dict), f"its {key} are no dict")
    for key in ("training", "scores"):
        _expect(isinstance(card.get(key, {}), dict), f"its {key} are no dict")
    labels = card.get("labels", [])
    _expect(isinstance(labels, list) and all(isinstance(label, str) for label in labels), "its labels are no names")
    _expect(card["network"] in networks.NETWORKS, f"its network {card['network'][:40]!r} is unknown here")
    kind = networks.NETWORKS[card["network"]]
    wanted = KINDS.get(card["task"])
    fits = issubclass(kind, wanted) if wanted else not issubclass(kind, tuple(KINDS.values()))
    _expect(fits, f"{card['network']} is no network for {card['task'][:40]}")
    known = inspect.signature(kind).parameters
    for key, value in card["sizes"].items():
        _expect(key in known, f"{card['network']} has no size {str(key)[:40]}")
        _number(key, value, *BOUNDS.get(key, (0, LARGEST)))
        kinds = (int, float) if type(known[key].default) is float else (type(known[key].default),)
        _expect(type(value) in kinds, f"its {key} is no {kinds[0].__name__}")
    whole = {field.name for field in fields(MelFeatures) if isinstance(field.default, int)}
    for key, value in card["features"].items():
        _number(key, value, 0, LARGEST)
        _expect(type(value) is int or (key not in whole and type(value) is float), f"its {key} is of another kind")
    for key, bounds in READ_LATER.items():
        for part in ("training", "scores"):
            if card.get(part, {}).get(key):
                _number(key, card[part][key], *bounds)
    if card["task"] == "denoising":
        MelFeatures(**card["features"]).check_inverse()


def build(card: Mapping[str, Any], state: Mapping[str, Any]) -> Network:
    """The network that a checked card describes, with the tensors of a state dict.

    Raises:
        Exception: any, where they do not fit: torch's layers raise various exceptions.
    """
    features = MelFeatures(**card["features"])
    tensors = [value for value in state.values() if isinstance(value, Tensor)]
    _expect(all(map(is_plain, tensors)), "its tensors are no plain numbers")
    with warnings.catch_warnings(), _no_larger_than(tensors):
        warnings.simplefilter("ignore")  # of sizes that go oddly together
        network = networks.NETWORKS[card["network"]](**card["sizes"])
    sizes, n_bins = network.sizes, features.n_fft // 2 + 1
    inputs = {"input_dim": features.n_mels, "spectrogram_resolution": features.n_mels, "n_bins": n_bins}
    for key, wanted in inputs.items():
        _expect(sizes.get(key, wanted) == wanted, f"{key} {sizes.get(key)}, but the features have {wanted}")
    _expect(sizes.get("fine_bins", 0) <= n_bins, f"fine_bins {sizes.get('fine_bins')}, but the features have {n_bins}")
    if card["task"] == "classification":
        count = max(2, int(sizes.get("n_classes", 1)))
        _expect(len(card.get("labels", [])) == count, f"{len(card.get('labels', []))} labels; expected {count}")
    whole = {"labels": [], "training": {}, "scores": {}} | dict(card)
    network.load_state_dict({**state, "_extra_state": whole}, strict=True)
    return network


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is dense, of real numbers, and as large in the file as it says."""
    dense = tensor.layout == torch.strided and not tensor.is_complex() and not tensor.is_quantized
    return dense and tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()


@contextlib.contextmanager
def _no_larger_than(tensors: list[Tensor]) -> Iterator[None]:
    """Within it, a module with more parameters than these tensors, or larger ones, stops being built.

    Parameters are registered before they are filled, so that their memory is not touched by then.
    """
    left = [len(tensors), sum(tensor.numel() for tensor in tensors)]

    def count(module: nn.Module, name: str, weight: nn.Parameter | None) -> None:
        left[0] -= 1
        left[1] -= 0 if weight is None else weight.numel()
        _expect(min(left) >= 0 or weight is None, "its sizes are larger than its tensors")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _number(name: str, value: object, least: float, most: float) -> None:
    fits = isinstance(value, bool | int | float) and least <= value <= most
    _expect(fits, f"its {str(name)[:40]} is no number from {least:g} to {most:g}")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def changed(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs between two dicts of numbers, in words: "hop_length 256, now 512"."""
    keys = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return "; ".join(f"{key} {before.get(key, 'unset')}, now {now.get(key, 'unset')}" for key in keys)
