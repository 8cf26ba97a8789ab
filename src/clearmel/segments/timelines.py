"""Writes the parts to keep of a recording as a time line in the formats of audio and video editors."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from clearmel.core.errors import InputError
from clearmel.core.file_io import quoted, write_text
from clearmel.segments.editors import as_edl, as_fcpxml, as_otio, require_otio
from clearmel.segments.frame_rate import DEFAULT_FPS, FrameRate
from clearmel.segments.timeline import Timeline

__all__ = [
    "FORMATS",
    "Timeline",
    "as_audacity",
    "as_csv",
    "as_edl",
    "as_fcpxml",
    "as_json",
    "as_otio",
    "check",
    "label_track",
    "write",
]


def as_json(timeline: Timeline, fps: FrameRate) -> str:
    """JSON with the recording, its duration, and all segments."""
    segments = [{"start_s": round(a, 4), "end_s": round(b, 4), "label": label} for a, b, label in timeline.segments()]
    others = {"others": [str(path) for path in timeline.others]} if timeline.others else {}
    head = {"source": str(timeline.source)} | others | {"duration_s": round(timeline.duration_s, 4)}
    sums = {"kept_s": round(timeline.kept_s(), 4), "cuts": len(timeline.cuts())}
    return json.dumps(head | sums | {"segments": segments}, ensure_ascii=False, indent=1)


def as_csv(timeline: Timeline, fps: FrameRate) -> str:
    """CSV rows of start, end and label."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["start_s", "end_s", "label"])
    writer.writerows((f"{a:.4f}", f"{b:.4f}", label) for a, b, label in timeline.segments())
    return text.getvalue()


def as_audacity(timeline: Timeline, fps: FrameRate) -> str:
    """Audacity label track: start, end and label, separated by tabs."""
    return label_track(timeline.segments())


def label_track(segments: Iterable[tuple[float, float, str]]) -> str:
    """Segments (start, end, label) as a label track of Audacity."""
    return "".join(f"{a:.6f}\t{b:.6f}\t{label}\n" for a, b, label in segments)


FORMATS: dict[str, Callable[[Timeline, FrameRate], str]] = {
    ".json": as_json,
    ".csv": as_csv,
    ".txt": as_audacity,
    ".edl": as_edl,
    ".fcpxml": as_fcpxml,
    ".otio": as_otio,
}
"""Writers by file suffix."""


def check(forms: Sequence[str]) -> None:
    """Raises an InputError if a name is not the suffix, without its dot, of a known format, or a package is missing."""
    wrong = [form for form in forms if f".{form.lower()}" not in FORMATS]
    if wrong:
        known = ", ".join(suffix[1:] for suffix in FORMATS)
        raise InputError(f"--timelines {','.join(wrong)}: unknown time line; expected one or more of {known}.")
    if "otio" in map(str.lower, forms):
        require_otio()


def write(path: str | Path, timeline: Timeline, fps: FrameRate = DEFAULT_FPS) -> None:
    """Writes a time line in the format of the path's suffix.

    Args:
        path: of the new file.
        timeline: to write.
        fps: frames per second, for formats that count in frames.

    Raises:
        InputError: the suffix is unknown, or the file cannot be written.
    """
    formatter = FORMATS.get(Path(path).suffix.lower())
    if formatter is None:
        raise InputError(f"{quoted(path)}: unknown time line; expected a name that ends in {' / '.join(FORMATS)}.")
    write_text(path, formatter(timeline, fps))
