"""The resume file: where a run stands, saved so that it goes on as if it had never been stopped.

torch takes almost anything for the state of an optimizer or a schedule, and trips over it steps later; so what a file
holds is checked before a run goes on with it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from clearmel.checkpoints import weights_file
from clearmel.checkpoints.cards import is_plain
from clearmel.core import distributed
from clearmel.core.errors import InputError, shortened
from clearmel.core.file_io import quoted


@dataclass
class Progress:
    """Where a run stands: `step` batches of `epoch` are done, with the sum of their losses over `items` items.

    Of several processes each has the sums of its own share.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    items: int = 0
    best: float | None = None
    best_epoch: int = -1


class ResumeFile:
    """The file of one run.

    Args:
        path: of the file.
        run: what must be equal for a run to be the same run; plain values.
        network: on its own, not wrapped for several processes.
        optimizer: of the network's weights that are moved.
        schedule: of its learning rate.
        accelerator: of this process.
    """

    def __init__(
        self,
        path: Path,
        run: Mapping[str, Any],
        network: nn.Module,
        optimizer: Any,
        schedule: Any,
        accelerator: Accelerator,
    ) -> None:
        self.path, self.run, self.network = path, dict(run), network
        self.optimizer, self.schedule, self.accelerator = optimizer, schedule, accelerator

    def sums(self, progress: Progress) -> tuple[float, int]:
        """The sum of losses and the number of items of all processes; all must come here."""
        return _total(self._shares(progress))

    def save(self, progress: Progress, history: Sequence[Mapping[str, float]]) -> None:
        """Saves where the run stands; all processes come here at the same step."""
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
                },
            )

    def load(self, n_batches: int) -> tuple[Progress, list[dict[str, float]]]:
        """Gives network, optimizer and schedule the states that were saved.

        Args:
            n_batches: of an epoch.

        Returns:
            Where the run stood, and a row for each epoch that is done.

        Raises:
            InputError: the file is missing, damaged, or of another run.
        """
        saved = distributed.broadcast(weights_file.load_dict(self.path) if distributed.is_rank_zero() else None)
        try:
            before = saved["run"]
            differing = [
                f"{key} {shortened(str(before.get(key)), 120)} (now {self.run.get(key)})"
                for key in self.run | before
                if before.get(key) != self.run.get(key)
            ]
            if differing:
                raise InputError(
                    f"{quoted(self.path)} is of another run: {', '.join(differing[:5])}. Leave out --resume."
                )
            return self._take(saved, n_batches)
        except InputError:
            raise
        except Exception as error:  # torch raises what it likes for a state that is none
            raise InputError(f"{quoted(self.path)} is damaged or of another version. Leave out --resume.") from error

    def _take(self, saved: dict[str, Any], n_batches: int) -> tuple[Progress, list[dict[str, float]]]:
        """Takes a run's state over; an exception of any kind where it is none of this run."""
        check_progress(saved["progress"], saved["history"], n_batches)
        moved = [weight for weight in self.network.parameters() if weight.requires_grad]
        check_state(saved["optimizer"], moved, self.optimizer.state_dict())
        check_alike(saved["schedule"], self.schedule.state_dict())
        check_weights(saved["network"])
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        progress, shares = Progress(**saved["progress"]), saved.get("shares", [])
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        if len(shares) == world:
            loss_sum, items = shares[rank]
            progress = replace(progress, loss_sum=float(loss_sum), items=int(items))
        elif rank:  # of another number of processes: the main one goes on with the sums of all
            progress = replace(progress, loss_sum=0.0, items=0)
        return progress, list(saved["history"])

    def _shares(self, progress: Progress) -> list[list[float]]:
        """Each process's sum of losses and number of items in this epoch so far."""
        ours = [[progress.loss_sum, progress.items]]
        all_: Tensor = self.accelerator.gather(torch.tensor(ours, dtype=torch.float64, device=self.accelerator.device))
        return all_.tolist()


def _total(shares: Sequence[Sequence[float]]) -> tuple[float, int]:
    return sum(share[0] for share in shares), int(sum(share[1] for share in shares))


def check_progress(progress: Mapping[str, Any], history: Sequence[Any], n_batches: int) -> None:
    """Where the run stood.

    Args:
        progress: fields of `Progress`.
        history: a row for each epoch that is done.
        n_batches: of an epoch.

    Raises:
        ValueError: it is nowhere that a run can stand.
    """
    counts = [progress[key] for key in ("epoch", "step", "items", "best_epoch")]
    _expect(all(type(count) is int for count in counts))
    epoch, step, items, best_epoch = counts
    _expect(0 <= epoch == len(history) and 0 <= step <= n_batches and -1 <= best_epoch < max(1, epoch))
    _expect((items > 0) == (step > 0) and _is_number(progress["loss_sum"]) and math.isfinite(progress["loss_sum"]))
    _expect(progress["best"] is None or _is_number(progress["best"]))
    for number, row in enumerate(history, 1):
        _expect(isinstance(row, dict) and row["epoch"] == number and math.isfinite(row["train_loss"]))
        _expect(all(isinstance(key, str) and _is_number(value) for key, value in row.items()))


def check_state(optimizer: Mapping[str, Any], parameters: Sequence[Tensor], own: Mapping[str, Any]) -> None:
    """An optimizer's state.

    Args:
        optimizer: the saved one.
        parameters: what it moves, in order.
        own: of the same optimizer before its first step.

    Raises:
        ValueError: it is not of this optimizer and these parameters.
    """
    check_alike(optimizer["param_groups"], own["param_groups"])
    for theirs, ours in zip(optimizer["param_groups"], own["param_groups"], strict=True):
        _expect(theirs["params"] == ours["params"])
    _expect(set(optimizer["state"]) in (set(), set(range(len(parameters)))))
    for index, moments in optimizer["state"].items():
        _expect(set(moments) == {"step", "exp_avg", "exp_avg_sq"})
        shapes = {"step": torch.Size()}
        for key, value in moments.items():
            _expect(isinstance(value, Tensor) and value.shape == shapes.get(key, parameters[index].shape))
            _expect(is_sound(value))
        _expect(bool(moments["step"] >= 0) and bool((moments["exp_avg_sq"] >= 0).all()))


def check_weights(state: Mapping[str, Any]) -> None:
    """Raises a ValueError where a state dict holds what no training leaves behind: NaN, infinity, odd tensors."""
    _expect(all(is_sound(value) for value in state.values() if isinstance(value, Tensor)))


def check_alike(saved: Any, own: Any) -> None:
    """Plain values: dicts of the same keys, lists of the same length, and the same kinds of values in them.

    What torch adds to a schedule with its first step, `_last_lr`, may be there besides.

    Raises:
        ValueError: they are not alike.
    """
    if isinstance(own, dict):
        _expect(isinstance(saved, dict) and set(saved) - {"_last_lr"} == set(own) - {"_last_lr"})
        for key in own:
            if key in saved:
                check_alike(saved[key], own[key])
        if "_last_lr" in saved:
            _expect(isinstance(saved["_last_lr"], list) and all(map(_is_number, saved["_last_lr"])))
    elif isinstance(own, list | tuple):
        _expect(isinstance(saved, list | tuple) and len(saved) == len(own))
        for theirs, ours in zip(saved, own, strict=True):
            check_alike(theirs, ours)
    elif isinstance(own, bool) or not isinstance(own, int | float):
        _expect(type(saved) is type(own))
    else:
        _expect(_is_number(saved) and (isinstance(saved, int) or not isinstance(own, int)))


def is_sound(tensor: Tensor) -> bool:
    """Whether a tensor is a plain one of finite numbers."""
    return is_plain(tensor) and bool(torch.isfinite(tensor).all())


def _is_number(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 63
    return isinstance(value, float)


def _expect(holds: bool) -> None:
    if not holds:
        raise ValueError
