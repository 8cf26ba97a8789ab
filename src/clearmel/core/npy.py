"""Arrays and mels as .npy files: read without trusting their headers, written through temporary files.

A mel file is a C- or F-ordered float array (T, M) saved by `numpy.save` without pickling.
"""

import contextlib
import functools
import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import FloatArray, existing, quoted, replacing

HEAD = 256
"""Bytes that hold the header of any mel that numpy.save has written."""


def open_array(path: str | Path, wanted: str) -> npt.NDArray[Any]:
    """Maps a .npy file into memory; a header that promises too much allocates nothing.

    Args:
        path: the file.
        wanted: the shape that is expected, for the message.

    Returns:
        The array, read-only, of any shape and of any type but objects.

    Raises:
        InputError: not one plain .npy array.
    """
    existing(path, folder=False)
    try:
        with warnings.catch_warnings():  # of headers as Python 2 wrote them, and of odd signs in them
            warnings.simplefilter("ignore")
            with Path(path).open("rb") as file:
                archive = file.read(2) == b"PK"
            array = None if archive else np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # numpy reads headers by Python's own parsers, whose errors have no base in common
        raise InputError(f"{quoted(path)} is not a readable .npy array: {reason(error)}.") from error
    if array is None:
        raise InputError(f"{quoted(path)} is an .npz archive; expected one .npy array {wanted}.")
    return array


def open_mel(path: str | Path, n_mels: int = 80) -> npt.NDArray[np.floating]:
    """Maps a mel file into memory and checks its header, not its values.

    Returns:
        (T, M), read-only, of the file's own float type.

    Raises:
        InputError: not a plain .npy array of floats (T, M) with T >= 1.
    """
    array = open_array(path, f"(frames, {n_mels})")
    return _of_bands(array, path, n_mels)


def _of_bands(array: npt.NDArray[Any], path: str | Path, n_mels: int) -> npt.NDArray[np.floating]:
    if array.ndim != 2 or array.shape[1] != n_mels or array.shape[0] == 0:
        hint = "Rebuild it with `clearmel build dataset`."
        if array.ndim == 2 and array.shape[0] == n_mels:
            hint = "Transpose it, or rebuild it with `clearmel build dataset`."
        raise InputError(f"{quoted(path)} has shape {array.shape}; expected (frames, {n_mels}). {hint}")
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{quoted(path)} holds {array.dtype} values; expected float32.")
    return array


def read_mel(path: str | Path, n_mels: int = 80) -> FloatArray:
    """Reads a mel file.

    Returns:
        (T, M) float32, finite.

    Raises:
        InputError: as `open_mel`, or a value is NaN or infinite.
    """
    return _finite(open_mel(path, n_mels), path)


def mel_of_bytes(content: bytes, path: str | Path, n_mels: int = 80) -> FloatArray:
    """Reads a mel from the bytes of its file; `path` is for messages.

    Returns:
        (T, M) float32, finite.

    Raises:
        InputError: as `read_mel`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # as in `open_array`
        raise InputError(f"{quoted(path)} is not a readable .npy array: {reason(error)}.") from error
    return _finite(_of_bands(array, path, n_mels), path)


def mel_length(path: str | Path, n_mels: int = 80) -> int:
    """Frames of a mel file: as `len(open_mel(path, n_mels))`, with its errors, but many times as fast."""
    with contextlib.suppress(OSError, ValueError), io.FileIO(path) as file:
        found = length_of_head(file.read(HEAD), file.seek(0, os.SEEK_END), n_mels)
        if found is not None:
            return found
    return len(open_mel(path, n_mels))


def length_of_head(head: bytes, n_bytes: int, n_mels: int) -> int | None:
    """Frames of a mel file of `n_bytes`, by its first `HEAD` bytes; None where they do not prove it valid."""
    described = _described(head[: 10 + int.from_bytes(head[8:10], "little")])
    if described is None:
        return None
    shape, item_bytes, start = described
    whole = len(shape) == 2 and shape[1] == n_mels and shape[0] > 0
    return shape[0] if whole and start + shape[0] * shape[1] * item_bytes <= n_bytes else None


@functools.lru_cache(maxsize=4096)  # as many headers as there are lengths, not as there are files
def _described(header: bytes) -> tuple[tuple[int, ...], int, int] | None:
    """Shape, bytes of a value, and where the values begin, of a plain array of floats."""
    file = io.BytesIO(header)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            return None
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception:  # as in `open_array`, which tells of it
        return None
    return (shape, dtype.itemsize, file.tell()) if np.issubdtype(dtype, np.floating) else None


def _finite(array: npt.NDArray[np.floating], path: str | Path) -> FloatArray:
    mel = np.array(array, dtype=np.float32)
    bad = int(np.count_nonzero(~np.isfinite(mel)))
    if bad:
        raise InputError(f"{quoted(path)} has {bad} NaN or infinite values; expected finite log-mels. Rebuild it.")
    return mel


def write_array(path: str | Path, array: npt.NDArray[np.generic]) -> None:
    """Saves an array as .npy through a temporary file."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
