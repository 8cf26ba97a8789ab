"""Applies a function to each file of a folder, split across ranks."""

import contextlib
import heapq
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tqdm import tqdm

from clearmel.core import distributed, file_io
from clearmel.core.errors import FullDiskError, InputError

Worked = TypeVar("Worked")


class Plan(NamedTuple):
    """The files, and each process's share of their numbers."""

    paths: list[Path]
    shares: list[list[int]]


def for_each_file(
    source: Path,
    suffixes: Iterable[str],
    work: Callable[[Path], Worked],
    done: Callable[[Path, Worked], object] = lambda path, worked: None,
) -> int:
    """Applies a function to a file, or to all files below a folder; a failing file of a folder is reported and skipped.

    Returns on rank 0 only.

    Args:
        source: a file or folder.
        suffixes: of the files of a folder.
        work: called by each rank with the paths of its share. Its results are sent to rank 0.
        done: called by rank 0 with the result of each file, in the order of the names; in a single process
            as soon as it is there. What processes must not do at the same time belongs here.

    Returns:
        How many files failed.

    Raises:
        InputError: there is no such file, the only one asked for fails, or the disk is full.
    """
    if not source.is_dir():
        distributed.leave_to_rank_zero()
        done(source, work(source))
        return 0
    plan: Plan = distributed.broadcast(_plan(source, suffixes) if distributed.is_rank_zero() else None)
    failed = 0

    def give(path: Path, outcome: tuple[Worked] | str) -> None:
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

    found, told = list[tuple[int, tuple[Worked] | str]](), io.StringIO()
    with contextlib.ExitStack() as stack:
        if not distributed.is_rank_zero():
            stack.enter_context(contextlib.redirect_stderr(told))  # warnings, for the main process to print
        share = plan.shares[distributed.rank()]
        for number in tqdm(share, unit="file", leave=False, disable=None if len(share) > 1 else True):
            path, outcome = plan.paths[number], _outcome(work, plan.paths[number])
            if distributed.world() == 1:
                give(path, outcome)
            else:
                found.append((number, outcome))
    if distributed.world() > 1:
        sys.stderr.write("".join(distributed.gather([(distributed.rank(), told.getvalue())])))
        outcomes = distributed.gather(found)
        distributed.leave_to_rank_zero()
        for path, outcome in zip(plan.paths, outcomes, strict=True):
            give(path, outcome)
    return failed


def _outcome(work: Callable[[Path], Worked], path: Path) -> tuple[Worked] | str:
    """The result for a file, or the reason of its failure."""
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
    """Splits items of given sizes into shares of about equal total size; the numbers in each share rise.

    The largest come first, each to who has least. Source: Graham, SIAM J. Appl. Math. 17 (1969): no share is then more
    than a third larger than with the best of all deals.
    """
    heap = [(0, 0, share) for share in range(n_shares)]
    shares: list[list[int]] = [[] for _ in range(n_shares)]
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        total, count, share = heapq.heappop(heap)
        shares[share].append(number)
        heapq.heappush(heap, (total + sizes[number], count + 1, share))
    return [sorted(share) for share in shares]
