"""How to train, what by, and how recordings are changed in it."""

import math
from dataclasses import dataclass

from clearmel.options.fields import flag, refuse

MIXED_PRECISION = ("auto", "no", "bf16")
SCHEDULES = ("plateau", "cosine", "none")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class FitOptions:
    """How to train."""

    epochs: int = flag(10, "passes over the training data")
    batch_size: int = flag(32, "items in a step, over all processes")
    learning_rate: float = flag(1e-3, "of AdamW at the start")
    weight_decay: float = flag(0.0, "of AdamW")
    clip_norm: float = flag(5.0, "bound of the gradient's norm, 0 for none")
    schedule: str = flag("plateau", "of the learning rate: plateau, cosine or none")
    patience: int = flag(0, "epochs without a better figure before stopping early, 0 for never")
    seed: int = flag(0, "of the first weights, the order and dropout")
    workers: int = flag(0, "processes that load data")
    device: str = flag("auto", "auto, cpu or cuda")
    mixed_precision: str = flag("auto", "of the loss: auto (bf16 on a GPU that has it), no or bf16")
    save_minutes: float = flag(10.0, "how often the resume file is written within an epoch")
    init_filename: str | None = flag(None, "weights in models/ to start from, to fit them to other data")
    train_only: str = flag("", "train only weights whose names begin so, with commas between; the others stay")
    resume: bool = flag(False, "go on with the interrupted run in models/<name>.resume.pth")

    def __post_init__(self) -> None:
        refuse(
            [
                (self.epochs < 1, f"--epochs {self.epochs}; expected 1 or more"),
                (self.batch_size < 1, f"--batch_size {self.batch_size}; expected 1 or more"),
                (
                    not 0 < self.learning_rate < math.inf,
                    f"--learning_rate {self.learning_rate}; expected a positive number",
                ),
                (not self.weight_decay >= 0, f"--weight_decay {self.weight_decay}; expected 0 or more"),
                (not self.clip_norm >= 0, f"--clip_norm {self.clip_norm}; expected 0 or more"),
                (self.schedule not in SCHEDULES, f"--schedule {self.schedule}; expected {' / '.join(SCHEDULES)}"),
                (self.patience < 0, f"--patience {self.patience}; expected 0 or more"),
                (self.seed < 0, f"--seed {self.seed}; expected 0 or more"),
                (self.workers < 0, f"--workers {self.workers}; expected 0 or more"),
                (self.device not in DEVICES, f"--device {self.device}; expected {' / '.join(DEVICES)}"),
                (
                    self.mixed_precision not in MIXED_PRECISION,
                    f"--mixed_precision {self.mixed_precision}; expected {' / '.join(MIXED_PRECISION)}",
                ),
            ]
        )


@dataclass(frozen=True)
class LossOptions:
    """What the denoiser is taught by, where it hears waves; the errors are added with these weights."""

    mel_weight: float = flag(0.5, "weight of the squared error of the log-mels")
    spectrum_weight: float = flag(1.0, "weight of the error of the compressed spectrum")
    complex_share: float = flag(0.3, "share of phases in the error of the compressed spectrum")
    sdr_weight: float = flag(0.0, "weight of the negative SI-SDR in bels")
    resolution_weight: float = flag(0.0, "weight of the multi-resolution STFT error")
    loudness_weight: float = flag(0.0, "weight of the difference that a listener hears, in points of opinion")
    intelligibility_weight: float = flag(0.0, "weight of the share of speech that cannot be understood")

    def __post_init__(self) -> None:
        weights = [value for name, value in vars(self).items() if name.endswith("_weight")]
        refuse(
            [
                (not all(0 <= w < math.inf for w in weights), "the weights of the errors; expected 0 or more"),
                (not sum(weights) > 0, "the weights of the errors are all 0; expected one above"),
                (not 0 <= self.complex_share <= 1, f"--complex_share {self.complex_share}; expected 0 to 1"),
            ]
        )

    @property
    def of_waves(self) -> bool:
        """Whether the estimate must become a wave again to be judged."""
        return any((self.sdr_weight, self.resolution_weight, self.loudness_weight, self.intelligibility_weight))


@dataclass(frozen=True)
class AugmentOptions:
    """How labelled sounds are changed in training; nothing is by default."""

    speed: float = flag(0.0, "largest change of the speed and pitch of sound files: 0.1 is 0.9 to 1.1 times")
    gain_db: float = flag(0.0, "largest change of the level of sound files, either way")
    shortest: float = flag(1.0, "pieces of sound files are drawn from this share of --clip_s to all of it")
    filter_db: float = flag(0.0, "largest change of the level of a range of bands, either way")
    blend: float = flag(0.0, "share of the steps whose recordings sound two at a time, at a drawn ratio of loudness")
    time_mask: float = flag(0.0, "longest stretch of frames that is blanked, as a share of the recording; twice")
    freq_mask: float = flag(0.0, "widest range of bands that is blanked, as a share of them; twice")
    mixup: float = flag(0.0, "two recordings are mixed by a share drawn from a beta distribution of this parameter")
    label_smoothing: float = flag(0.0, "share of the target that is spread over all classes")
    temperature: float = flag(0.0, "of the probabilities; 0: fitted on the validation set")

    def __post_init__(self) -> None:
        shares = {key: getattr(self, key) for key in ("time_mask", "freq_mask", "label_smoothing")}
        levels = {key: getattr(self, key) for key in ("gain_db", "filter_db")}
        refuse(
            [
                *((not 0 <= value < 1, f"--{key} {value}; expected 0 to below 1") for key, value in shares.items()),
                (not 0 <= self.speed <= 0.5, f"--speed {self.speed}; expected 0 to 0.5"),
                *((not 0 <= value <= 60, f"--{key} {value}; expected 0 to 60 dB") for key, value in levels.items()),
                (not 0 < self.shortest <= 1, f"--shortest {self.shortest}; expected above 0 to 1"),
                (not 0 <= self.blend <= 1, f"--blend {self.blend}; expected 0 to 1"),
                (not 0 <= self.mixup <= 10, f"--mixup {self.mixup}; expected 0 to 10"),
                (not 0 <= self.temperature <= 100, f"--temperature {self.temperature}; expected 0 to 100"),
            ]
        )
