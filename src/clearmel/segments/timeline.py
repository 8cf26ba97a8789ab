"""The parts to keep of a recording, or of several that run side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from clearmel.core.progress import clock
from clearmel.segments.binarize import Parts
from clearmel.segments.frame_rate import FrameRate


class Clip(NamedTuple):
    """A part to keep in frames: the first one, the end (exclusive), and its place in the result."""

    first: int
    last: int
    place: int


@dataclass(frozen=True)
class Timeline:
    """The parts to keep of a recording.

    Args:
        source: the recording.
        duration_s: its length in seconds.
        sample_rate: in Hz.
        n_channels: of the recording.
        kept: (start, end) of the parts to keep in seconds, in order.
        others: further recordings of the same time, rate and length, that are cut alike.
        start: samples from midnight to the first one, as Broadcast Wave states them.
    """

    source: Path
    duration_s: float
    sample_rate: int
    n_channels: int
    kept: Parts
    others: tuple[Path, ...] = ()
    start: int = 0

    @property
    def tracks(self) -> tuple[Path, ...]:
        """All recordings."""
        return (self.source, *self.others)

    def cuts(self) -> Parts:
        """(start, end) of the parts to cut."""
        edges = [0.0, *(edge for part in self.kept for edge in part), self.duration_s]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [(start, end) for start, end in pairs if end > start]

    def kept_s(self) -> float:
        """Total duration of the parts to keep in seconds."""
        return sum(end - start for start, end in self.kept)

    def summary(self) -> str:
        """One line, such as "kept 21:52 of 30:00, 143 cuts"."""
        count = len(self.cuts())
        return f"kept {clock(self.kept_s())} of {clock(self.duration_s)}, {count} cut{'' if count == 1 else 's'}"

    def row(self) -> dict[str, Any]:
        """Path, duration, kept duration and number of cuts as a table row."""
        seconds = {"duration_s": round(self.duration_s, 3), "kept_s": round(self.kept_s(), 3)}
        return {"path": str(self.source)} | seconds | {"cuts": len(self.cuts())}

    def segments(self) -> list[tuple[float, float, str]]:
        """All parts in order as (start, end, "keep" or "cut")."""
        return sorted([(*part, "keep") for part in self.kept] + [(*part, "cut") for part in self.cuts()])

    def start_frame(self, fps: FrameRate) -> int:
        """The frame of the day in which the recording begins; 0 without a time stamp."""
        return fps.frames(Fraction(self.start, self.sample_rate))

    def clips(self, fps: FrameRate) -> Iterator[Clip]:
        """Each part to keep that has a frame or more, counted from the start of the recording.

        Both ends are rounded to frames. Where that would move what follows by more than a frame, the end gives way, so
        that hours of cuts stay in place.
        """
        place, exact = 0, Fraction(0)
        for start, end in self.kept:
            first, last = fps.frames(start), fps.frames(end)
            exact += (Fraction(end) - Fraction(start)) * fps.rate
            if last <= first:
                continue
            error = place + last - first - exact
            if abs(error) > 1:
                last = max(first + 1, last - 1) if error > 0 else last + 1
            yield Clip(first, last, place)
            place += last - first
