"""Temporary files and folders; those that a killed process leaves are removed by the next one.

Each is locked (flock) for as long as its maker lives, so that a sweep takes only what nobody is writing any more. Where
there are no such locks (Windows, some network drives), it takes what has been untouched for a day.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
PREFIX, SUFFIX = ".clearmel-", ".tmp"
FOLDERS = ".clearmel-scratch-"
LOCK = ".clearmel-scratch-lock"
A_DAY_S = 86400.0
_swept = set[Path]()


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """An empty file in `folder`, for the length of a `with` block; it may be renamed away within.

    The first one in a folder sweeps it.

    Raises:
        OSError: it cannot be made.
    """
    if (place := folder.absolute()) not in _swept:
        _swept.add(place)
        sweep(place)
    handle, path = _locked(folder)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        if fcntl:
            os.close(handle)


def sweep(folder: Path, *, deep: bool = False) -> None:
    """Removes the temporary files in a folder, or also below it, that a killed process has left."""
    pattern = f"{PREFIX}*{SUFFIX}"
    for left in folder.rglob(pattern) if deep else folder.glob(pattern):
        if left.is_file() and _abandoned(left):
            left.unlink(missing_ok=True)


def temporary_folder() -> Path:
    """A folder in the system's temporary directory, removed at exit, or by the next call after a kill."""
    place = Path(tempfile.gettempdir())
    for lock in place.glob(f"{FOLDERS}*/{LOCK}"):
        if _abandoned(lock):
            shutil.rmtree(lock.parent, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=FOLDERS))
    _hold(os.open(made / LOCK, os.O_RDWR | os.O_CREAT, 0o600))  # until this process ends
    return made


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[None]:
    """A lock against a second run that writes the same files, for a `with` block; sweeps the folder.

    Raises:
        BlockingIOError: another run has claimed it.
        OSError: the folder cannot be written.
    """
    lock = path.parent / f"{PREFIX}{path.name[:200]}.lock{SUFFIX}"
    while fcntl:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        if not _hold(handle):
            os.close(handle)
            raise BlockingIOError(str(path))
        if _is(handle, lock):
            break
        os.close(handle)  # its last owner has just removed it
    sweep(path.parent)
    try:
        yield
    finally:
        if fcntl:
            lock.unlink(missing_ok=True)
            os.close(handle)


def _locked(folder: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=folder)
        if fcntl is None:
            os.close(handle)  # Windows renames no open file
            return handle, Path(name)
        _hold(handle)
        if _is(handle, Path(name)):
            return handle, Path(name)
        os.close(handle)  # a sweep came between


def _hold(handle: int) -> bool:
    """Locks an open file; False if another process holds it. Systems without locks lock nothing."""
    if fcntl:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


def _is(handle: int, path: Path) -> bool:
    """Whether the path still points to the open file."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _abandoned(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        if fcntl is None:
            return time.time() - path.stat().st_mtime > A_DAY_S
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        with contextlib.suppress(OSError):
            return time.time() - path.stat().st_mtime > A_DAY_S
        return False
    finally:
        os.close(handle)
    return True
