"""Files on disk: listing, and writing through a temporary file."""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clearmel.core import temp_files
from clearmel.core.errors import FullDiskError, InputError, reason, shortened

FloatArray = npt.NDArray[np.float32]


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
            temporary = stack.enter_context(temp_files.temporary_file(target.parent))
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write {quoted(target)}: {reason(error)}. Choose another place.") from error
        yield temporary


@contextlib.contextmanager
def claiming(path: str | Path) -> Iterator[None]:
    """A lock: inside the `with` block no other run writes `path` or the files beside it.

    Raises:
        InputError: another run is at it, or its folder cannot be written.
    """
    target = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(temp_files.claimed(target))
        except BlockingIOError as error:
            raise InputError(
                f"another run is writing {quoted(target)} at this moment. Wait for it, or give another name."
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write {quoted(target)}: {reason(error)}. Choose another place.") from error
        yield


def ensure_writable(path: str | Path) -> None:
    """Raises an InputError if `path` could not be written; called before hours of work."""
    with _temporary_beside(Path(path)):
        pass


def quoted(path: str | Path) -> str:
    """A path for a message: in quotes if it has spaces or odd characters, shortened if very long."""
    text = str(path)
    return shortened(text if text and text.isprintable() and " " not in text else repr(text))


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text through a temporary file; invalid characters of file names become escapes."""
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
    """Whether a file exists; False for a name that no file can have."""
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
    """Folders and the names of their files; links are followed, cycles of links are not."""
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
