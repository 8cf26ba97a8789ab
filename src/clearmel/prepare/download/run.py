"""Downloads many clips in parallel, skips existing ones, and writes a report with the status of each row."""

import concurrent.futures
import contextlib
import csv
import itertools
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from clearmel.core import temp_files
from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import claiming, ensure_writable, quoted, write_text
from clearmel.options import ClipOptions
from clearmel.prepare.download import clip_lists
from clearmel.prepare.download import fetch as download_fetch
from clearmel.prepare.download.clip_lists import Clip
from clearmel.prepare.download.programs import FetchError, Programs
from clearmel.reporting import tables

FIELDS = ["row", "id", "start", "end", "status", "reason"]
REPORT_EVERY_S = 30.0
"""Seconds between two reports: writing millions of rows takes time, and a killed run loses at most this much."""


class DownloadResult(NamedTuple):
    """Result of a run.

    fetched, there, failed: numbers of new, existing and failed clips. before: the part of `failed` that failed in an
    earlier run and was not tried again. lines: one for each failure of this run.
    """

    fetched: int
    there: int
    failed: int
    before: int
    lines: list[str]

    def summary(self) -> str:
        """The result in one line."""
        text = f"{self.fetched} fetched, {self.there} already there, {self.failed} failed"
        return text + (f" ({self.before} of them before; --retry_failed tries again)" if self.before else "")


@dataclass
class Report:
    """The status of all rows that any run has processed, by row and id."""

    path: Path
    rows: dict[tuple[int, str], dict[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Report":
        """Reads the report of earlier runs; empty if there is none.

        Raises:
            InputError: the file is not a report, or cannot be written.
        """
        ensure_writable(path)
        report = cls(path)
        if path.exists():
            try:
                with path.open(encoding="utf-8", newline="") as file:
                    reader = csv.DictReader(file)
                    if reader.fieldnames != FIELDS:
                        raise ValueError(f"its header is not {','.join(FIELDS)}")
                    rows = list(reader)
                    if any(set(row) != set(FIELDS) or None in row.values() for row in rows):
                        raise ValueError(f"a row of it has not {len(FIELDS)} cells")
                    report.rows = {(int(row["row"]), row["id"]): row for row in rows}
            except (OSError, ValueError, TypeError, csv.Error) as error:
                raise InputError(f"{quoted(path)} is not a report of clips: {reason(error)}. Move it away.") from error
        return report

    def status(self, clip: Clip) -> str:
        """The status of a clip in earlier runs; empty if there is none."""
        return self.rows.get((clip.row, clip.id), {}).get("status", "")

    def add(self, clip: Clip, status: str, reason: str) -> None:
        """Adds or replaces a row."""
        start, end = f"{clip.start_s:g}", f"{clip.end_s:g}"
        values = [str(clip.row), clip.id, start, end, status, reason]
        self.rows[clip.row, clip.id] = dict(zip(FIELDS, values, strict=True))

    def write(self) -> None:
        """Writes the report, sorted by row."""
        if self.rows:
            write_text(self.path, tables.csv_table([self.rows[key] for key in sorted(self.rows)]))


def download(csv_path: str | Path, output_path: str | Path, options: ClipOptions) -> DownloadResult:
    """Downloads the clips of a list into `output_path`/audio, /frames and /report.csv.

    Args:
        csv_path: CSV file with rows of id, start, end; see `clip_lists.read`.
        output_path: folder; created if missing.
        options: rows, format and limits.

    Raises:
        InputError: the list is invalid, the folder cannot be written, a program is not installed, or another run is
            downloading to it.
        KeyboardInterrupt: Ctrl-C; finished clips stay and are reported.
    """
    listed, output = clip_lists.read(csv_path, options.first, options.last, options.seconds), Path(output_path)
    with claiming(output / "report.csv"):
        return _download(listed, output, options)


def _download(listed: list[Clip], output: Path, options: ClipOptions) -> DownloadResult:
    temp_files.sweep(output / "audio")
    report = Report.load(output / "report.csv")
    for left in (output / "frames").glob(".partial-*"):
        shutil.rmtree(left, ignore_errors=True)
    there, before, wanted = 0, 0, []
    for clip in listed:
        if _finished(clip, output, options.frames):
            report.add(clip, "skipped", "already there")
            there += 1
        elif report.status(clip) == "failed" and not options.retry_failed:
            before += 1
        else:
            wanted.append(clip)
    lines: list[str] = []
    if wanted:
        programs = Programs(pages=any(not clip.is_media for clip in wanted))
        lines = _fetch_all(wanted, output, options, programs, report)
    report.write()
    return DownloadResult(len(wanted) - len(lines), there, len(lines) + before, before, lines)


def _paths(clip: Clip, output: Path) -> tuple[Path, Path]:
    return output / "audio" / f"{clip.stem}.wav", output / "frames" / clip.stem


def _finished(clip: Clip, output: Path, with_frames: bool) -> bool:
    wav, frames = _paths(clip, output)
    return wav.exists() and (not with_frames or frames.is_dir())


def _fetch_all(wanted: list[Clip], output: Path, options: ClipOptions, programs: Programs, report: Report) -> list[str]:
    """Downloads clips in threads, which only wait for programs; returns a line per failure."""
    from tqdm import tqdm

    lines: list[str] = []

    def fetch(clip: Clip) -> tuple[str, str]:
        try:
            return "ok", download_fetch.fetch(clip, *_paths(clip, output), options, programs)
        except FetchError as error:
            return "failed", str(error)

    def take(clip: Clip, status: str, reason: str) -> None:
        report.add(clip, status, reason)
        if status == "failed":
            lines.append(f"row {clip.row}, {clip.id}: {reason}")

    rest, pending = iter(wanted), dict[concurrent.futures.Future[tuple[str, str]], Clip]()
    written = time.monotonic()
    with (
        concurrent.futures.ThreadPoolExecutor(options.workers) as pool,
        tqdm(total=len(wanted), unit="clip", leave=False, disable=None) as bar,
    ):
        try:
            while True:
                for clip in itertools.islice(rest, 2 * options.workers - len(pending)):
                    pending[pool.submit(fetch, clip)] = clip
                if not pending:
                    return lines
                # Without a timeout, Ctrl-C would not interrupt the wait on Windows.
                done, _ = concurrent.futures.wait(pending, 0.5, concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    take(pending[future], *future.result())
                    del pending[future]
                    bar.update()
                if time.monotonic() - written > REPORT_EVERY_S:
                    report.write()
                    written = time.monotonic()
        except BaseException:
            programs.stop()
            pool.shutdown(cancel_futures=True)
            for future, clip in pending.items():
                if not future.cancelled() and future.exception() is None:
                    take(clip, *future.result())
            with contextlib.suppress(InputError):  # the original error is more informative
                report.write()
            raise
