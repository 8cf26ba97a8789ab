"""Lists files, and writes them atomically through a temporary file."""

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
    """Yields a temporary path beside `path`; renames it to `path` on success and removes it on an error.

    Raises:
        InputError: the folder cannot be created or written, or the disk is full. `path` is then unchanged.
    """
    target = Path(path)
    with _temporary_beside(target) as temporary:
        try:
            yield temporary
            # Temporary files are private; give the result the mode that open() would have set.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(target)
        except OSError as error:
            full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)  # numpy reports a short write without a number
            kind, message = (FullDiskError, os.strerror(errno.ENOSPC)) if full else (InputError, reason(error))
            raise kind(f"cannot write {quoted(target)}: {message}. Nothing was changed.") from error


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
    """Locks `path` against other runs for the duration of a `with` block.

    Raises:
        InputError: another run holds the lock, or the folder cannot be written.
    """
    target = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(temp_files.claimed(target))
        except BlockingIOError as error:
            raise InputError(
                f"another run is writing {quoted(target)} now. Wait for it, or give another name."
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write {quoted(target)}: {reason(error)}. Choose another place.") from error
        yield


def ensure_writable(path: str | Path) -> None:
    """Raises an InputError if `path` cannot be written; called before long work starts."""
    with _temporary_beside(Path(path)):
        pass


def quoted(path: str | Path) -> str:
    """A path for a message: quoted if it has spaces or unprintable characters, shortened if very long."""
    text = str(path)
    return shortened(text if text and text.isprintable() and " " not in text else repr(text))


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text through a temporary file; characters that UTF-8 cannot encode become escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def existing(path: str | Path, *, folder: bool | None = None) -> Path:
    """Returns the path if it exists.

    Args:
        path: as the user gave it.
        folder: True if it must be a folder, False if it must be a file, None for either.

    Raises:
        InputError: it does not exist, or is of the other kind.
    """
    found = Path(path)
    try:
        if not found.exists():
            raise InputError(f"{quoted(found)} does not exist. Check the path.")
    except (OSError, ValueError) as error:  # a name that the file system does not allow
        raise InputError(f"{quoted(found)} cannot be read: {reason(error)}.") from error
    if folder is not None and found.is_dir() != folder:
        kind, wanted = ("file", "folder") if folder else ("folder", "file")
        raise InputError(f"{quoted(found)} is a {kind}; expected a {wanted}.")
    return found


def is_file(path: Path) -> bool:
    """Whether the path is a file; False for a name that the file system does not allow."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def refuse_overwriting(source: str | Path, target: str | Path) -> None:
    """Raises an InputError if output and input are the same file."""
    if Path(target).exists() and Path(source).samefile(target):
        raise InputError(f"{quoted(target)} is both input and output. Give another --output_path.")


def list_files(folder: str | Path, suffixes: Iterable[str]) -> list[Path]:
    """Sorted paths, relative to `folder`, of all files below it with one of the suffixes (lower case).

    Raises:
        InputError: the folder does not exist or holds no such file.
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
    """Yields each folder with the names of its files. Follows links, except those that lead back to a parent."""
    above = {root: {_identity(root)}}
    for parent, folders, names in os.walk(root, followlinks=True):
        yield parent, names
        own = above.pop(Path(parent))
        entered = []
        for name in folders:
            path = Path(parent, name)
            identity = _identity(path)
            if identity not in own:
                above[path] = own | {identity}
                entered.append(name)
        folders[:] = entered


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # removed in the meantime
        return 0, 0
    return found.st_dev, found.st_ino


def holds_none(folder: Path, suffixes: Iterable[str]) -> InputError:
    """The error for a folder without any file of these suffixes."""
    return InputError(f"{quoted(folder)} holds no {' / '.join(sorted(suffixes))} file.")
