"""The training loop: epochs, steps, validation, saving and resuming.

Every random number of a run follows from (seed, epoch, step). An interrupted and resumed run therefore equals an
uninterrupted one to the bit.
"""

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from clearmel.checkpoints import weights_file
from clearmel.checkpoints.resume_file import Progress
from clearmel.core import signals
from clearmel.core.errors import InputError
from clearmel.core.file_io import quoted, write_text
from clearmel.data.batching import Batch, Shares
from clearmel.options import FitOptions
from clearmel.tasks.base import Task
from clearmel.training.evaluate import evaluate, make_loader
from clearmel.training.setup import Setup, prepare


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run after its state had been saved."""


def fit(task: Task, options: FitOptions, out: Path) -> list[dict[str, float]]:
    """Trains a network, or resumes an interrupted run, and saves the best weights.

    Writes `out` (the weights with the best validation score, or those of the last epoch without a validation set),
    `<out>.history.json` (a list of epochs) and `<out>.resume.pth`; <out> stands without its suffix.

    Returns:
        The history on rank 0, one dict per epoch with "epoch", "learning_rate", "train_loss" and the validation
        scores; an empty list on all other ranks.

    Raises:
        InputError: bad data or options, a loss that is not finite, or a resume file of another run.
        Interrupted: by Ctrl-C or SIGTERM, after saving.
    """
    return Trainer(prepare(task, options, out)).fit()


class Trainer:
    """Runs the epochs of a training run.

    Args:
        setup: see `setup.prepare`.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup, self.task, self.options = setup, setup.task, setup.options
        self.accelerator = setup.accelerator
        self.progress, self.history = setup.progress, setup.history
        self.reduce_order_fixed = self.accelerator.num_processes < 3  # see _fix_reduce_order
        self.saved_at = time.monotonic()

    def fit(self) -> list[dict[str, float]]:
        """Trains to the last epoch, or until stopped; see the function `fit`."""
        setup = self.setup
        setup.say(
            f"{self.task.name}: {len(setup.train)} items to train on, {len(setup.val or ())} to validate; "
            f"{setup.network.n_parameters():,} parameters; {self.accelerator.device}, "
            f"{self.accelerator.num_processes} process(es), {'bf16' if setup.bf16 else 'float32'}"
        )
        with setup.locked(), signals.noted() as stopped:
            while self.progress.epoch < self.options.epochs and not self._out_of_patience():
                self._train_epoch(stopped)
                self._close_epoch()
        return self.history if self.accelerator.is_main_process else []

    def _train_epoch(self, stopped: list[int]) -> None:
        progress, accelerator, setup = self.progress, self.accelerator, self.setup
        rank, world = accelerator.process_index, accelerator.num_processes
        setup.sampler.epoch = setup.train.epoch = progress.epoch
        batches = setup.sampler.batches()
        shares = Shares(batches, rank, world, progress.step)
        setup.wrapped.train()
        bar = tqdm(
            total=len(batches),
            initial=progress.step,
            unit="batch",
            leave=False,
            disable=None if rank == 0 else True,
            desc=f"epoch {progress.epoch + 1}/{self.options.epochs}",
        )
        for batch in make_loader(setup.train, shares, self.options.workers, accelerator.device.type == "cuda"):
            if not self.reduce_order_fixed:
                self._fix_reduce_order(batch.to(accelerator.device))
            full = batches[progress.step]
            own = len(full[rank::world])
            torch.manual_seed(hash((self.options.seed, progress.epoch, progress.step, rank)) % 2**63)
            loss = self._step(batch.to(accelerator.device), own * world / len(full))
            progress.loss_sum += loss * own
            progress.items += own
            progress.step += 1
            bar.update()
            stop, save = self._on_any_rank(bool(stopped), self._is_save_due())
            if stop or save:
                self._save()
            if stop:
                bar.close()
                setup.say(
                    f"stopped in epoch {progress.epoch + 1} after batch {progress.step} of {len(batches)}; the state "
                    f"is saved in {quoted(setup.resume_file.path)}. To continue, add --resume to the same command"
                )
                raise Interrupted
        bar.close()

    def _fix_reduce_order(self, batch: Batch) -> None:
        """Reduces the gradients of a batch over all ranks, and discards them.

        From the first reduction PyTorch chooses the order of all later ones. The last bits of a sum of three or more
        numbers depend on that order, and a resumed run must give the same bits from its first step on.
        """
        buffers = list(self.setup.network.buffers())
        before = [buffer.clone() for buffer in buffers]
        self.accelerator.backward(self.task.loss(self.setup.wrapped, batch))  # type: ignore[arg-type]  # as in _step
        self.setup.optimizer.zero_grad()
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
        self.reduce_order_fixed = True

    def _step(self, batch: Batch, weight: float) -> float:
        setup = self.setup
        with torch.autocast(self.accelerator.device.type, dtype=torch.bfloat16, enabled=setup.bf16):
            loss = self.task.loss(setup.wrapped, batch)  # type: ignore[arg-type]  # may be wrapped for many processes
        value = loss.item()
        if not math.isfinite(value):
            raise InputError(
                f"the loss became {value} in epoch {self.progress.epoch + 1} on {', '.join(batch.names[:5])}"
                f"{' ...' if len(batch.names) > 5 else ''}. Check these files, or lower --learning_rate."
            )
        self.accelerator.backward(loss * weight)
        if self.options.clip_norm > 0:
            self.accelerator.clip_grad_norm_(setup.wrapped.parameters(), self.options.clip_norm)
        setup.optimizer.step()
        if setup.average is not None:
            setup.average.update_parameters(setup.network)
        setup.schedule.after_step()
        setup.optimizer.zero_grad()
        return value

    def _close_epoch(self) -> None:
        """Validates, saves and prints a line."""
        progress, task, setup = self.progress, self.task, self.setup
        loss_sum, items = setup.resume_file.sums(progress)
        row = {
            "epoch": progress.epoch + 1,
            "learning_rate": setup.optimizer.param_groups[0]["lr"],
            "train_loss": loss_sum / items,
        }
        scores: dict[str, float] = {}
        if setup.val is not None:
            records = evaluate(task, setup.result, setup.val, self.options.batch_size, self.accelerator)
            scores = task.report(records)
            row |= scores
            setup.schedule.after_epoch(scores[task.monitor])
        better = not scores or self._is_better(scores[task.monitor])
        if better:
            progress.best, progress.best_epoch = scores.get(task.monitor), progress.epoch
        self.history.append(row)
        self.progress = Progress(progress.epoch + 1, best=progress.best, best_epoch=progress.best_epoch)
        if self.accelerator.is_main_process:
            if better:
                self._save_weights(scores)
            write_text(setup.out.with_suffix(".history.json"), json.dumps(self.history, indent=1))
        self._save()
        figures = "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key not in ("epoch", "n"))
        setup.say(f"epoch {row['epoch']}/{self.options.epochs}  {figures}{'  (best)' if better and scores else ''}")

    def _is_better(self, score: float) -> bool:
        best = self.progress.best
        if best is None or not math.isfinite(score):
            return math.isfinite(score)
        return score > best if self.task.higher_is_better else score < best

    def _out_of_patience(self) -> bool:
        waited = self.progress.epoch - 1 - self.progress.best_epoch
        if self.options.patience and self.setup.val is not None and waited >= self.options.patience:
            self.setup.say(f"{self.task.monitor} has not improved for {waited} epochs: stopping early")
            return True
        return False

    def _save_weights(self, scores: dict[str, float]) -> None:
        network, task = self.setup.result, self.task
        network.card = weights_file.make_card(
            network, task.name, task.features, list(task.labels), self._training_settings(), scores
        )
        weights_file.save(self.setup.out, network.state_dict())

    def _training_settings(self) -> dict[str, Any]:
        """The "training" field of the card."""
        options = {
            key: value for key, value in asdict(self.options).items() if key not in ("resume", "device", "workers")
        }
        return options | self.task.settings() | {"items": len(self.setup.train), "epoch": self.progress.epoch}

    def _is_save_due(self) -> bool:
        """Whether rank 0 should write the resume file now."""
        waited = time.monotonic() - self.saved_at
        return self.accelerator.is_main_process and waited > 60 * self.options.save_minutes

    def _save(self) -> None:
        self.saved_at = time.monotonic()
        self.setup.resume_file.save(self.progress, self.history)

    def _on_any_rank(self, *flags: bool) -> list[bool]:
        """For each flag, whether it is set on any rank; all ranks must act alike, or they would deadlock."""
        if self.accelerator.num_processes == 1:
            return list(flags)
        counts = torch.tensor(flags, dtype=torch.float32, device=self.accelerator.device)
        return [count > 0 for count in self.accelerator.reduce(counts, "sum").tolist()]
