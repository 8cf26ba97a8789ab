"""Writes the parts to keep of a recording as a time line in the formats of audio and video editors."""

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from clearmel.core.errors import InputError, printable
from clearmel.core.file_io import quoted, write_text
from clearmel.core.progress import clock
from clearmel.segments.binarize import Parts


@dataclass(frozen=True)
class Timeline:
    """The parts to keep of a recording.

    Args:
        source: the recording.
        duration_s: its length in seconds.
        sample_rate: in Hz.
        n_channels: of the recording.
        kept: (start, end) of the parts to keep in seconds, in order.
    """

    source: Path
    duration_s: float
    sample_rate: int
    n_channels: int
    kept: Parts

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


def as_json(timeline: Timeline, fps: int) -> str:
    """JSON with the recording, its duration, and all segments."""
    segments = [{"start_s": round(a, 4), "end_s": round(b, 4), "label": label} for a, b, label in timeline.segments()]
    head = {"source": str(timeline.source), "duration_s": round(timeline.duration_s, 4)}
    sums = {"kept_s": round(timeline.kept_s(), 4), "cuts": len(timeline.cuts())}
    return json.dumps(head | sums | {"segments": segments}, ensure_ascii=False, indent=1)


def as_csv(timeline: Timeline, fps: int) -> str:
    """CSV rows of start, end and label."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["start_s", "end_s", "label"])
    writer.writerows((f"{a:.4f}", f"{b:.4f}", label) for a, b, label in timeline.segments())
    return text.getvalue()


def as_audacity(timeline: Timeline, fps: int) -> str:
    """Audacity label track: start, end and label, separated by tabs."""
    return "".join(f"{a:.6f}\t{b:.6f}\t{label}\n" for a, b, label in timeline.segments())


def as_edl(timeline: Timeline, fps: int) -> str:
    """Edit decision list (CMX 3600) that joins the parts to keep, in frames of 1 / fps seconds."""
    name = printable(timeline.source.name)
    lines = [f"TITLE: {printable(timeline.source.stem)}"[:70], "FCM: NON-DROP FRAME", ""]
    for number, (first, last, place) in enumerate(_in_frames(timeline, fps), 1):
        times = (first, last, place, place + last - first)
        lines.append(f"{number:03d}  AX       AA    C        " + " ".join(_timecode(frame, fps) for frame in times))
        lines.append(f"* FROM CLIP NAME: {name}")
    return "\n".join(lines) + "\n"


def as_fcpxml(timeline: Timeline, fps: int) -> str:
    """Final Cut Pro XML 1.9 with one asset and its parts to keep in sequence."""

    def seconds(frames: int) -> str:
        return f"{frames}/{fps}s"

    total = max(1, round(timeline.duration_s * fps))
    clips = _in_frames(timeline, fps)
    length = seconds(sum(last - first for first, last, _ in clips))
    root = ElementTree.Element("fcpxml", version="1.9")
    resources = ElementTree.SubElement(root, "resources")
    ElementTree.SubElement(
        resources, "format", id="r1", frameDuration=f"1/{fps}s", width="1920", height="1080", name="Clearmel"
    )
    asset = ElementTree.SubElement(
        resources,
        "asset",
        id="r2",
        name=printable(timeline.source.stem),
        start="0s",
        duration=seconds(total),
        hasAudio="1",
        audioSources="1",
        audioChannels=str(timeline.n_channels),
        audioRate=str(timeline.sample_rate),
    )
    address = "file://" + quote(os.fsencode(timeline.source.absolute().as_posix()))
    ElementTree.SubElement(asset, "media-rep", kind="original-media", src=address)
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", name="Clearmel")
    project = ElementTree.SubElement(event, "project", name=f"{printable(timeline.source.stem)} cleaned")
    sequence = ElementTree.SubElement(project, "sequence", format="r1", duration=length, tcStart="0s", tcFormat="NDF")
    spine = ElementTree.SubElement(sequence, "spine")
    for first, last, place in clips:
        ElementTree.SubElement(
            spine,
            "asset-clip",
            ref="r2",
            name=printable(timeline.source.stem),
            offset=seconds(place),
            start=seconds(first),
            duration=seconds(last - first),
            audioRole="dialogue",
        )
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'


FORMATS: dict[str, Callable[[Timeline, int], str]] = {
    ".json": as_json,
    ".csv": as_csv,
    ".txt": as_audacity,
    ".edl": as_edl,
    ".fcpxml": as_fcpxml,
}
"""Writers by file suffix."""


def check(forms: Sequence[str]) -> None:
    """Raises an InputError if a name is not the suffix, without its dot, of a known format."""
    wrong = [form for form in forms if f".{form.lower()}" not in FORMATS]
    if wrong:
        known = ", ".join(suffix[1:] for suffix in FORMATS)
        raise InputError(f"--timelines {','.join(wrong)}: unknown time line; expected one or more of {known}.")


def write(path: str | Path, timeline: Timeline, fps: int = 25) -> None:
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


def _in_frames(timeline: Timeline, fps: int) -> list[tuple[int, int, int]]:
    """First frame, end frame (exclusive) and position in the result for each part of at least one frame."""
    clips, place = [], 0
    for start, end in timeline.kept:
        first, last = round(start * fps), round(end * fps)
        if last > first:
            clips.append((first, last, place))
            place += last - first
    return clips


def _timecode(frame: int, fps: int) -> str:
    seconds, rest = divmod(frame, fps)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"
