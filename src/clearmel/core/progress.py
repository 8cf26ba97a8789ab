"""How much of a recording is done: a bar on a terminal, a callback for callers, and times in words."""

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm

Advance = Callable[[float], object]
"""Called with the seconds of sound that are done since the last call."""
Progress = Callable[[float, float], object]
"""Called with the seconds of sound that are done so far, and the total."""


@contextlib.contextmanager
def bar(total_s: float, *, shown: bool = True) -> Iterator[Advance]:
    """A bar in seconds of sound on stderr, if that is a terminal.

    Args:
        total_s: length of the recording.
        shown: False where another bar is on the screen.
    """
    with tqdm(total=round(total_s), unit="s", disable=None if shown else True, leave=False) as line:
        yield line.update


def advance(progress: Progress | None, total_s: float) -> Advance | None:
    """Turns a caller's function into one that takes the seconds since the last call."""
    if progress is None:
        return None
    done_s = 0.0

    def add(seconds: float) -> None:
        nonlocal done_s
        done_s = min(total_s, done_s + seconds)
        progress(done_s, total_s)

    return add


def clock(seconds: float) -> str:
    """Minutes and seconds, from an hour on with hours: "21:52", "2:02:01"."""
    total = round(seconds)
    minutes = f"{total // 60 % 60:02d}:{total % 60:02d}"
    return f"{total // 3600}:{minutes}" if total >= 3600 else minutes
