"""Denoises opened recordings in the background, so that the page can show them; the newest wish comes first."""

import contextlib
import shutil
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from clearmel.audio import sound_file
from clearmel.core import temp_files
from clearmel.core.errors import InputError, reason
from clearmel.studio.library import Recording
from clearmel.studio.settings import Settings
from clearmel.studio.work import Engine

LONGEST_S = 7200.0
"""Longer recordings are denoised only while they play, and by a job."""


@dataclass
class Draft:
    """The denoised recording for the page; `share` is 1 when it is complete.

    before_lufs, after_lufs: integrated loudness; None while unknown, and for silence.
    """

    settings: Settings
    share: float = 0.0
    failure: str = ""
    path: Path | None = None
    before_lufs: float | None = None
    after_lufs: float | None = None


class _Stale(Exception):
    """Another draft is wanted now."""


class Drafts:
    """The drafts by id of the recording. All methods are thread-safe.

    Args:
        engine: runs the models.
        changed: called after each change.
    """

    def __init__(self, engine: Engine, changed: Callable[[], object]) -> None:
        self._engine, self._changed = engine, changed
        self._folder = temp_files.temporary_folder()
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # at exit at the latest
        self._drafts, self._wanted = dict[str, Draft](), list[Recording]()
        self._condition, self._count = threading.Condition(), 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def get(self, name: str) -> Draft | None:
        """The draft of a recording in its latest settings."""
        with self._condition:
            return self._drafts.get(name)

    def want(self, recording: Recording, settings: Settings) -> None:
        """Asks for a draft, unless there is one of these settings, or the recording is too long."""
        if recording.info.duration_s > LONGEST_S:
            return
        with self._condition:
            old = self._drafts.get(recording.id)
            if old is not None and old.settings.sounding() == settings.sounding() and not old.failure:
                return
            self._drafts[recording.id] = Draft(settings, before_lufs=old.before_lufs if old else None)
            _remove(old)
            self._wanted = [one for one in self._wanted if one.id != recording.id] + [recording]
            self._condition.notify_all()
        self._changed()

    def forget(self, name: str) -> None:
        """Removes the draft of a closed recording."""
        with self._condition:
            old = self._drafts.pop(name, None)
            self._wanted = [one for one in self._wanted if one.id != name]
        _remove(old)

    def close(self, timeout_s: float) -> None:
        """Drops all drafts and waits for the thread: it must not be in a network when the process ends."""
        with self._condition:
            self._closed = True
            self._drafts.clear()
            self._condition.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not (self._wanted or self._closed):
                    self._condition.wait()
                if self._closed:
                    return
                recording = self._wanted.pop()
                draft, self._count = self._drafts.get(recording.id), self._count + 1
            if draft is None:
                continue
            path = self._folder / f"{self._count}.w64"
            try:
                self._make(recording, draft, path)
            except _Stale:
                path.unlink(missing_ok=True)
            except InputError as error:
                draft.failure = error.line()
            except Exception as error:  # the thread must go on
                draft.failure = f"unexpected {type(error).__name__}: {reason(error)}"
            self._changed()

    def _make(self, recording: Recording, draft: Draft, path: Path) -> None:
        def report(done_s: float, total_s: float) -> None:
            with self._condition:
                current = self._drafts.get(recording.id) is draft
                if current and self._wanted:  # a newer wish: this one waits behind it
                    self._wanted.insert(0, recording)
                    current = False
            if not current:
                raise _Stale
            draft.share = min(0.999, done_s / total_s)
            self._changed()

        self._engine.denoise(recording, replace(draft.settings, loudness=None), path, report)
        report(1, 1)
        sound_file.inspect(path)
        draft.path, draft.share = path, 1.0
        self._changed()
        if draft.before_lufs is None:
            draft.before_lufs = self._engine.loudness(recording.path)
        draft.after_lufs = self._engine.loudness(path)


def _remove(draft: Draft | None) -> None:
    """Removes the file of a draft. An open reader keeps its bytes; on Windows also the file, until the studio ends."""
    if draft is not None and draft.path is not None:
        with contextlib.suppress(PermissionError):
            draft.path.unlink(missing_ok=True)
