"""The processes of one run, as torchrun or `accelerate launch` start them; without a launcher there is one.

Only rank 0 prints and writes results. All processes end together with one exit status, and each error is reported once,
by the first process that meets it. They agree through the launcher's key-value store, which works both before the
process group is formed and after it is closed.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeVar

Found = TypeVar("Found")
GONE = ("gloo/transport", "Connection closed by peer", "Connection reset by peer", "Broken pipe", "ncclRemoteError")
"""Parts of the messages with which the backends report that another process has ended."""
CONNECT_S, PARTING_S, POLL_S = 5.0, 60.0, 0.05


def world() -> int:
    """The number of processes."""
    return int(os.environ["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE"} <= os.environ.keys() else 1


def rank() -> int:
    """The rank of this process, from 0."""
    return int(os.environ["RANK"]) if world() > 1 else 0


def is_rank_zero() -> bool:
    """Whether this is the process that prints and writes results."""
    return rank() == 0


@contextlib.contextmanager
def silence_other_ranks() -> Iterator[None]:
    """Suppresses the output and progress bars of all processes except rank 0 within a `with` block."""
    with contextlib.ExitStack() as stack:
        if not is_rank_zero():
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123
            stack.enter_context(contextlib.redirect_stdout(nowhere))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield


def leave_to_rank_zero() -> None:
    """Ends all processes except rank 0; they wait for it in `end`."""
    if not is_rank_zero():
        raise SystemExit(0)


def share(count: int) -> range:
    """The indices of this process's share of `count` items."""
    return range(rank(), count, world())


def gather(found: list[tuple[int, Found]]) -> list[Found]:
    """Collects the (index, value) pairs of all processes and returns the values sorted by index."""
    if world() > 1:
        from accelerate.utils import gather_object

        _join()
        found = gather_object(found)
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def broadcast(value: Any) -> Any:
    """Returns the value of rank 0 on every process."""
    if world() > 1:
        from accelerate.utils import broadcast_object_list

        _join()
        (value,) = broadcast_object_list([value])
    return value


def _join() -> None:
    from accelerate import PartialState

    PartialState(cpu=True)  # no effect if training has already formed the process group


def is_lost_peer(error: RuntimeError) -> bool:
    """Whether the error means that another process of the run has ended."""
    return world() > 1 and any(sign in str(error) for sign in GONE)


def end(status: int, line: str = "") -> int:
    """Ends the run on all ranks with one exit status.

    Args:
        status: exit status of this process.
        line: error message if this process fails; printed on stderr unless another process has already reported one.

    Returns:
        The common exit status: that of the first process to fail, otherwise that of rank 0.
    """
    reported, agreed = False, status
    if world() > 1:
        with contextlib.suppress(RuntimeError, KeyError, ValueError):  # without a store each process decides alone
            reported, agreed = _agreed(_store(), status, failed=bool(line))
    if line and not reported:
        print(line, file=sys.stderr)
    return agreed


def _store() -> Any:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    port, limit = int(os.environ["MASTER_PORT"]), timedelta(seconds=CONNECT_S)
    return TCPStore(os.environ["MASTER_ADDR"], port, is_master=False, wait_for_workers=False, timeout=limit)


def _agreed(store: Any, status: int, *, failed: bool) -> tuple[bool, int]:
    """Whether another process has reported a failure, and the common exit status."""
    stem = f"clearmel/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    outcome, arrived, mine = f"{stem}/outcome", f"{stem}/arrived", f"{rank()} {status}"
    if not failed:
        until = time.monotonic() + PARTING_S
        store.add(arrived, 1)
        # Rank 0 ends last: a process that ends while others still receive from it would make them fail.
        while not store.check([outcome]) and (
            not is_rank_zero() or (store.add(arrived, 0) < world() and time.monotonic() < until)
        ):
            time.sleep(POLL_S)
    first = store.compare_set(outcome, "", mine).decode()
    agreed = int(first.split()[1])
    return failed and first != mine and agreed > 0, agreed or status
