"""What a card must say before it is believed.

A weights file may come from anywhere. A size in its card that the file's own tensors do not bear out would otherwise
be met with terabytes of memory or an endless construction, and a wrong kind of value long after loading.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from clearmel.audio.features import MelFeatures
from clearmel.options import CLASSIFIERS, CUTTERS, SEPARATORS, SPEAKER_ENCODERS

NAMES: dict[str, tuple[str, ...]] = {
    "classification": tuple("lstm_classifier" if name == "lstm" else name for name in CLASSIFIERS),
    "denoising": ("lstm_denoiser", "gain_denoiser"),
    "cutting": CUTTERS,
    "separation": SEPARATORS,
    "speakers": SPEAKER_ENCODERS,
}
"""The networks of each task by their names in cards, see `clearmel.networks.NETWORKS`."""
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
        expect(isinstance(card[key], str), f"its {key} is no name")
    for key in ("sizes", "features"):
        expect(isinstance(card[key], dict), f"its {key} are no dict")
    for key in ("training", "scores"):
        expect(isinstance(card.get(key, {}), dict), f"its {key} are no dict")
    labels = card.get("labels", [])
    expect(isinstance(labels, list) and all(isinstance(label, str) for label in labels), "its labels are no names")
    expect(
        any(card["network"] in names for names in NAMES.values()), f"its network {card['network'][:40]!r} is unknown"
    )
    fits = card["network"] in NAMES.get(card["task"], NAMES["classification"])
    expect(fits, f"{card['network']} is no network for {card['task'][:40]}")
    for key, value in card["sizes"].items():
        _number(key, value, *BOUNDS.get(key, (0, LARGEST)))
    whole = {field.name for field in fields(MelFeatures) if isinstance(field.default, int)}
    for key, value in card["features"].items():
        _number(key, value, 0, LARGEST)
        expect(type(value) is int or (key not in whole and type(value) is float), f"its {key} is of another kind")
    for key, bounds in READ_LATER.items():
        for part in ("training", "scores"):
            if card.get(part, {}).get(key):
                _number(key, card[part][key], *bounds)
    features = MelFeatures(**card["features"])
    for key, wanted in shown_by(features).items():
        expect(
            card["sizes"].get(key, wanted) == wanted, f"{key} {card['sizes'].get(key)}, but the features have {wanted}"
        )
    if card["task"] == "classification":
        count = max(2, int(card["sizes"].get("n_classes", 1)))
        expect(len(labels) == count, f"{len(labels)} labels; expected {count}")
    if card["task"] == "denoising":
        features.check_inverse()


def shown_by(features: MelFeatures) -> dict[str, int]:
    """Sizes of networks that the features decide."""
    n_bins = features.n_fft // 2 + 1
    return {"input_dim": features.n_mels, "spectrogram_resolution": features.n_mels, "n_bins": n_bins}


def _number(name: str, value: object, least: float, most: float) -> None:
    fits = isinstance(value, bool | int | float) and least <= value <= most
    expect(fits, f"its {str(name)[:40]} is no number from {least:g} to {most:g}")


def expect(holds: bool, otherwise: str) -> None:
    """Raises a ValueError that says `otherwise`."""
    if not holds:
        raise ValueError(otherwise)


def changed(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs between two dicts of numbers, in words: "hop_length 256, now 512"."""
    keys = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return "; ".join(f"{key} {before.get(key, 'unset')}, now {now.get(key, 'unset')}" for key in keys)
