"""The state of the page, which all of its tabs share: recordings, settings, jobs and results."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clearmel.core.errors import InputError
from clearmel.core.file_io import quoted
from clearmel.studio.drafts import Drafts
from clearmel.studio.jobs import Queue, Report
from clearmel.studio.labelling import Labelling
from clearmel.studio.library import Library, Recording
from clearmel.studio.settings import Settings, command
from clearmel.studio.work import Engine
from clearmel.web.tiles import TileCache

N_TILES = 16
"""Recordings and results whose tiles stay on disk."""
CLOSING_S = 10.0
TASKS = ("denoise", "find_cuts", "cut", "separate", "classify")


class Session:
    """The state. All methods are thread-safe.

    Args:
        library: the recordings.
        device: where the networks compute.
    """

    def __init__(self, library: Library, device: str = "auto") -> None:
        self.library, self.device = library, device
        self._condition, self.version = threading.Condition(), 1
        self.engine = Engine(library.output, device)
        self.queue = Queue(self.bump)
        self.labelling = Labelling(library.output, self.engine.marks)
        self.drafts = Drafts(self.engine, self.bump)
        self.tiles = TileCache(N_TILES)
        self._settings = dict[str, Settings]()
        self._voices, self._classes = dict[str, list[Path]](), dict[str, dict[str, Any]]()

    def end(self) -> None:
        """Ends all work; what is unfinished is lost."""
        self.tiles.stop(CLOSING_S)
        self.drafts.close(CLOSING_S)
        self.queue.close(CLOSING_S)

    def bump(self) -> None:
        """Notes a change and wakes the tabs that wait for one."""
        with self._condition:
            self.version += 1
            self._condition.notify_all()

    def wait(self, since: int, timeout_s: float) -> bool:
        """Waits until the version is another one than `since`; False if the time is over before."""
        with self._condition:
            return self._condition.wait_for(lambda: self.version != since, timeout_s)

    def settings(self, recording: Recording) -> Settings:
        """The settings of a recording."""
        return self._settings.get(recording.id, Settings())

    def change(self, recording: Recording, changes: Mapping[str, Any]) -> Settings:
        """Changes settings; the picture of the denoised recording follows."""
        with self._condition:
            made = self._settings[recording.id] = self.settings(recording).with_changes(changes)
        if self.drafts.get(recording.id) is not None:
            self.drafts.want(recording, made)
        self.bump()
        return made

    def close(self, name: object) -> bool:
        """Takes a recording off the list."""
        closed = self.library.close(name)
        self.drafts.forget(str(name))
        self.bump()
        return closed

    def group(self, recording: Recording) -> list[Recording]:
        """The recording and those that are cut with it."""
        others = (self.library.get(name) for name in self.settings(recording).together if name != recording.id)
        return [recording, *(other for other in others if other is not None)]

    def removed(self, recording: Recording) -> list[tuple[float, float]] | None:
        """The spans to cut: marked by hand, or at the present strength; None while the decisions are unknown."""
        if (marked := self._marked(recording)) is not None:
            return marked
        kept = self.engine.kept(self.group(recording), self.settings(recording))
        return None if kept is None else _between(kept, recording.info.duration_s)

    def _marked(self, recording: Recording) -> list[tuple[float, float]] | None:
        """The spans that are marked by hand, if these decide."""
        return self.labelling.marked(recording) if self.settings(recording).by_hand else None

    def voices(self, recording: Recording) -> list[Path]:
        """The files of the separated voices, none if there are none."""
        return [path for path in self._voices.get(recording.id, []) if path.is_file()]

    def classes(self, recording: Recording) -> dict[str, Any] | None:
        """The result of the classifier: "label", and "windows" in order."""
        return self._classes.get(recording.id)

    def add(self, task: object, recording: Recording) -> None:
        """Adds a job.

        Raises:
            InputError: there is no such task, or the recordings do not go together.
        """
        if task not in TASKS:
            raise InputError(f"{task!r:.50} is no task; expected one of {', '.join(TASKS)}.")
        settings, group = self.settings(recording), self.group(recording)  # as they are now
        marked = self._marked(recording)

        def work(report: Report) -> tuple[str, list[Path]]:
            engine = self.engine
            if task == "find_cuts":
                engine.find_cuts(group, report)
                return "", []
            target = engine.target(str(task), recording)
            if task == "denoise":
                engine.denoise(recording, settings, target, report)
                return "", [target]
            if task == "cut":
                kept = None if marked is None else _between(marked, recording.info.duration_s)
                return "", engine.cut(group, settings, target, report, kept)
            if task == "separate":
                self._voices[recording.id] = engine.separate(recording, settings, target, report)
                return "", self._voices[recording.id]
            found, rows = engine.classify(recording, settings, target, report)
            self._classes[recording.id] = found | {"windows": rows}
            return f"{found['label']} {found['probability']:.1%}", [target]

        used = group if task in ("cut", "find_cuts") else [recording]
        self.queue.add(str(task), [one.path.name for one in used], [one.id for one in used], work)

    def snapshot(self) -> dict[str, Any]:
        """The state for the page."""
        with self._condition:
            version = self.version
        return {
            "version": version,
            "output": str(self.library.output),
            "paused": self.queue.paused,
            "files": [self._row(recording) for recording in self.library.all()],
            "jobs": [job.row() for job in self.queue.all()],
        }

    def _row(self, recording: Recording) -> dict[str, Any]:
        settings, draft, info = self.settings(recording), self.drafts.get(recording.id), recording.info
        decided = self.engine.decided(recording)
        return {
            "id": recording.id,
            "name": recording.path.name,
            "path": str(recording.path),
            "duration_s": info.duration_s,
            "sample_rate": info.sample_rate,
            "n_samples": info.n_samples,
            "n_channels": info.n_channels,
            "settings": vars(settings) | {"timelines": list(settings.timelines), "together": list(settings.together)},
            "draft": None
            if draft is None
            else {
                "share": draft.share,
                "failure": draft.failure,
                "before_lufs": draft.before_lufs,
                "after_lufs": draft.after_lufs,
            },
            "cuts_known": decided is not None,
            "unsure_db": None if decided is None else decided.snr_db,
            "marked": self.labelling.marked(recording) is not None,
            "n_voices": len(self.voices(recording)),
            "label": (self.classes(recording) or {}).get("label"),
            "commands": self._commands(recording, settings),
        }

    def _commands(self, recording: Recording, settings: Settings) -> dict[str, str]:
        made = dict[str, str]()
        for task in ("denoise", "cut", "separate", "classify"):
            group = self.group(recording) if task == "cut" else [recording]
            if task == "cut" and self._marked(recording) is not None:
                made[task] = ""  # no command cuts by marks
                continue
            target = self.engine.target(task, recording)
            target = target if len(group) == 1 else target.with_suffix("")
            made[task] = command(task, [one.path for one in group], target, settings, self.device)
        return made

    def path_of(self, recording: Recording, track: str) -> Path | None:
        """The file behind a track: "before", "after" (None until it is complete), "voice_1" ...

        Raises:
            InputError: there is no such track.
        """
        if track == "before":
            return recording.path
        if track == "after":
            draft = self.drafts.get(recording.id)
            return draft.path if draft and draft.share == 1 else None
        for path in self.voices(recording):
            if path.stem == track:
                return path
        raise InputError(f"{track!r:.50} is no track of {quoted(recording.path.name)}.")


def _between(spans: Sequence[tuple[float, float]], duration_s: float) -> list[tuple[float, float]]:
    """What lies before, between and behind spans in order."""
    edges = [0.0, *(edge for span in spans for edge in span), duration_s]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]
