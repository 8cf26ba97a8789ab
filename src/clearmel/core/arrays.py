"""What numpy arrays and torch tensors call by different names, so that a formula is written once for both.

Inference computes with numpy and never imports torch; training needs torch's gradients and devices. A tensor can only
exist where torch has been imported, so nothing here imports it.
"""

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = Any
"""A numpy array or a torch tensor; functions return the kind that they are given."""


def module_of(array: object) -> Any:
    """The module `numpy` or `torch` that an array belongs to."""
    return np if isinstance(array, np.ndarray | np.generic) else sys.modules["torch"]


def kind(array: Any) -> tuple[Any, Any]:
    """Type and device of an array, as a key for caches; the device of numpy's is None."""
    return array.dtype, getattr(array, "device", None) if module_of(array) is not np else None


def of_kind(values: npt.NDArray[Any], wanted: tuple[Any, Any]) -> Any:
    """Numpy's values as an array of a `kind`."""
    dtype, device = wanted
    if device is None:
        return values.astype(dtype)
    torch = sys.modules["torch"]
    with torch.inference_mode(False):  # cached values may later be used in training
        return torch.from_numpy(values).to(device, dtype)


def like(values: npt.NDArray[Any], other: Any) -> Any:
    """Numpy's values as an array of the type and on the device of another one."""
    return of_kind(values, kind(other))


def axis(number: int, array: object, *, keep: bool = False) -> dict[str, Any]:
    """The argument that names an axis of a reduction, and keeps it with length 1."""
    name, keeping = ("axis", "keepdims") if module_of(array) is np else ("dim", "keepdim")
    return {name: number, keeping: True} if keep else {name: number}


def joined(arrays: Sequence[Array], along: int) -> Array:
    """Arrays one after the other along an axis."""
    return module_of(arrays[0]).concatenate(list(arrays), along)


def with_closing(n_frames: int, n_closing: int) -> npt.NDArray[np.int64]:
    """Numbers of the frames of a recording and, behind them, of its last frames again, for a pass that begins there."""
    return np.concatenate([np.arange(n_frames), np.arange(n_frames - n_closing, n_frames) % n_frames])


def padded(array: Array, before: int, after: int) -> Array:
    """Zeros before and after the last axis."""
    if isinstance(array, np.ndarray):
        return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(before, after)])
    return module_of(array).nn.functional.pad(array, (before, after))


def framed(array: Array, length: int, hop: int) -> Array:
    """Views (..., T, length) of (..., N), one every `hop` samples; N must be at least `length`."""
    if isinstance(array, np.ndarray):
        return np.lib.stride_tricks.sliding_window_view(array, length, axis=-1)[..., ::hop, :]
    return array.unfold(-1, length, hop)
