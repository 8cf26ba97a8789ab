"""Files on disk: listing, writing through a temporary file, and mels as .npy.

A mel file is a C- or F-ordered float array (T, M) saved by `numpy.save` without pickling.
"""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.errors import InputError, reason, shortened

FloatArray = npt.NDArray[np.float32]


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it takes the place of `path`, else it is removed.

    Raises:
        InputError: the folder cannot be made or written, or the disk is full. `path` is then what it was.
    """
    target = Path(path)
    temporary = _temporary_beside(target)
    try:
        yield temporary
        # mkstemp makes private files; the result gets the mode that open() would have given it.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {quoted(target)}: {reason(error)}. Nothing was changed.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_beside(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise InputError(f"cannot write {quoted(target)}: it is a folder. Give a file name.")
        handle, name = tempfile.mkstemp(prefix=".clearmel-", suffix=".tmp", dir=target.parent)
        os.close(handle)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {quoted(target)}: {reason(error)}. Choose another place.") from error
    return Path(name)


def sweep(folder: Path) -> None:
    """Removes the temporary files below a folder that a killed run has left; no other run may be writing there."""
    for left in folder.rglob(".clearmel-*.tmp"):
        left.unlink(missing_ok=True)


def ensure_writable(path: str | Path) -> None:
    """Raises an InputError if `path` could not be written; for finding out before hours of work."""
    _temporary_beside(Path(path)).unlink()


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
        for parent, _, names in os.walk(root, followlinks=True)
        for name in names
        if name.lower().endswith(wanted) and not name.startswith(".")
    ]
    if not found:
        raise InputError(f"{quoted(root)} holds no {' / '.join(sorted(wanted))} file.")
    return sorted(found)


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
    mel = np.array(open_mel(path, n_mels), dtype=np.float32)
    bad = int(np.count_nonzero(~np.isfinite(mel)))
    if bad:
        raise InputError(f"{quoted(path)} has {bad} NaN or infinite values; expected finite log-mels. Rebuild it.")
    return mel


def write_array(path: str | Path, array: npt.NDArray[np.generic]) -> None:
    """Saves an array as .npy through a temporary file."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
