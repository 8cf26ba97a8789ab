"""Writes the figures of a run: JSON on stdout, CSV files, text tables."""

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from clearmel.core.errors import InputError
from clearmel.core.file_io import ensure_writable, quoted, write_text


def json_text(value: Any) -> str:
    """One JSON value; NaN and infinity become null."""
    return json.dumps(_plain(value), ensure_ascii=False, indent=1, allow_nan=False)


def print_json(value: Any) -> None:
    """Prints exactly one JSON value."""
    print(json_text(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def csv_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of equal keys as CSV text with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def text_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a text table: a header, names on the left, numbers on the right, shares with three digits."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [keys, *([_cell(row.get(key, "")) for key in keys] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(keys))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def check_table_path(path: str) -> None:
    """Raises an InputError unless the name ends in .csv or .json and can be written."""
    if not path.lower().endswith((".csv", ".json")):
        raise InputError(f"{quoted(path)}: expected a name that ends in .csv or .json.")
    ensure_writable(path)


def write_rows(path: str, rows: Sequence[dict[str, Any]]) -> None:
    """Rows as CSV or JSON, as the name's suffix says."""
    write_text(path, json_text(list(rows)) if path.lower().endswith(".json") else csv_table(rows))


def write(report: Any, records: Sequence[dict[str, Any]], csv_path: str | None, *, as_json: bool) -> None:
    """Prints the report as one JSON value with `as_json`, and writes one row per item to a CSV file with `csv_path`."""
    if csv_path:
        write_text(csv_path, csv_table(records))
    if as_json:
        print_json(report)
