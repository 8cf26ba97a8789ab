"""The recordings that the page has opened, from allowed folders or by upload, and names for new files."""

import itertools
import re
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from clearmel.audio import sound_file
from clearmel.core.errors import InputError, printable
from clearmel.core.file_io import existing, quoted, replacing
from clearmel.segments.folder import Folder

UPLOADS = "uploads"
MOST_FILES = 1000
LARGEST_UPLOAD = 64 << 30
"""Bytes; ten hours of stereo at 192 kHz and 32 bits are 55 GB."""
SPARE = 64 << 20
"""Bytes of the disk that an upload leaves free."""
CHUNK = 1 << 20


class RoomError(InputError):
    """An upload is too large, or for the disk."""


@dataclass(frozen=True)
class Recording:
    """An opened recording: its id, its resolved path, and the head of the file."""

    id: str
    path: Path
    info: sound_file.AudioInfo


class Library:
    """The opened recordings. All methods are thread-safe.

    Args:
        output: folder of the results, created if missing.
        roots: folders whose recordings may be opened by path; the output folder is always one of them.

    Raises:
        InputError: the output folder cannot be made.
    """

    def __init__(self, output: Path, roots: Sequence[Path]) -> None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{quoted(output)} cannot be made a folder: {error.strerror}. Give another -o.") from error
        self.output = output.resolve()
        self.roots = tuple(dict.fromkeys([*(root.resolve() for root in roots), self.output]))
        self._found: dict[str, Recording] = {}
        self._numbers, self._lock = itertools.count(1), threading.Lock()

    def all(self) -> list[Recording]:
        """The recordings in the order in which they were opened."""
        with self._lock:
            return list(self._found.values())

    def get(self, name: object) -> Recording | None:
        """The recording of an id; None if there is none, or its file has become a link out of the allowed folders."""
        with self._lock:
            found = self._found.get(name) if isinstance(name, str) else None
        return found if found and self._allowed(found.path.resolve()) and found.path.is_file() else None

    def open(self, text: object) -> list[Recording]:
        """Opens a recording, or all of a folder, in place.

        Raises:
            InputError: it is not there, is no recording, or lies outside the allowed folders.
        """
        if not isinstance(text, str) or not text or "\0" in text:
            raise InputError("path is missing; expected that of a recording or folder.")
        path = self._inside(Path(text).expanduser())
        existing(path)
        if not path.is_dir():
            return [self._add(path)]
        folder = Folder(path)
        names = folder.names[:MOST_FILES]
        return [self._add(found) for name in names if (found := folder.open(name)) is not None]

    def close(self, name: object) -> bool:
        """Takes a recording off the list; its file stays."""
        with self._lock:
            return isinstance(name, str) and self._found.pop(name, None) is not None

    def check_room(self, size: object) -> None:
        """Raises a RoomError if an upload of so many bytes cannot be taken."""
        if type(size) is not int or size < 0:
            raise InputError("size is missing; expected the bytes of the upload.")
        if size > LARGEST_UPLOAD:
            raise RoomError(
                f"the upload has {_gb(size)}; at most {_gb(LARGEST_UPLOAD)} are taken. Open it by its path."
            )
        free = shutil.disk_usage(self.output).free
        if size > free - SPARE:
            raise RoomError(
                f"the upload has {_gb(size)}, but {_gb(free)} are free in {quoted(self.output)}. Free space there."
            )

    def upload(self, name: str, stream: IO[bytes], size: int) -> Recording:
        """Writes an upload into the folder `uploads` of the output folder and opens it.

        Args:
            name: the file's own name; folders in it are ignored.
            stream: its bytes.
            size: their number.

        Raises:
            InputError: it is too large, ends early, is no recording, or the disk is full. Nothing is then left.
        """
        self.check_room(size)
        folder = self._inside(self.output / UPLOADS)
        folder.mkdir(exist_ok=True)
        with self._lock:
            target = free_path(folder / _safe(name))
            target.touch()  # a second upload of this name takes another
        try:
            with replacing(target) as temporary, temporary.open("wb") as file:
                left = size
                while left and (chunk := stream.read(min(CHUNK, left))):
                    file.write(chunk)
                    left -= len(chunk)
                if left:
                    raise InputError(f"the upload of {quoted(target.name)} ended {left} bytes early. Send it again.")
            return self._add(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def _add(self, path: Path) -> Recording:
        info = sound_file.inspect(path)
        with self._lock:
            same = next((one for one in self._found.values() if one.path == path), None)
            if same is None and len(self._found) >= MOST_FILES:
                raise InputError(f"{MOST_FILES} recordings are open. Close some.")
            made = same or Recording(f"r{next(self._numbers)}", path, info)
            self._found[made.id] = made
            return made

    def _inside(self, path: Path) -> Path:
        """The path without links, if it lies in an allowed folder."""
        try:
            found = path.resolve()
        except (OSError, RuntimeError) as error:
            raise InputError(f"{quoted(path)} cannot be read: it is a loop of links.") from error
        if not self._allowed(found):
            folders = ", ".join(quoted(root) for root in self.roots)
            advice = "Start `clearmel studio` with its path, or drop it here"
            raise InputError(f"{quoted(printable(str(path)))} lies outside {folders}. {advice}.")
        return found

    def _allowed(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self.roots)


def free_path(wanted: Path) -> Path:
    """The path, or the first of `name_2.ext`, `name_3.ext` ... that does not exist yet."""
    numbered = (wanted.with_name(f"{wanted.stem}_{number}{wanted.suffix}") for number in itertools.count(2))
    return next(path for path in itertools.chain([wanted], numbered) if not (path.exists() or path.is_symlink()))


def _safe(name: str) -> str:
    """The last component of a name, without what a file system or a shell may take amiss."""
    last = re.split(r"[\\/]", name)[-1]
    kept = re.sub(r'[\x00-\x1f\x7f<>:"|?*]', "_", last).lstrip(". ").rstrip(" .")
    stem, dot, suffix = kept.rpartition(".")
    if not dot or len(suffix) > 8:
        stem, suffix = kept, ""
    stem = stem.encode()[:180].decode(errors="ignore")
    return f"{stem or 'recording'}{'.' if suffix else ''}{suffix}"


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
