"""Ctrl-C and SIGTERM in a run that may stop only between steps."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def noted() -> Iterator[list[int]]:
    """A context in which the first SIGINT or SIGTERM is appended to the returned list; the second acts as usual."""
    numbers: list[int] = []
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        numbers.append(number)
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # not in the main thread: signals stay as they are
            before[number] = signal.signal(number, note)
    try:
        yield numbers
    finally:
        restore()


def left_to_parent(_: int) -> None:
    """For a loader's worker: ignores signals, which a shell sends to the whole group; its parent handles them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
