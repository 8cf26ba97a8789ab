"""Labels and folds of recordings, from one folder per class or from the table of ESC-50."""

import csv
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clearmel.audio import sound_file
from clearmel.core.errors import InputError, raise_all, reason, shortened
from clearmel.core.file_io import existing, is_file, quoted
from clearmel.data.file_index import Files, Index

SUFFIXES = (".npy", *sound_file.SUFFIXES)
SIDES = ["noisy", "clean"]
"""Labels of the published classifier, in the order of its targets."""


class Listing(NamedTuple):
    """Files below `root` with their labels.

    targets: indices into `labels`. folds: 1 and above; 0 if unknown.
    """

    root: Path
    names: Sequence[Path]
    targets: list[int]
    labels: list[str]
    folds: list[int]

    def only(self, keep: Sequence[bool]) -> "Listing":
        """The files for which `keep` is true."""
        chosen = [number for number, chosen in enumerate(keep) if chosen]
        targets, folds = ([values[number] for number in chosen] for values in (self.targets, self.folds))
        files = self.names
        names = files.only(chosen) if isinstance(files, Files) else [files[number] for number in chosen]
        return Listing(self.root, names, targets, self.labels, folds)

    def called(self, labels: Sequence[str]) -> "Listing":
        """The same listing with targets as indices into the labels of other weights.

        Raises:
            InputError: the weights do not have one of the labels.
        """
        used = sorted({self.labels[target] for target in self.targets})
        unknown = [label for label in used if label not in labels]
        if unknown:
            raise InputError(
                f"{quoted(self.root)} has the label{'s' if len(unknown) > 1 else ''} {_some(unknown)}, which the "
                f"weights do not have; they classify {_some(labels)}. Give other weights."
            )
        return self._replace(targets=[labels.index(self.labels[k]) for k in self.targets], labels=list(labels))


def of_sides(noisy_path: Path, clean_path: Path) -> Listing:
    """All files of a noisy and a clean folder; they need not be pairs."""
    root = Path(os.path.commonpath([noisy_path.absolute(), clean_path.absolute()]))
    names, targets = _indexed([(folder.absolute().relative_to(root), folder) for folder in (noisy_path, clean_path)])
    return Listing(root, names, targets, SIDES, [0] * len(names))


def _indexed(folders: Sequence[tuple[Path, Path]]) -> tuple[Files, list[int]]:
    """The files of several folders, given as (name in the listing, path), and the folder index of each file."""
    parts = [(name, Index(folder, SUFFIXES)) for name, folder in folders]
    return Files(parts), [number for number, (_, index) in enumerate(parts) for _ in range(len(index))]


def of_folder(dataset_path: str | Path) -> Listing:
    """All files below a folder in the layout of ESC-50 (meta/esc50.csv and audio/), or with one sub-folder per class.

    The fold of a file in a class folder is the number before the first dash of its name, as in ESC-50.

    Raises:
        InputError: there are fewer than two classes, or the table lists missing files.
    """
    root = existing(dataset_path, folder=True)
    if (root / "meta" / "esc50.csv").exists():
        listing = _of_table(root)
    else:
        labels = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        if set(labels) == set(SIDES):
            return of_sides(root / "noisy", root / "clean")
        names, targets = _indexed([(Path(label), root / label) for label in labels])
        listing = Listing(root, names, targets, labels, [_fold(name) for name in names])
    if len(listing.labels) < 2:
        raise InputError(
            f"{quoted(root)} holds {len(listing.labels)} class(es); expected a sub-folder for each of two or more, "
            "or meta/esc50.csv and audio/."
        )
    return listing


def part(listing: Listing, split: str, val_fold: int | None, val_fraction: float, seed: int) -> Listing:
    """The files of one split.

    Args:
        listing: all files.
        split: "train", "val", or "." for all files.
        val_fold: the validation fold; 0: no validation; None: a random share of each class.
        val_fraction: that share.
        seed: seed of the random choice.

    Raises:
        InputError: no file is in that fold, or a class has no training files.
    """
    if split == ".":
        return listing
    if val_fold is None:
        held = _drawn(listing, val_fraction, seed)
    elif val_fold and val_fold not in listing.folds:
        folds = sorted({fold for fold in listing.folds if fold})
        raise InputError(
            f"{quoted(listing.root)} has no file of fold {val_fold}; "
            + (f"expected one of {', '.join(map(str, folds))}." if folds else "its file names (N-...) give no folds.")
        )
    else:
        held = [fold == val_fold and val_fold > 0 for fold in listing.folds]
    chosen = listing.only(held if split == "val" else [not one for one in held])
    empty = [label for number, label in enumerate(chosen.labels) if number not in chosen.targets]
    if split == "train" and empty:
        raise InputError(f"{quoted(listing.root)}: no training files are left for {_some(empty)}.")
    return chosen


def _drawn(listing: Listing, fraction: float, seed: int) -> list[bool]:
    held = [False] * len(listing.names)
    rng = np.random.default_rng(seed)
    for target in range(len(listing.labels)):
        own = [number for number, other in enumerate(listing.targets) if other == target]
        count = min(len(own) - 1, max(1, round(fraction * len(own)))) if fraction else 0
        for number in rng.permutation(own)[: max(0, count)]:
            held[number] = True
    return held


def _of_table(root: Path) -> Listing:
    table = root / "meta" / "esc50.csv"
    rows = read_table(table, ("filename", "fold", "category"))
    labels = sorted({row["category"] for row in rows})
    paths = [root / "audio" / row["filename"] for row in rows]
    raise_all([f"{quoted(path)} is missing" for path in paths if not is_file(path)])
    problems = [
        f"{quoted(table)}, line {number}: fold {shortened(repr(row['fold']), 60)}, category "
        f"{shortened(repr(row['category']), 60)}; expected a number, a name"
        for number, row in enumerate(rows, 2)
        if not re.fullmatch("[0-9]{1,9}", row["fold"]) or not row["category"]
    ]
    raise_all(problems)
    names = [Path("audio", row["filename"]) for row in rows]
    targets = [labels.index(row["category"]) for row in rows]
    return Listing(root, names, targets, labels, [int(row["fold"]) for row in rows])


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV file with a header; all `columns` must be filled.

    Raises:
        InputError: the file cannot be read, lacks a column, or has no rows.
    """
    existing(path, folder=False)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            rows = [
                {
                    key: (value or "").strip()
                    for key, value in row.items()
                    if isinstance(key, str) and not isinstance(value, list)
                }
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{quoted(path)} is not a CSV file: {reason(error)}.") from error
    lacking = [name for name in columns if name not in header]
    if lacking:
        raise InputError(f"{quoted(path)} has the columns {_some(header) or '(none)'}; expected {', '.join(columns)}.")
    if not rows:
        raise InputError(f"{quoted(path)} lists nothing below its header.")
    raise_all(
        [
            f"{quoted(path)}, line {number}: no {name}"
            for number, row in enumerate(rows, 2)
            for name in columns
            if not row.get(name)
        ]
    )
    return rows


def _fold(name: Path) -> int:
    number = re.match(r"(\d{1,3})-", name.name)
    return int(number[1]) if number else 0


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(shortened(name, 60) for name in names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")
