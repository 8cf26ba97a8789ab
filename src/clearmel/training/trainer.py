"""fit() and evaluate(): the only loops, and the only place that knows devices, processes and epochs.

Every random number of a run follows from (seed, epoch, step), so a run that was stopped anywhere and resumed gives
the bits of a run that was not.
"""

import contextlib
import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from clearmel.checkpoints import cards, weights_file
from clearmel.checkpoints.resume_file import Progress, ResumeFile
from clearmel.core import malloc, signals
from clearmel.core.errors import InputError
from clearmel.core.file_io import claiming, ensure_writable, quoted, write_text
from clearmel.data.batching import Batch, BucketSampler, Shares
from clearmel.data.mel_datasets import MelDataset
from clearmel.options import FitOptions
from clearmel.tasks.base import Task
from clearmel.training.evaluate import evaluate, make_accelerator, make_loader


class Interrupted(KeyboardInterrupt):
    """The run was stopped by a signal after its state had been saved."""


def fit(task: Task, options: FitOptions, out: Path) -> list[dict[str, float]]:
    """Trains a new network, or goes on with an interrupted run, and saves the best weights.

    Writes `out` (weights whose monitored figure on the validation set is best; without one those of the last epoch),
    `<out>.history.json` (a list of epochs) and `<out>.resume.pth`, where <out> stands without its suffix.

    Returns:
        The history, one dict per epoch with "epoch", "learning_rate", "train_loss" and the validation figures; of
        several processes only the main one gets it, the others an empty list.

    Raises:
        InputError: bad data or options, a loss that is not finite, or a resume file of another run.
        Interrupted: by Ctrl-C or SIGTERM, after saving.
    """
    return Trainer(task, options, out).fit()


class Trainer:
    """One training run; see `fit`."""

    def __init__(self, task: Task, options: FitOptions, out: Path) -> None:
        self.task, self.options, self.out = task, options, out
        self.accelerator = make_accelerator(options.device)
        self.low_precision = options.mixed_precision == "bf16" or (
            options.mixed_precision == "auto"
            and self.accelerator.device.type == "cuda"
            and torch.cuda.is_bf16_supported(including_emulation=False)
        )
        if self.accelerator.device.type == "cpu":
            malloc.keep_freed_memory()
        self.data = task.dataset("train")
        self.val = task.dataset("val") if task.has("val") else None
        if self.val is None:
            self._say("no validation set: the weights of the last epoch are kept, and no figure says how good they are")
        torch.manual_seed(options.seed)
        network = task.network()
        if options.init_filename:
            path = weights_file.models_path(options.init_filename, saved=True)
            trained = weights_file.load(path, task.name)
            if told := cards.changed(trained.card["features"], task.features.card()):
                self._say(f"{quoted(path)} was trained on other features: {told}")
            try:
                network = network.begin_from(trained)
            except ValueError as error:
                raise InputError(f"--init_filename: {quoted(path)} {error}") from error
            network.train()
        try:
            network.move_only(options.train_only)
        except ValueError as error:
            raise InputError(f"--train_only {error}") from error
        self.sampler = BucketSampler(self.data.lengths, options.batch_size, True, options.seed, self.data.groups)
        moved = [weight for weight in network.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(
            moved, lr=options.learning_rate, weight_decay=options.weight_decay, betas=(0.9, 0.999)
        )
        self.plain = network
        self.network: nn.Module
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.settled = self.accelerator.num_processes < 3
        self.schedule = self._schedule()
        self.progress, self.history = Progress(), list[dict[str, float]]()
        self.saved_at = time.monotonic()
        self.history_path = out.with_suffix(".history.json")
        self.kept = ResumeFile(
            out.with_suffix(".resume.pth"),
            self._identity(),
            self.plain,
            self.optimizer,
            self.schedule,
            self.accelerator,
        )
        ensure_writable(out)
        with self._alone():  # before hours of work
            pass
        if options.resume:
            self.progress, self.history = self.kept.load(len(self.sampler))
            self._say(f"resuming at epoch {self.progress.epoch + 1}, batch {self.progress.step + 1}")

    def fit(self) -> list[dict[str, float]]:
        """Trains to the last epoch, or until stopped; see `fit`."""
        self._say(
            f"{self.task.name}: {len(self.data)} items to train on, {len(self.val) if self.val else 0} to validate; "
            f"{self.plain.n_parameters():,} parameters; {self.accelerator.device}, "
            f"{self.accelerator.num_processes} process(es), {'bf16' if self.low_precision else 'float32'}"
        )
        with self._alone(), signals.noted() as stopped:
            while self.progress.epoch < self.options.epochs and not self._out_of_patience():
                self._train_epoch(stopped)
                self._close_epoch()
        return self.history if self.accelerator.is_main_process else []

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Within it no second run trains weights of the same name."""
        return claiming(self.kept.path) if self.accelerator.is_main_process else contextlib.nullcontext()

    def _train_epoch(self, stopped: list[int]) -> None:
        progress, accelerator = self.progress, self.accelerator
        rank, world = accelerator.process_index, accelerator.num_processes
        self.sampler.epoch = self.data.epoch = progress.epoch
        batches = self.sampler.batches()
        shares = Shares(batches, rank, world, progress.step)
        self.network.train()
        bar = tqdm(
            total=len(batches),
            initial=progress.step,
            unit="batch",
            leave=False,
            disable=None if rank == 0 else True,
            desc=f"epoch {progress.epoch + 1}/{self.options.epochs}",
        )
        for batch in self._loader(self.data, shares):
            if not self.settled:
                self._settle(batch.to(accelerator.device))
            whole = batches[progress.step]
            own = len(whole[rank::world])
            torch.manual_seed(hash((self.options.seed, progress.epoch, progress.step, rank)) % 2**63)
            loss = self._step(batch.to(accelerator.device), own * world / len(whole))
            progress.loss_sum += loss * own
            progress.items += own
            progress.step += 1
            bar.update()
            stop, save = self._agreed(bool(stopped), self._is_due())
            if stop or save:
                self._keep()
            if stop:
                bar.close()
                self._say(
                    f"stopped in epoch {progress.epoch + 1} after batch {progress.step} of {len(batches)}; "
                    f"everything is saved in {quoted(self.kept.path)}. Go on with the same command and --resume"
                )
                raise Interrupted
        bar.close()

    def _settle(self, batch: Batch) -> None:
        """Has the gradients of a batch summed over the processes, and drops them.

        By the first ones PyTorch chooses the order in which it sums all later ones. Three numbers or more have as many
        sums as orders, in their last bits, and a run that is resumed must come to the same ones in its first step, too.
        """
        before = [buffer.clone() for buffer in self.plain.buffers()]
        self.accelerator.backward(self.task.loss(self.network, batch))  # type: ignore[arg-type]  # as in _step
        self.optimizer.zero_grad()
        for buffer, value in zip(self.plain.buffers(), before, strict=True):
            buffer.copy_(value)
        self.settled = True

    def _step(self, batch: Batch, weight: float) -> float:
        with torch.autocast(self.accelerator.device.type, dtype=torch.bfloat16, enabled=self.low_precision):
            loss = self.task.loss(self.network, batch)  # type: ignore[arg-type]  # may be wrapped for many processes
        value = loss.item()
        if not math.isfinite(value):
            raise InputError(
                f"the loss became {value} in epoch {self.progress.epoch + 1} on {', '.join(batch.names[:5])}"
                f"{' ...' if len(batch.names) > 5 else ''}. Look at these files, or lower --learning_rate."
            )
        self.accelerator.backward(loss * weight)
        if self.options.clip_norm > 0:
            self.accelerator.clip_grad_norm_(self.network.parameters(), self.options.clip_norm)
        self.optimizer.step()
        if self.options.schedule == "cosine":
            self.schedule.step()
        self.optimizer.zero_grad()
        return value

    def _close_epoch(self) -> None:
        progress, task = self.progress, self.task
        loss_sum, items = self.kept.sums(progress)
        row = {
            "epoch": progress.epoch + 1,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "train_loss": loss_sum / items,
        }
        scores: dict[str, float] = {}
        if self.val is not None:
            scores = task.report(evaluate(task, self.plain, self.val, self.options.batch_size, self.accelerator))
            row |= scores
            if self.options.schedule == "plateau":
                self.schedule.step(scores[task.monitor])
        better = not scores or self._better(scores[task.monitor])
        if better:
            progress.best, progress.best_epoch = scores.get(task.monitor), progress.epoch
        self.history.append(row)
        self.progress = Progress(progress.epoch + 1, best=progress.best, best_epoch=progress.best_epoch)
        if self.accelerator.is_main_process:
            if better:
                self.plain.card = weights_file.make_card(
                    self.plain, task.name, task.features, list(task.labels), self._training(), scores
                )
                weights_file.save(self.out, self.plain.state_dict())
            write_text(self.history_path, json.dumps(self.history, indent=1))
        self._keep()
        figures = "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key not in ("epoch", "n"))
        self._say(f"epoch {row['epoch']}/{self.options.epochs}  {figures}{'  (best)' if better and scores else ''}")

    def _better(self, figure: float) -> bool:
        best = self.progress.best
        if best is None or not math.isfinite(figure):
            return math.isfinite(figure)
        return figure > best if self.task.higher_is_better else figure < best

    def _out_of_patience(self) -> bool:
        waited = self.progress.epoch - 1 - self.progress.best_epoch
        if self.options.patience and self.val is not None and waited >= self.options.patience:
            self._say(f"no better {self.task.monitor} for {waited} epochs: stopping early")
            return True
        return False

    def _training(self) -> dict[str, Any]:
        chosen = {
            key: value for key, value in asdict(self.options).items() if key not in ("resume", "device", "workers")
        }
        return chosen | self.task.settings() | {"items": len(self.data), "epoch": self.progress.epoch}

    def _schedule(self) -> Any:
        steps = max(1, self.options.epochs * len(self.sampler))
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        if self.options.schedule == "cosine":
            return torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
            )
        mode: Literal["max", "min"] = "max" if self.task.higher_is_better else "min"
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, factor=0.5, patience=3)

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a run to be the same run."""
        kept = ("batch_size", "learning_rate", "weight_decay", "clip_norm", "schedule", "seed", "init_filename")
        return (
            {key: getattr(self.options, key) for key in kept}
            | {
                "task": self.task.name,
                "sizes": dict(self.plain.sizes),
                "features": self.task.features.card(),
                "items": len(self.data),
            }
            | ({"train_only": self.options.train_only} if self.options.train_only else {})
            | ({} if self.data.groups is None else {"shards": int(self.data.groups.max()) + 1})
            | self.task.settings()
        )

    def _is_due(self) -> bool:
        """Whether it is time to save, by the main process's clock."""
        waited = time.monotonic() - self.saved_at
        return self.accelerator.is_main_process and waited > 60 * self.options.save_minutes

    def _keep(self) -> None:
        self.saved_at = time.monotonic()
        self.kept.save(self.progress, self.history)

    def _loader(self, data: MelDataset, shares: Shares) -> "DataLoader[Any]":
        return make_loader(data, shares, self.options.workers, self.accelerator.device.type == "cuda")

    def _agreed(self, *flags: bool) -> list[bool]:
        """Whether any process says so; all must agree, or the others would wait for ever."""
        if self.accelerator.num_processes == 1:
            return list(flags)
        told = torch.tensor(flags, dtype=torch.float32, device=self.accelerator.device)
        return [count > 0 for count in self.accelerator.reduce(told, "sum").tolist()]

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            print(text, flush=True)
