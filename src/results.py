"""Figures out of an evaluation or a batch run: as JSON on stdout, and as CSV."""

import argparse
import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from src.files import write_text


def print_json(value: Any) -> None:
    """Prints exactly one JSON value."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of equal keys as CSV text with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(report: Any, records: Sequence[dict[str, Any]], args: argparse.Namespace) -> None:
    """The report as JSON with --json, one row per item with --csv_path."""
    if args.csv_path:
        write_text(args.csv_path, table(records))
    if args.json:
        print_json(report)
