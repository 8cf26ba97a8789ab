"""How to train: optimisation, losses, augmentation."""

from dataclasses import dataclass

from clearmel.options.fields import Options, flag

MIXED_PRECISION = ("auto", "no", "bf16")
SCHEDULES = ("plateau", "cosine", "none")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class FitOptions(Options):
    """How to train."""

    epochs: int = flag(10, "passes over the training data", low=1)
    batch_size: int = flag(32, "items in a step, over all processes", low=1)
    learning_rate: float = flag(1e-3, "of AdamW at the start", above=0)
    weight_decay: float = flag(0.0, "of AdamW", low=0)
    clip_norm: float = flag(5.0, "bound of the gradient's norm, 0 for none", low=0)
    schedule: str = flag("plateau", "of the learning rate: plateau, cosine or none", choices=SCHEDULES)
    patience: int = flag(0, "epochs without a better figure before stopping early, 0 for never", low=0)
    ema_decay: float = flag(
        0.0,
        "of an exponential moving average of the weights, per step, which is validated and saved in place of the last "
        "weights; 0.999 is usual, 0 for none",
        low=0,
        below=1,
    )
    seed: int = flag(0, "of the first weights, the order and dropout", low=0)
    workers: int = flag(0, "processes that load data", low=0)
    device: str = flag(
        "auto", "auto (CUDA where there is a device, else the CPU), cpu, cuda or mps (Apple)", choices=DEVICES
    )
    mixed_precision: str = flag(
        "auto", "of the loss: auto (bf16 on a GPU that has it), no or bf16", choices=MIXED_PRECISION
    )
    save_minutes: float = flag(10.0, "how often the resume file is written within an epoch")
    init_filename: str | None = flag(None, "weights in models/ to start from, to fit them to other data")
    train_only: str = flag("", "train only weights whose names begin so, with commas between; the others stay")
    resume: bool = flag(False, "go on with the interrupted run in models/<name>.resume.pth")


@dataclass(frozen=True)
class LossOptions(Options):
    """Weights of the denoiser's losses, where it trains on waves."""

    mel_weight: float = flag(0.5, "weight of the squared error of the log-mels", low=0)
    spectrum_weight: float = flag(1.0, "weight of the error of the compressed spectrum", low=0)
    complex_share: float = flag(0.3, "share of phases in the error of the compressed spectrum", low=0, high=1)
    sdr_weight: float = flag(0.0, "weight of the negative SI-SDR in bels", low=0)
    resolution_weight: float = flag(0.0, "weight of the multi-resolution STFT error", low=0)
    loudness_weight: float = flag(0.0, "weight of the PESQ loss, in points of the mean opinion score", low=0)
    intelligibility_weight: float = flag(0.0, "weight of 1 - ESTOI", low=0)
    dnsmos_weight: float = flag(0.0, "weight of 5 - DNSMOS OVRL; takes the packages of clearmel[metrics]", low=0)

    def contradictions(self) -> list[tuple[bool, str]]:
        """All errors with a weight of 0."""
        weights = [value for name, value in vars(self).items() if name.endswith("_weight")]
        return [(not any(weights), "the weights of the errors are all 0; expected one above")]

    @property
    def of_waves(self) -> bool:
        """Whether a loss needs the estimate as a wave."""
        weights = self.sdr_weight, self.resolution_weight, self.loudness_weight, self.intelligibility_weight
        return any((*weights, self.dnsmos_weight))


@dataclass(frozen=True)
class AugmentOptions(Options):
    """Augmentation of labelled recordings; none by default."""

    speed: float = flag(
        0.0, "largest change of the speed and pitch of sound files: 0.1 is 0.9 to 1.1 times", low=0, high=0.5
    )
    gain_db: float = flag(0.0, "largest change of the level of sound files, either way", low=0, high=60)
    shortest: float = flag(
        1.0, "pieces of sound files are drawn from this share of --clip_s to all of it", above=0, high=1
    )
    filter_db: float = flag(0.0, "largest change of the level of a range of bands, either way", low=0, high=60)
    blend: float = flag(
        0.0, "share of the steps whose recordings sound two at a time, at a drawn ratio of loudness", low=0, high=1
    )
    time_mask: float = flag(
        0.0, "longest stretch of frames that is blanked, as a share of the recording; twice", low=0, below=1
    )
    freq_mask: float = flag(0.0, "widest range of bands that is blanked, as a share of them; twice", low=0, below=1)
    mixup: float = flag(
        0.0, "two recordings are mixed by a share drawn from a beta distribution of this parameter", low=0, high=10
    )
    label_smoothing: float = flag(0.0, "share of the target that is spread over all classes", low=0, below=1)
    snr_weight: float = flag(
        0.0,
        "weight of the error of the SNR in units of 10 dB, where speech and noise are mixed on the fly; above 0, the "
        "logit estimates the SNR",
        low=0,
    )
    temperature: float = flag(0.0, "of the probabilities; 0: fitted on the validation set", low=0, high=100)

    threshold: float = flag(
        0.0, "stored with the weights: classify calls a recording of a lower probability unknown", low=0, high=1
    )

    def contradictions(self) -> list[tuple[bool, str]]:
        """An SNR of two recordings at once."""
        both = bool(self.snr_weight and (self.mixup or self.blend))
        return [(both, "--snr_weight goes without --mixup and --blend: two recordings at once have no SNR")]
