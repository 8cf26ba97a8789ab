"""Setup of a training run: everything that exists before the first step."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from clearmel.checkpoints import cards, weights_file
from clearmel.checkpoints.resume_file import Progress, ResumeFile
from clearmel.core import malloc
from clearmel.core.errors import InputError
from clearmel.core.file_io import claiming, ensure_writable, quoted
from clearmel.data.batching import BucketSampler
from clearmel.data.mel_datasets import MelDataset
from clearmel.networks import Network
from clearmel.options import FitOptions
from clearmel.tasks.base import Task
from clearmel.training.evaluate import make_accelerator
from clearmel.training.schedule import Schedule


@dataclass
class Setup:
    """The parts of a training run.

    train, val: the data; val is None without a validation set. network: the bare network. average: the moving average
    of its weights, None without one. wrapped: the same network, wrapped by accelerate for several processes. bf16:
    whether the loss is computed in bfloat16. progress, history: those of a new run, or of the resume file with
    --resume.
    """

    task: Task
    options: FitOptions
    out: Path
    accelerator: Accelerator
    train: MelDataset
    val: MelDataset | None
    sampler: BucketSampler
    network: Network
    average: AveragedModel | None
    wrapped: nn.Module
    optimizer: AcceleratedOptimizer
    schedule: Schedule
    resume_file: ResumeFile
    progress: Progress
    history: list[dict[str, float]]
    bf16: bool

    @property
    def result(self) -> Network:
        """The network that is validated and saved."""
        return self.network if self.average is None else cast(Network, self.average.module)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """A lock on rank 0: inside it, no second run can train weights of the same name."""
        return claiming(self.resume_file.path) if self.accelerator.is_main_process else contextlib.nullcontext()

    def say(self, text: str) -> None:
        """Prints a line on rank 0."""
        say(self.accelerator, text)


def prepare(task: Task, options: FitOptions, out: Path) -> Setup:
    """Builds data, network, optimizer, schedule and resume file, and loads the last with --resume.

    Raises:
        InputError: bad data or options, an output that cannot be written, or a resume file of another run.
    """
    accelerator = make_accelerator(options.device)
    if accelerator.device.type == "cpu":
        malloc.keep_freed_memory()
    train = task.dataset("train")
    val = (task.dataset("val") or None) if task.has("val") else None  # nothing to validate on with --val_items 0
    if val is None:
        say(accelerator, "no validation set: the weights of the last epoch are saved, and there are no scores")
    torch.manual_seed(options.seed)
    network = _network(task, options, accelerator)
    sampler = BucketSampler(train.lengths, options.batch_size, True, options.seed, train.groups)
    trainable = [weight for weight in network.parameters() if weight.requires_grad]
    adamw = torch.optim.AdamW(
        trainable, lr=options.learning_rate, weight_decay=options.weight_decay, betas=(0.9, 0.999)
    )
    wrapped, optimizer = accelerator.prepare(network, adamw)
    schedule = Schedule(
        options.schedule, optimizer.optimizer, options.epochs * len(sampler), higher_is_better=task.higher_is_better
    )
    average = None
    if options.ema_decay:
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(options.ema_decay))  # type: ignore[no-untyped-call]
    run = _identity(task, options, network, train)
    path = out.with_suffix(".resume.pth")
    resume_file = ResumeFile(path, run, network, average, optimizer, schedule, accelerator)
    setup = Setup(
        task, options, out, accelerator, train, val, sampler, network, average, wrapped, optimizer, schedule,
        resume_file, Progress(), [], _uses_bf16(options, accelerator),
    )  # fmt: skip
    ensure_writable(out)
    with setup.locked():  # an error here comes before hours of training, not after
        pass
    if options.resume:
        setup.progress, setup.history = resume_file.load(len(sampler))
        setup.say(f"resuming at epoch {setup.progress.epoch + 1}, batch {setup.progress.step + 1}")
    return setup


def say(accelerator: Accelerator, text: str) -> None:
    """Prints a line on rank 0."""
    if accelerator.is_main_process:
        print(text, flush=True)


def _network(task: Task, options: FitOptions, accelerator: Accelerator) -> Network:
    """A new network or the one of --init_filename, with the parameters frozen that --train_only leaves out."""
    network = task.network()
    if options.init_filename:
        path = weights_file.models_path(options.init_filename, saved=True)
        trained = weights_file.load(path, None)  # `begin_from` says which networks will do
        if differences := cards.changed(trained.card["features"], task.features.card()):
            say(accelerator, f"{quoted(path)} was trained on other features: {differences}")
        try:
            network = network.begin_from(trained)
        except ValueError as error:
            raise InputError(f"--init_filename: {quoted(path)} {error}") from error
        network.train()
    try:
        network.train_only(options.train_only)
    except ValueError as error:
        raise InputError(f"--train_only {error}") from error
    return network


def _uses_bf16(options: FitOptions, accelerator: Accelerator) -> bool:
    return options.mixed_precision == "bf16" or (
        options.mixed_precision == "auto"
        and accelerator.device.type == "cuda"
        and torch.cuda.is_bf16_supported(including_emulation=False)
    )


def _identity(task: Task, options: FitOptions, network: Network, train: MelDataset) -> dict[str, Any]:
    """The settings that a resumed run must share with the interrupted one."""
    names = ("batch_size", "learning_rate", "weight_decay", "clip_norm", "schedule", "seed", "init_filename")
    return (
        {name: getattr(options, name) for name in names}
        | {
            "task": task.name,
            "sizes": dict(network.sizes),
            "features": task.features.card(),
            "items": len(train),
        }
        | ({"train_only": options.train_only} if options.train_only else {})
        | ({"ema_decay": options.ema_decay} if options.ema_decay else {})
        | ({} if train.groups is None else {"shards": int(train.groups.max()) + 1})
        | task.settings()
    )
