"""Temporary files and folders; the next process removes those that a killed process has left.

Each is locked (flock) while its owner lives, so `sweep` removes only abandoned ones. Where flock does not exist
(Windows, some network drives), `sweep` removes those that have not changed for a day; a lock is then a file that only
one can create, and that Windows removes with the process.
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
WAIT_S = 5.0
"""How long a file that serves as a lock is waited for; it is held for milliseconds, unless a power cut left it."""
REMOVAL_S = 0.1
WITH_PROCESS = getattr(os, "O_TEMPORARY", 0)
"""Flag of Windows: the file is removed when the process closes it or ends."""
_swept = set[Path]()


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """An empty file in `folder` for the duration of a `with` block, which may rename it.

    The first call for a folder sweeps it.

    Raises:
        OSError: the file cannot be created.
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
    """Removes abandoned temporary files in a folder, with `deep` also in its subfolders."""
    pattern = f"{PREFIX}*{SUFFIX}"
    for left in folder.rglob(pattern) if deep else folder.glob(pattern):
        if left.is_file() and _abandoned(left):
            left.unlink(missing_ok=True)


def temporary_folder() -> Path:
    """Creates a folder for temporary files. The caller removes it; if the caller is killed, a later call does."""
    place = Path(tempfile.gettempdir())
    for lock in place.glob(f"{FOLDERS}*/{LOCK}"):
        if _abandoned(lock):
            shutil.rmtree(lock.parent, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=FOLDERS))
    handle = os.open(made / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if fcntl:
        _hold(handle)  # until this process ends
    else:
        os.close(handle)  # Windows cannot remove a folder with an open file
    return made


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other processes out of such a block for the same folder: it waits for them, if the folder can be locked."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, ValueError):
            if fcntl:
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)  # also releases the lock
                fcntl.flock(handle, fcntl.LOCK_EX)
            else:
                _wait_for(folder / f"{PREFIX}lock{SUFFIX}", stack)
        yield


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Locks `path` against other runs for the duration of a `with` block, and sweeps its folder.

    Raises:
        BlockingIOError: another run holds the lock.
        OSError: the folder cannot be written.
    """
    lock = path.parent / f"{PREFIX}{path.name[:200]}.lock{SUFFIX}"
    if fcntl is None:
        sweep(path.parent)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_created(lock))
            except FileExistsError as error:
                raise BlockingIOError(str(path)) from error
            yield
        return
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        if not _hold(handle):
            os.close(handle)
            raise BlockingIOError(str(path))
        if _has_name(handle, lock):
            break
        os.close(handle)  # its previous owner has just removed it
    sweep(path.parent)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def _created(lock: Path) -> Iterator[None]:
    """A lock file for the duration of a `with` block; FileExistsError if there is one."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | WITH_PROCESS, 0o600)
    try:
        yield
    finally:
        os.close(handle)
        if not WITH_PROCESS:
            lock.unlink(missing_ok=True)


def _wait_for(lock: Path, stack: contextlib.ExitStack) -> None:
    """Enters `_created` when it is possible."""
    begun = time.monotonic()
    while True:
        try:
            return stack.enter_context(_created(lock))
        except (FileExistsError, PermissionError) as error:
            # On Windows it is a PermissionError while the file is being removed, or if the folder cannot be written.
            if time.monotonic() - begun > (WAIT_S if isinstance(error, FileExistsError) else REMOVAL_S):
                lock.unlink(missing_ok=True)
                raise
            time.sleep(0.005)


def _locked(folder: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=folder)
        if fcntl is None:
            os.close(handle)  # Windows cannot rename an open file
            return handle, Path(name)
        _hold(handle)
        if _has_name(handle, Path(name)):
            return handle, Path(name)
        os.close(handle)  # another process swept it before it was locked


def _hold(handle: int) -> bool:
    """Locks an open file; False if another process holds it. Without flock it returns True and locks nothing."""
    if fcntl:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


def _has_name(handle: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
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
