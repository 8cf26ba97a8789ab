"""A queue of jobs that one thread works off: progress, pause, cancelling, and failures in words."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearmel.core.errors import InputError, reason

N_KEPT = 200
"""Jobs on the list; older ones that have ended are forgotten."""
ENDED = ("done", "failed", "cancelled")
Report = Callable[[float, float], None]
"""Called with the seconds that are done and the total; waits while the queue is paused."""
Work = Callable[[Report], tuple[str, list[Path]]]
"""Does a job; returns a line about the result and the files that it wrote."""


class Cancelled(Exception):
    """A person has cancelled the job."""


@dataclass
class Job:
    """A job and how far it is; `state` is waiting, running, done, failed or cancelled."""

    id: str
    task: str
    names: list[str]
    ids: list[str]
    work: Work
    state: str = "waiting"
    share: float = 0.0
    message: str = ""
    outputs: list[Path] = field(default_factory=list)
    cancelled: bool = False

    def row(self) -> dict[str, Any]:
        """The job for the page."""
        return {
            "id": self.id,
            "task": self.task,
            "names": self.names,
            "ids": self.ids,
            "state": self.state,
            "share": round(self.share, 3),
            "message": self.message,
            "outputs": [str(path) for path in self.outputs],
        }


class Queue:
    """The jobs in their order. All methods are thread-safe.

    Args:
        changed: called after each change.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed, self._jobs, self._numbers = changed, list[Job](), itertools.count(1)
        self._condition, self.paused = threading.Condition(), False
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, task: str, names: list[str], ids: list[str], work: Work) -> Job:
        """Adds a job at the end; names and ids are those of its recordings."""
        with self._condition:
            job = Job(f"j{next(self._numbers)}", task, names, ids, work)
            self._jobs.append(job)
            ended = [old for old in self._jobs if old.state in ENDED]
            for old in ended[: max(0, len(self._jobs) - N_KEPT)]:
                self._jobs.remove(old)
            self._condition.notify_all()
        self._changed()
        return job

    def all(self) -> list[Job]:
        """The jobs in their order."""
        with self._condition:
            return list(self._jobs)

    def get(self, number: object) -> Job | None:
        """The job of an id."""
        return next((job for job in self.all() if job.id == number), None)

    def pause(self, paused: bool) -> None:
        """Stops the work where it is, or goes on."""
        with self._condition:
            self.paused = paused
            self._condition.notify_all()
        self._changed()

    def cancel(self, job: Job) -> None:
        """Ends a job that waits or runs; a job that has ended is taken off the list."""
        with self._condition:
            job.cancelled = True
            if job.state in ENDED:
                self._jobs.remove(job)
            elif job.state == "waiting":
                job.state = "cancelled"
            self._condition.notify_all()
        self._changed()

    def close(self, timeout_s: float) -> None:
        """Cancels all jobs and waits for the thread: it must not be in a network when the process ends."""
        with self._condition:
            self._closed = True
            for job in self._jobs:
                job.cancelled = True
            self._condition.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._condition:
                if self._closed:
                    return
                while self.paused or not (job := next((j for j in self._jobs if j.state == "waiting"), None)):
                    self._condition.wait()
                    if self._closed:
                        return
                job.state = "running"
            self._changed()
            try:
                message, outputs = job.work(self._reporter(job))
                state = "done"
            except Cancelled:
                state, message, outputs = "cancelled", "", []
            except InputError as error:
                state, message, outputs = "failed", error.line(), []
            except OSError as error:
                state, message, outputs = "failed", f"{error.filename or 'a file'}: {reason(error)}.", []
            except Exception as error:  # the queue must go on
                state, message, outputs = "failed", f"unexpected {type(error).__name__}: {reason(error)}", []
            with self._condition:
                job.state, job.message, job.outputs = state, message, outputs
                job.share = 1.0 if state == "done" else job.share
            self._changed()

    def _reporter(self, job: Job) -> Report:
        def report(done_s: float, total_s: float) -> None:
            with self._condition:
                job.share = min(1.0, done_s / max(total_s, 1e-9))
                while self.paused and not job.cancelled:
                    self._condition.wait()
            if job.cancelled:
                raise Cancelled
            self._changed()

        return report
