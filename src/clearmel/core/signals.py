"""Defers Ctrl-C and SIGTERM in runs that may stop only at certain points."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def noted() -> Iterator[list[int]]:
    """Records the first SIGINT or SIGTERM in the yielded list; a second one acts as usual."""
    numbers: list[int] = []
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        numbers.append(number)
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # outside the main thread handlers cannot be set
            before[number] = signal.signal(number, note)
    try:
        yield numbers
    finally:
        restore()


def left_to_parent(_: int) -> None:
    """Ignores SIGINT and SIGTERM in a DataLoader worker; shells send them to the whole group, and the parent reacts."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
