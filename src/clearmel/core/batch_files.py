"""Applies a function to each file of a folder, split across the processes of the run."""

import contextlib
import heapq
import io
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tqdm import tqdm

from clearmel.core import distributed, file_io
from clearmel.core.errors import FullDiskError, InputError, printable

Result = TypeVar("Result")
MOST_NAMED = 20
"""Skipped files whose names are printed."""

UNDECODED = re.compile(
    r"\.(aa|aax|alac|ds2|dsf|dff|dss|m4p|mpc|ra|ram|rm|shn|voc|sph)$",
    re.IGNORECASE,
)
"""Suffixes of sound and video that are not read."""


class Plan(NamedTuple):
    """The files, and for each process the indices of its share."""

    paths: list[Path]
    shares: list[list[int]]


def for_each_file(
    source: Path,
    suffixes: Iterable[str],
    work: Callable[[Path], Result],
    done: Callable[[Path, Result], object] = lambda path, result: None,
) -> int:
    """Processes one file, or all files below a folder. A failing file of a folder is reported and skipped.

    Only rank 0 returns; the other processes exit here.

    Args:
        source: a file or folder.
        suffixes: file name suffixes to select in a folder.
        work: called by every process with each path of its share. Its result is sent to rank 0.
        done: called by rank 0 with each path and result, in the order of the names. A single process calls it
            right after each file. Put here whatever must not run in several processes at once.

    Returns:
        Number of files that failed or could not be decoded; each is named on stderr.

    Raises:
        InputError: the file does not exist, the only file fails, or the disk is full.
    """
    if not source.is_dir():
        distributed.leave_to_rank_zero()
        done(source, work(source))
        return 0
    plan: Plan = distributed.broadcast(_plan(source, suffixes) if distributed.is_rank_zero() else None)
    failed = report_undecoded(source)

    def report(path: Path, outcome: tuple[Result] | str) -> None:
        nonlocal failed
        try:
            if isinstance(outcome, str):
                raise InputError(outcome)
            done(path, *outcome)
        except FullDiskError:
            raise
        except InputError as error:
            failed += 1
            print(f"failed: {error.line()}", file=sys.stderr)

    found, warnings = list[tuple[int, tuple[Result] | str]](), io.StringIO()
    with contextlib.ExitStack() as stack:
        if not distributed.is_rank_zero():
            stack.enter_context(contextlib.redirect_stderr(warnings))  # rank 0 prints them
        share = plan.shares[distributed.rank()]
        for number in tqdm(share, unit="file", leave=False, disable=None if len(share) > 1 else True):
            path, outcome = plan.paths[number], _outcome(work, plan.paths[number])
            if distributed.world() == 1:
                report(path, outcome)
            else:
                found.append((number, outcome))
    if distributed.world() > 1:
        sys.stderr.write("".join(distributed.gather([(distributed.rank(), warnings.getvalue())])))
        outcomes = distributed.gather(found)
        distributed.leave_to_rank_zero()
        for path, outcome in zip(plan.paths, outcomes, strict=True):
            report(path, outcome)
    return failed


def report_undecoded(folder: str | Path) -> int:
    """Names on stderr, once, the recordings below a folder that cannot be decoded.

    Files that hold no sound by their suffix (.txt, .jpg), and hidden ones, are not recordings.

    Returns:
        How many there are.
    """
    found = undecoded(folder)
    if found and distributed.is_rank_zero():
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        names = printable(", ".join(found[:MOST_NAMED]))
        print(f"skipped {len(found)}: {names}{more} (no decoder). Convert them to .wav or .flac.", file=sys.stderr)
    return len(found)


def undecoded(folder: str | Path) -> list[str]:
    """The recordings below a folder that cannot be decoded, by name; none for a file."""
    return sorted(
        Path(parent, name).relative_to(folder).as_posix()
        for parent, names in file_io.walk(Path(folder))
        for name in names
        if UNDECODED.search(name) and not name.startswith(".")
    )


def _outcome(work: Callable[[Path], Result], path: Path) -> tuple[Result] | str:
    """The result for a file in a tuple, or the error message."""
    try:
        return (work(path),)
    except FullDiskError:
        raise
    except InputError as error:
        return error.line()


def _plan(source: Path, suffixes: Iterable[str]) -> Plan:
    paths = [source / name for name in file_io.list_files(source, suffixes)]
    return Plan(paths, balanced([path.stat().st_size if path.exists() else 0 for path in paths], distributed.world()))


def balanced(sizes: Sequence[int], n_shares: int) -> list[list[int]]:
    """Splits items into shares of about equal total size.

    Assigns the items in order of falling size, each to the share that is smallest so far. Source: Graham, SIAM J. Appl.
    Math. 17 (1969): the largest share is then at most a third larger than in the optimal split.

    Returns:
        For each share the indices of its items, ascending.
    """
    heap = [(0, 0, share) for share in range(n_shares)]
    shares: list[list[int]] = [[] for _ in range(n_shares)]
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        total, count, share = heapq.heappop(heap)
        shares[share].append(number)
        heapq.heappush(heap, (total + sizes[number], count + 1, share))
    return [sorted(share) for share in shares]
