"""The same with every file of a folder, shared by all processes of the run."""

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
    """Works on a file, or on all files below a folder; a file of a folder that fails is told of and passed over.

    Only the main process comes back from here.

    Args:
        source: a file or folder.
        suffixes: of the files of a folder.
        work: called by any process with the path of a file of its share. What it gives is sent to the main process.
        done: called by the main process with what came of each file, in the order of the names; for one process alone
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
    """What came of a file, or why nothing did."""
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
    """Numbers of things of some sizes, dealt out so that the shares are about equally large; each share in order.

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
