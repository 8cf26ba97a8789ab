"""Lists of clips in the format of AVSpeech and AudioSet: CSV rows of id, start and end in seconds."""

import csv
import math
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from clearmel.core.errors import InputError, raise_all, reason
from clearmel.core.file_io import existing, quoted

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
COLUMNS = (
    ("id", "youtube_id", "ytid"),
    ("start", "start_seconds", "start_time"),
    ("end", "end_seconds", "end_time"),
)
"""Accepted header names of the three columns."""
MEDIA_SUFFIXES = (".mp4", ".m4a", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".wav", ".flac", ".mp3", ".ogg", ".opus")
"""Addresses with these suffixes are media files; all others are web pages."""


class Clip(NamedTuple):
    """A part of a remote recording.

    row: its row in the list, from 1. id: a YouTube id or an http(s) address. start_s, end_s: seconds.
    """

    row: int
    id: str
    start_s: float
    end_s: float

    @property
    def stem(self) -> str:
        """A file name without suffix: valid on every system, unique per row, and never starting with a dash."""
        text = self.id.split("://", 1)[-1]
        return f"{self.row:06d}_{re.sub(r'[^A-Za-z0-9_-]+', '_', text)[-60:].strip('_') or 'clip'}"

    @property
    def url(self) -> str:
        """The address. An id may start with a dash; an address never does."""
        return f"https://www.youtube.com/watch?v={self.id}" if YOUTUBE_ID.fullmatch(self.id) else self.id

    @property
    def is_media(self) -> bool:
        """Whether the address is that of a media file rather than of a web page."""
        return urllib.parse.urlsplit(self.url).path.lower().endswith(MEDIA_SUFFIXES)


def read(path: str | Path, first: int = 1, last: int | None = None, seconds: float = 0.0) -> list[Clip]:
    """Reads the rows `first` to `last` of a list of clips.

    Empty lines and lines that start with # are skipped. A header may name id, start and end; without a header these are
    the first three columns. Other columns are ignored.

    Args:
        path: the CSV file.
        first: number of the first row, from 1.
        last: number of the last row; None: to the end.
        seconds: clips are cut to this length from their start; 0: they last until their end.

    Raises:
        InputError: the file is not a CSV file, a row does not exist, or an id, start or end is invalid.
    """
    existing(path, folder=False)
    clips, problems, row = [], [], 0
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            places = (0, 1, 2)
            for line, cells in _lines(file):
                header = _header(cells) if row == 0 else None
                if header:
                    places = header
                    continue
                row += 1
                if row < first or (last is not None and row > last):
                    continue
                try:
                    clips.append(_clip(row, cells, places, seconds))
                except ValueError as error:
                    problems.append(f"{quoted(path)}, line {line}: {error}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{quoted(path)} is not a CSV file: {reason(error)}.") from error
    raise_all(problems)
    if not row:
        raise InputError(f"{quoted(path)} lists no clip; expected rows of id, start, end.")
    if not clips:
        raise InputError(f"{quoted(path)} has {row} rows; there is none from --first {first} to --last {last or row}.")
    return clips


def _lines(file: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    # A comment becomes an empty line, so that line numbers stay those of the file.
    reader = csv.reader(("\n" if line.startswith("#") else line for line in file), skipinitialspace=True)
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield reader.line_num, stripped


def _header(cells: list[str]) -> tuple[int, int, int] | None:
    names = [cell.lower() for cell in cells]
    found = [next((names.index(name) for name in known if name in names), None) for known in COLUMNS]
    return None if None in found else (found[0], found[1], found[2])  # type: ignore[return-value]


def _clip(row: int, cells: list[str], places: tuple[int, int, int], seconds: float) -> Clip:
    """The clip of a row; raises a ValueError with a message for the user if it is invalid."""
    if len(cells) <= max(places):
        raise ValueError(f"{len(cells)} column(s); expected id, start, end")
    name, start, end = (cells[place] for place in places)
    if not YOUTUBE_ID.fullmatch(name) and not _is_address(name):
        raise ValueError(f"id {name[:60]!r}; expected a YouTube id of 11 letters, or an address http(s)://...")
    start_s, end_s = _seconds(start, "start"), _seconds(end, "end")
    if end_s <= start_s:
        raise ValueError(f"end {end[:60]} is not after start {start[:60]}")
    return Clip(row, name, start_s, min(end_s, start_s + seconds) if seconds else end_s)


def _seconds(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} {text[:60]!r}; expected seconds, 0 or more")
    return value


def _is_address(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return (
        complete and parts.scheme in ("http", "https") and text.isprintable() and not re.search(r"[\s\\\"'<>`|]", text)
    )
