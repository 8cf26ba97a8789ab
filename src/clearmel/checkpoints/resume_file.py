"""The resume file: the state of a training run between two steps.

torch accepts almost any state for an optimizer or a schedule and fails steps later, or trains on with wrong numbers.
The checks here cover that; everything else is left to `torch.load` and to strict loading of the network.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from clearmel.checkpoints import weights_file
from clearmel.checkpoints.assembly import is_plain
from clearmel.core import distributed
from clearmel.core.errors import InputError, shortened
from clearmel.core.file_io import quoted

SCHEDULE_COUNTERS = {"last_epoch", "num_bad_epochs", "cooldown_counter", "_step_count"}
SCHEDULE_STATE = SCHEDULE_COUNTERS | {"best", "_last_lr"}
"""The fields of a schedule that change during a run; all others are settings."""


@dataclass
class Progress:
    """The position of a run: `step` batches of `epoch` are done.

    loss_sum, items: of this epoch so far; with several processes, of this process's share. best, best_epoch: the best
    validation score and its epoch.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    items: int = 0
    best: float | None = None
    best_epoch: int = -1


class ResumeFile:
    """The resume file of one run.

    Args:
        path: of the file.
        run: plain values that a resumed run must share with the interrupted one.
        network: the bare network, not wrapped for several processes.
        average: the moving average of its weights; None without one.
        optimizer: of the network's trainable parameters.
        schedule: of its learning rate.
        accelerator: of this process.
    """

    def __init__(
        self,
        path: Path,
        run: Mapping[str, Any],
        network: nn.Module,
        average: nn.Module | None,
        optimizer: Any,
        schedule: Any,
        accelerator: Accelerator,
    ) -> None:
        self.path, self.run, self.network, self.average = path, dict(run), network, average
        self.optimizer, self.schedule, self.accelerator = optimizer, schedule, accelerator

    def sums(self, progress: Progress) -> tuple[float, int]:
        """The sum of losses and the number of items over all processes; a collective call."""
        return _total(self._shares(progress))

    def save(self, progress: Progress, history: Sequence[Mapping[str, float]]) -> None:
        """Writes the state of the run; a collective call, all processes at the same step."""
        shares = self._shares(progress)
        if self.accelerator.is_main_process:
            loss_sum, items = _total(shares)
            weights_file.save(
                self.path,
                {
                    "run": self.run,
                    "progress": asdict(replace(progress, loss_sum=loss_sum, items=items)),
                    "shares": shares,
                    "history": list(history),
                    "network": dict(self.network.state_dict()),
                    "optimizer": self.optimizer.state_dict(),
                    "schedule": self.schedule.state_dict(),
                }
                | ({} if self.average is None else {"average": dict(self.average.state_dict())}),
            )

    def load(self, n_batches: int) -> tuple[Progress, list[dict[str, float]]]:
        """Restores network, optimizer and schedule.

        Args:
            n_batches: of an epoch.

        Returns:
            The position of the run, and a row for each finished epoch.

        Raises:
            InputError: the file is missing, damaged, or of another run.
        """
        saved = distributed.broadcast(weights_file.load_dict(self.path) if distributed.is_rank_zero() else None)
        try:
            differences = self._differences(saved["run"])
            if not differences:
                return self._restore(saved, n_batches)
        except Exception as error:  # the only place that turns any failure of loading into one line
            raise InputError(f"{quoted(self.path)} is damaged or of another version. Leave out --resume.") from error
        raise InputError(f"{quoted(self.path)} is of another run: {', '.join(differences[:5])}. Leave out --resume.")

    def _differences(self, before: dict[str, Any]) -> list[str]:
        return [
            f"{key} {shortened(str(before.get(key)), 120)} (now {self.run.get(key)})"
            for key in self.run | before
            if before.get(key) != self.run.get(key)
        ]

    def _restore(self, saved: dict[str, Any], n_batches: int) -> tuple[Progress, list[dict[str, float]]]:
        """Loads a state that `load` has read; any exception means that it does not fit this run."""
        progress, history, shares = Progress(**saved["progress"]), list(saved["history"]), saved.get("shares", [])
        _check_progress(progress, history, shares, n_batches)
        _check_schedule(saved["schedule"], self.schedule.state_dict())
        trainable = [weight for weight in self.network.parameters() if weight.requires_grad]
        _check_optimizer(saved["optimizer"], self.optimizer.state_dict(), trainable)
        with warnings.catch_warnings():  # torch warns of odd tensors before it refuses them
            warnings.simplefilter("ignore")
            self.network.load_state_dict(saved["network"])
            if self.average is not None:
                self.average.load_state_dict(saved["average"])
        for network in (self.network, self.average):
            tensors = [] if network is None else [*network.parameters(), *network.buffers()]
            _expect(all(bool(torch.isfinite(tensor).all()) for tensor in tensors))
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        if len(shares) == world:
            loss_sum, items = shares[rank]
            progress = replace(progress, loss_sum=float(loss_sum), items=int(items))
        elif rank:  # the number of processes has changed: rank 0 continues with the sums of all
            progress = replace(progress, loss_sum=0.0, items=0)
        return progress, history

    def _shares(self, progress: Progress) -> list[list[float]]:
        """The sum of losses and the number of items of each process in this epoch so far."""
        ours = [[float(progress.loss_sum), float(progress.items)]]
        if self.accelerator.num_processes == 1:  # MPS devices have no float64
            return ours
        all_: Tensor = self.accelerator.gather(torch.tensor(ours, dtype=torch.float64, device=self.accelerator.device))
        return all_.tolist()


def _total(shares: Sequence[Sequence[float]]) -> tuple[float, int]:
    return sum(share[0] for share in shares), int(sum(share[1] for share in shares))


def _check_progress(progress: Progress, history: list[Any], shares: list[Any], n_batches: int) -> None:
    """Positions and histories that no run has would go unnoticed."""
    counts = (progress.epoch, progress.step, progress.items, progress.best_epoch)
    _expect(all(type(count) is int for count in counts))
    _expect(0 <= progress.epoch == len(history) and 0 <= progress.step <= n_batches)
    _expect(-1 <= progress.best_epoch < max(1, progress.epoch))
    _expect((progress.items > 0) == (progress.step > 0) and math.isfinite(progress.loss_sum))
    _expect(progress.best is None or _is_number(progress.best))
    _expect(not shares or _total(shares) == (progress.loss_sum, progress.items))
    for number, row in enumerate(history, 1):
        _expect(row["epoch"] == number and math.isfinite(row["train_loss"]))
        _expect(all(isinstance(key, str) and isinstance(value, int | float) for key, value in row.items()))


def _check_optimizer(saved: Mapping[str, Any], own: Mapping[str, Any], trainable: Sequence[Tensor]) -> None:
    """Torch checks neither settings nor moments.

    Args:
        saved: the state to load.
        own: the state of the same optimizer before its first step.
        trainable: the parameters, in the optimizer's order.
    """
    _expect(all(_is_number(group["lr"]) and 0 <= group["lr"] < math.inf for group in saved["param_groups"]))
    settings, expected = ([{**group, "lr": 0.0} for group in state["param_groups"]] for state in (saved, own))
    _expect(settings == expected)
    _expect(set(saved["state"]) in (set(), set(range(len(trainable)))))
    for index, moments in saved["state"].items():
        shape = trainable[index].shape
        _expect({key: value.shape for key, value in moments.items()} == _moment_shapes(shape))
        _expect(all(is_plain(value) and bool(torch.isfinite(value).all()) for value in moments.values()))
        _expect(bool(moments["step"] >= 0) and bool((moments["exp_avg_sq"] >= 0).all()))


def _moment_shapes(shape: torch.Size) -> dict[str, torch.Size]:
    return {"step": torch.Size(), "exp_avg": shape, "exp_avg_sq": shape}


def _check_schedule(saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Torch takes any fields for a schedule's own."""
    settings, expected = (
        {key: value for key, value in state.items() if key not in SCHEDULE_STATE} for state in (saved, own)
    )
    _expect(settings == expected and set(own) <= set(saved) | {"_last_lr"})
    _expect(all(type(saved[key]) is int and saved[key] >= 0 for key in SCHEDULE_COUNTERS & set(saved)))
    _expect(_is_number(saved.get("best", 0.0)))
    _expect(isinstance(saved.get("_last_lr", []), list) and all(map(_is_number, saved.get("_last_lr", []))))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


def _expect(holds: bool) -> None:
    if not holds:
        raise ValueError
