"""Labels on disk: one JSON file with the spans to remove from each recording.

A new file holds time spans::

    {"format": "clearmel spans 1", "files": {"folder/a.wav": {"remove": [[0.2, 0.61]], "duration_s": 5.0}}}

A file in the legacy format maps the stem of each clip to a list of 0 and 1, or to {"label": [...]}; see
`clearmel.segments.frames`. A file keeps its format, and entries of other recordings remain unchanged.
"""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from clearmel.core import temp_files
from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import quoted, write_text
from clearmel.segments import frames as segments_frames
from clearmel.segments.frames import Spans, checked, from_spans, tidy, to_spans

FORMAT = "clearmel spans 1"


class Entry(NamedTuple):
    """The stored labels of one recording.

    remove: spans in seconds. version: of these labels, "" if none are stored. labelled: whether labels are stored.
    """

    remove: Spans
    version: str
    labelled: bool


class LabelFile:
    """The labels file. All methods are thread-safe.

    The version of an entry is a hash of its content, so it stays valid after a restart and reveals changes made by
    another program.

    Args:
        path: the JSON file; made with the first save.
        names: the recordings, as paths with "/" relative to their folder.

    Raises:
        InputError: the file exists but holds no labels, or two recordings would share an entry.
    """

    def __init__(self, path: str | Path, names: Sequence[str]) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._seen: tuple[int, ...] | None = None
        self._data: dict[str, Any] = {"format": FORMAT, "files": {}}
        with self._locked():
            self._load()
        self._stems: dict[str, str] = {}
        for name in names if not self._spans else ():
            other = self._stems.setdefault(PurePosixPath(name).stem, name)
            if other != name:
                raise InputError(
                    f"{quoted(other)} and {quoted(name)} have one stem, and {quoted(self.path)} lists clips by stem. "
                    "Rename one, or give a new --labels_path."
                )

    def labelled(self, names: Sequence[str]) -> list[bool]:
        """For each recording whether labels are stored."""
        with self._locked():
            entries = self._load()
        return [bool(_content(entries.get(self._key(name)))) for name in names]

    def get(self, name: str, duration_s: float) -> Entry:
        """The stored labels of a recording."""
        with self._locked():
            return self._entry(name, duration_s)

    def frames(self, name: str, duration_s: float) -> list[int]:
        """The labels of a recording as a frame list; all ones if none are stored."""
        with self._locked():
            stored = self._load().get(self._key(name))
            if _content(stored) and not self._spans:
                return _label(stored, name)
            return from_spans(self._entry(name, duration_s).remove, segments_frames.n_frames(duration_s), duration_s)

    def save(
        self, name: str, remove: object, duration_s: float, version: str | None, n_frames: int | None = None
    ) -> tuple[bool, Entry]:
        """Stores the labels of a recording unless they have changed since `version`.

        Args:
            name: of the recording.
            remove: list of [start_s, end_s].
            duration_s: of the recording.
            version: of the labels that were edited; None overwrites any version.
            n_frames: length of the list in the legacy format; default: unchanged.

        Returns:
            Whether they were stored, and the labels that are stored now.

        Raises:
            InputError: invalid spans, or the file cannot be read or written. It is then unchanged.
        """
        spans = tidy(remove, duration_s)
        with self._locked():
            now = self._entry(name, duration_s)
            if version is not None and version != now.version:
                return False, now
            entries, key = self._load(), self._key(name)
            entries[key] = self._stored(entries, key, spans, duration_s, n_frames)
            try:
                write_text(self.path, json.dumps(self._data))
            except InputError:
                self._seen = None  # read the file again next time
                raise
            self._seen = self._stamp()
            return True, self._entry(name, duration_s)

    @property
    def _spans(self) -> bool:
        return self._data.get("format") == FORMAT

    def _key(self, name: str) -> str:
        return name if self._spans else PurePosixPath(name).stem

    def _entry(self, name: str, duration_s: float) -> Entry:
        stored = self._load().get(self._key(name))
        if stored is None or not _content(stored):
            return Entry([], "", False)
        version = hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()[:16]
        if self._spans:
            return Entry(tidy(_removed(stored, name), duration_s), version, True)
        return Entry(to_spans(_label(stored, name), duration_s), version, True)

    def _stored(
        self, entries: dict[str, Any], key: str, spans: Spans, duration_s: float, n_frames: int | None
    ) -> dict[str, Any] | list[int]:
        old = entries.get(key)
        if self._spans:
            return (old or {}) | {"remove": [list(span) for span in spans], "duration_s": round(duration_s, 6)}
        count = n_frames or (len(_label(old, key)) if _content(old) else segments_frames.n_frames(duration_s))
        label = from_spans(spans, count, duration_s)
        like = old if old is not None else next(iter(entries.values()), None)
        return (old or {}) | {"label": label} if isinstance(like, dict) else label

    def _load(self) -> dict[str, Any]:
        """The entries by key; reads the file again if it has changed."""
        stamp = self._stamp()
        if stamp is not None and stamp != self._seen:
            try:
                data = json.loads(self.path.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                raise InputError(
                    f"{quoted(self.path)} is not readable JSON: {reason(error)}. Repair or move it."
                ) from error
            spans = isinstance(data, dict) and data.get("format") == FORMAT
            entries = data.get("files") if spans else data
            kinds = (dict,) if spans else (dict, list)
            if not isinstance(entries, dict) or not all(isinstance(value, kinds) for value in entries.values()):
                raise InputError(
                    f"{quoted(self.path)} holds no labels; expected a list of 0 and 1 for each clip, or a file that "
                    "`clearmel label` has written."
                )
            self._data, self._seen = data, stamp
        return self._data["files"] if self._spans else self._data

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{quoted(self.path)} cannot be read: {reason(error)}.") from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Locks out other threads, and other processes if the system can lock a folder."""
        with self._lock, temp_files.alone(self.path.parent):
            yield


def _content(stored: object) -> object:
    """The content of an entry. An empty list of the legacy format means unlabelled."""
    return stored.get("label", stored) if isinstance(stored, dict) else stored


def _label(stored: object, name: str) -> list[int]:
    label = stored.get("label") if isinstance(stored, dict) else stored
    return checked(label, f"the label of {quoted(name)}")


def _removed(stored: dict[str, Any], name: str) -> object:
    if "remove" not in stored:
        raise InputError(f"the labels of {quoted(name)} have no `remove`; expected [[start_s, end_s], ...].")
    return stored["remove"]
