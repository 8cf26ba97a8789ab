"""Files on disk: listing, writing through a temporary file, and mels as .npy.

A mel file is a C- or F-ordered float array (T, M) saved by `numpy.save` without pickling.
"""

import contextlib
import errno
import functools
import io
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src import leftovers
from src.errors import FullDiskError, InputError, reason, shortened

FloatArray = npt.NDArray[np.float32]
HEAD = 256
"""Bytes that hold the header of any mel that numpy.save has written."""


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it takes the place of `path`, else it is removed.

    Raises:
        InputError: the folder cannot be made or written, or the disk is full. `path` is then what it was.
    """
    target = Path(path)
    with _temporary_beside(target) as temporary:
        try:
            yield temporary
            # Temporary files are private; the result gets the mode that open() would have given it.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(target)
        except OSError as error:
            full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)  # of a short write numpy gives no number
            kind, words = (FullDiskError, os.strerror(errno.ENOSPC)) if full else (InputError, reason(error))
            raise kind(f"cannot write {quoted(target)}: {words}. Nothing was changed.") from error


@contextlib.contextmanager
def _temporary_beside(target: Path) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise InputError(f"cannot write {quoted(target)}: it is a folder. Give a file name.")
            temporary = stack.enter_context(leftovers.temporary_file(target.parent))
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write {quoted(target)}: {reason(error)}. Choose another place.") from error
        yield temporary


@contextlib.contextmanager
def claiming(path: str | Path) -> Iterator[None]:
    """Keeps other runs from writing `path` and what lies about it for the length of a `with` block.

    Raises:
        InputError: another run is at it, or its folder cannot be written.
    """
    target = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(leftovers.claimed(target))
        except BlockingIOError as error:
            raise InputError(
                f"another run is writing {quoted(target)} at this moment. Wait for it, or give another name."
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write {quoted(target)}: {reason(error)}. Choose another place.") from error
        yield


def ensure_writable(path: str | Path) -> None:
    """Raises an InputError if `path` could not be written; for finding out before hours of work."""
    with _temporary_beside(Path(path)):
        pass


def quoted(path: str | Path) -> str:
    """A path for a message: in quotes if it has spaces or odd characters, shortened if very long."""
    text = str(path)
    return shortened(text if text and text.isprintable() and " " not in text else repr(text))


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text through a temporary file; of names that are none, escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def existing(path: str | Path, *, folder: bool | None = None) -> Path:
    """The path, if it is there.

    Args:
        path: what the user gave.
        folder: True if it must be a folder, False if it must be a file, None for either.

    Raises:
        InputError: nothing is there, or it is of the other kind.
    """
    found = Path(path)
    try:
        if not found.exists():
            raise InputError(f"{quoted(found)} does not exist. Check the path.")
    except (OSError, ValueError) as error:  # a name that no file can have
        raise InputError(f"{quoted(found)} cannot be read: {reason(error)}.") from error
    if folder is not None and found.is_dir() != folder:
        kind, wanted = ("file", "folder") if folder else ("folder", "file")
        raise InputError(f"{quoted(found)} is a {kind}; expected a {wanted}.")
    return found


def is_file(path: Path) -> bool:
    """Whether a file is there; no also where a name is one that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def refuse_overwriting(source: str | Path, target: str | Path) -> None:
    """Raises an InputError if the output is the input itself."""
    if Path(target).exists() and Path(source).samefile(target):
        raise InputError(f"{quoted(target)} is both input and output. Give another --output_path.")


def list_files(folder: str | Path, suffixes: Iterable[str]) -> list[Path]:
    """Paths relative to `folder` of all files below it with one of the suffixes (lower case), sorted.

    Raises:
        InputError: the folder is missing, or holds no such file.
    """
    root, wanted = existing(folder, folder=True), tuple(suffixes)
    found = [
        Path(parent, name).relative_to(root)
        for parent, names in walk(root)
        for name in names
        if name.lower().endswith(wanted) and not name.startswith(".")
    ]
    if not found:
        raise holds_none(root, wanted)
    return sorted(found)


def walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders and the names of their files, links followed; none is entered again through a link within itself."""
    above = {root: {_identity(root)}}
    for parent, folders, names in os.walk(root, followlinks=True):
        yield parent, names
        own = above.pop(Path(parent))
        kept = []
        for name in folders:
            path = Path(parent, name)
            identity = _identity(path)
            if identity not in own:
                above[path] = own | {identity}
                kept.append(name)
        folders[:] = kept


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # gone in the meantime
        return 0, 0
    return found.st_dev, found.st_ino


def holds_none(folder: Path, suffixes: Iterable[str]) -> InputError:
    """The error of a folder without a file of these suffixes."""
    return InputError(f"{quoted(folder)} holds no {' / '.join(sorted(suffixes))} file.")


def open_array(path: str | Path, wanted: str) -> npt.NDArray[Any]:
    """Maps a .npy file into memory, so that a header that promises too much takes none of it.

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
        hint = "Rebuild it with build_dataset.py."
        if array.ndim == 2 and array.shape[0] == n_mels:
            hint = "Transpose it, or rebuild it with build_dataset.py."
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
    """A mel out of the bytes of its file; `path` names it in messages.

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
    """Frames of a mel file of `n_bytes`, by its first `HEAD` bytes; None where these do not show that it is sound."""
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
