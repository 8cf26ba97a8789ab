"""The ranks of a run that torchrun or `accelerate launch` has started; a single process without them.

Only the main process prints and writes results. All end together and with one exit status, and what goes wrong is told
once, by the first that meets it: they agree through the launcher's key-value store, which is there before they have
joined and after they have parted.
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
"""What the backends call it when another process is not there any more."""
CONNECT_S, PARTING_S, POLL_S = 5.0, 60.0, 0.05


def world() -> int:
    """The number of processes."""
    return int(os.environ["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE"} <= os.environ.keys() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ["RANK"]) if world() > 1 else 0


def is_rank_zero() -> bool:
    """Whether this is the process that prints and writes results."""
    return rank() == 0


@contextlib.contextmanager
def silence_other_ranks() -> Iterator[None]:
    """A context in which the other ranks print nothing and show no progress bars."""
    with contextlib.ExitStack() as stack:
        if not is_rank_zero():
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123
            stack.enter_context(contextlib.redirect_stdout(nowhere))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield


def leave_to_rank_zero() -> None:
    """Only rank 0 continues: the others finish here and wait in `end` for its exit status."""
    if not is_rank_zero():
        raise SystemExit(0)


def share(count: int) -> range:
    """The numbers of this rank's share of `count` items."""
    return range(rank(), count, world())


def gather(found: list[tuple[int, Found]]) -> list[Found]:
    """The numbered results of all ranks, in the order of their numbers."""
    if world() > 1:
        from accelerate.utils import gather_object

        _join()
        found = gather_object(found)
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def broadcast(value: Any) -> Any:
    """The value of rank 0, on all ranks."""
    if world() > 1:
        from accelerate.utils import broadcast_object_list

        _join()
        (value,) = broadcast_object_list([value])
    return value


def _join() -> None:
    from accelerate import PartialState

    PartialState(cpu=True)  # if they have not joined for training already


def is_lost_peer(error: RuntimeError) -> bool:
    """Whether an error means that another process of the run is gone."""
    return world() > 1 and any(sign in str(error) for sign in GONE)


def end(status: int, line: str = "") -> int:
    """Ends the run on all ranks with one exit status.

    Args:
        status: exit status of this process alone.
        line: what to tell the user of a run that fails here; it is printed on stderr unless another has told already.

    Returns:
        The exit status of all: that of the first to fail, else that of the main process.
    """
    told, agreed = False, status
    if world() > 1:
        with contextlib.suppress(RuntimeError, KeyError, ValueError):  # no store: each for itself
            told, agreed = _agreed(_store(), status, failed=bool(line))
    if line and not told:
        print(line, file=sys.stderr)
    return agreed


def _store() -> Any:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    port, limit = int(os.environ["MASTER_PORT"]), timedelta(seconds=CONNECT_S)
    return TCPStore(os.environ["MASTER_ADDR"], port, is_master=False, wait_for_workers=False, timeout=limit)


def _agreed(store: Any, status: int, *, failed: bool) -> tuple[bool, int]:
    """Whether another rank has reported a failure, and the common status."""
    stem = f"clearmel/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    outcome, arrived, mine = f"{stem}/outcome", f"{stem}/arrived", f"{rank()} {status}"
    if not failed:
        until = time.monotonic() + PARTING_S
        store.add(arrived, 1)
        # The main process goes last: who goes while others still receive from it would take them down.
        while not store.check([outcome]) and (
            not is_rank_zero() or (store.add(arrived, 0) < world() and time.monotonic() < until)
        ):
            time.sleep(POLL_S)
    first = store.compare_set(outcome, "", mine).decode()
    agreed = int(first.split()[1])
    return failed and first != mine and agreed > 0, agreed or status
