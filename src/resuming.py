"""What a resume file must hold before a run goes on with it.

torch takes almost anything for the state of an optimizer or a schedule, and trips over it steps later.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from src.cards import is_plain


def check_progress(progress: Mapping[str, Any], history: Sequence[Any], n_batches: int) -> None:
    """Where the run stood.

    Args:
        progress: fields of `engine.Progress`.
        history: a row for each epoch that is done.
        n_batches: of an epoch.

    Raises:
        ValueError: it is nowhere that a run can stand.
    """
    counts = [progress[key] for key in ("epoch", "step", "items", "best_epoch")]
    _expect(all(type(count) is int for count in counts))
    epoch, step, items, best_epoch = counts
    _expect(0 <= epoch == len(history) and 0 <= step <= n_batches and -1 <= best_epoch < max(1, epoch))
    _expect((items > 0) == (step > 0) and _is_number(progress["loss_sum"]) and math.isfinite(progress["loss_sum"]))
    _expect(progress["best"] is None or _is_number(progress["best"]))
    for number, row in enumerate(history, 1):
        _expect(isinstance(row, dict) and row["epoch"] == number and math.isfinite(row["train_loss"]))
        _expect(all(isinstance(key, str) and _is_number(value) for key, value in row.items()))


def check_state(optimizer: Mapping[str, Any], parameters: Sequence[Tensor], own: Mapping[str, Any]) -> None:
    """An optimizer's state.

    Args:
        optimizer: the saved one.
        parameters: what it moves, in order.
        own: of the same optimizer before its first step.

    Raises:
        ValueError: it is not of this optimizer and these parameters.
    """
    check_alike(optimizer["param_groups"], own["param_groups"])
    for theirs, ours in zip(optimizer["param_groups"], own["param_groups"], strict=True):
        _expect(theirs["params"] == ours["params"])
    _expect(set(optimizer["state"]) in (set(), set(range(len(parameters)))))
    for index, moments in optimizer["state"].items():
        _expect(set(moments) == {"step", "exp_avg", "exp_avg_sq"})
        shapes = {"step": torch.Size()}
        for key, value in moments.items():
            _expect(isinstance(value, Tensor) and value.shape == shapes.get(key, parameters[index].shape))
            _expect(is_sound(value))
        _expect(bool(moments["step"] >= 0) and bool((moments["exp_avg_sq"] >= 0).all()))


def check_weights(state: Mapping[str, Any]) -> None:
    """Raises a ValueError where a state dict holds what no training leaves behind: NaN, infinity, odd tensors."""
    _expect(all(is_sound(value) for value in state.values() if isinstance(value, Tensor)))


def check_alike(saved: Any, own: Any) -> None:
    """Plain values: dicts of the same keys, lists of the same length, and the same kinds of values in them.

    What torch adds to a schedule with its first step, `_last_lr`, may be there besides.

    Raises:
        ValueError: they are not alike.
    """
    if isinstance(own, dict):
        _expect(isinstance(saved, dict) and set(saved) - {"_last_lr"} == set(own) - {"_last_lr"})
        for key in own:
            if key in saved:
                check_alike(saved[key], own[key])
        if "_last_lr" in saved:
            _expect(isinstance(saved["_last_lr"], list) and all(map(_is_number, saved["_last_lr"])))
    elif isinstance(own, list | tuple):
        _expect(isinstance(saved, list | tuple) and len(saved) == len(own))
        for theirs, ours in zip(saved, own, strict=True):
            check_alike(theirs, ours)
    elif isinstance(own, bool) or not isinstance(own, int | float):
        _expect(type(saved) is type(own))
    else:
        _expect(_is_number(saved) and (isinstance(saved, int) or not isinstance(own, int)))


def is_sound(tensor: Tensor) -> bool:
    """Whether a tensor is a plain one of finite numbers."""
    return is_plain(tensor) and bool(torch.isfinite(tensor).all())


def _is_number(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 63
    return isinstance(value, float)


def _expect(holds: bool) -> None:
    if not holds:
        raise ValueError
