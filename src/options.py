"""What the flags of the scripts mean, as frozen dataclasses: defaults, help texts and checks in one place.

No torch here: `--help` must answer at once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from src.errors import InputError

MIXED_PRECISION = ("auto", "no", "bf16")
SCHEDULES = ("plateau", "cosine", "none")
RECONSTRUCTIONS = ("gain", "griffin_lim")
DEVICES = ("auto", "cpu", "cuda")


def flag(default: Any, text: str) -> Any:
    """A field that becomes the flag of its name."""
    return field(default=default, metadata={"help": text})


def refuse(problems: list[tuple[bool, str]]) -> None:
    """Raises one InputError that names all problems whose condition holds."""
    wrong = [text for bad, text in problems if bad]
    if wrong:
        raise InputError("; ".join(wrong))


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
class PoolOptions:
    """Which recordings to mix, and which of them to validate on."""

    clean_path: str = flag("./data/speech", "folder of clean speech, a sub-folder per speaker")
    noise_path: str = flag("./data/noise", "folder of noises")
    val_clean_path: str | None = flag(None, "folder of other speakers to validate on (default: some of --clean_path)")
    val_noise_path: str | None = flag(None, "folder of other noises to validate on (default: some of --noise_path)")
    val_speakers: tuple[str, ...] = flag((), "sub-folders of --clean_path to validate on (default: drawn)")
    val_noises: tuple[str, ...] = flag((), "sub-folders or files of --noise_path to validate on (default: drawn)")
    val_fraction: float = flag(0.2, "share of the speakers and of the noises drawn for validation, 0 for none")


@dataclass(frozen=True)
class BuildOptions(PoolOptions):
    """What dataset to build."""

    snr_min: float = flag(-5.0, "lowest SNR in dB, between active levels")
    snr_max: float = flag(20.0, "highest SNR in dB")
    n_mixtures: int = flag(4, "mixtures of each clean clip; with --clip_s, of each such length in it")
    val_mixtures: int | None = flag(None, "the same for validation (default: as --n_mixtures)")
    clip_s: float = flag(0.0, "length of a mixture in seconds, 0 for the whole clip")
    augment: float = flag(0.0, "share of the training mixtures with another level, tilt, band, codec, floor or babble")
    reverb: float = flag(0.0, "share of the mixtures whose speech is put in a room")
    floor: float = flag(0.0, "share of the training mixtures whose both sides get a hiss 26 to 50 dB below the speech")
    min_range_db: float = flag(0.0, "leave out clean files whose pauses are not this far below their speech")
    save_audio: bool = flag(False, "keep the mixtures as .wav in <output_path>/audio")
    seed: int = flag(0, "of everything that is drawn")

    def __post_init__(self) -> None:
        mixtures = self.n_mixtures, self.val_mixtures if self.val_mixtures is not None else 1
        refuse(
            [
                (
                    not self.snr_min <= self.snr_max,
                    f"--snr_min {self.snr_min}, --snr_max {self.snr_max}; expected min <= max",
                ),
                (
                    not max(abs(self.snr_min), abs(self.snr_max)) <= 100,
                    "--snr_min / --snr_max; expected -100 to 100 dB",
                ),
                (min(mixtures) < 1, f"--n_mixtures / --val_mixtures {min(mixtures)}; expected 1 or more"),
                (not 0 <= self.val_fraction < 1, f"--val_fraction {self.val_fraction}; expected 0 to below 1"),
                (not 0 <= self.augment <= 1, f"--augment {self.augment}; expected a share from 0 to 1"),
                (not 0 <= self.reverb <= 1, f"--reverb {self.reverb}; expected a share from 0 to 1"),
                (not 0 <= self.floor <= 1, f"--floor {self.floor}; expected a share from 0 to 1"),
                (not 0 <= self.clip_s < math.inf, f"--clip_s {self.clip_s}; expected 0 or more seconds"),
                (self.seed < 0, f"--seed {self.seed}; expected 0 or more"),
            ]
        )


@dataclass(frozen=True)
class MixOptions(PoolOptions):
    """How to mix speech and noise anew for every step of training."""

    noise_path: str = flag("", "folder of noises: mix them with the speech in --clean_path anew for every step")
    val_fraction: float = flag(0.1, "share of the speakers and of the noises drawn for validation, 0 for none")
    clip_s: float = flag(4.0, "length of a mixture in seconds")
    epoch_items: int = flag(0, "mixtures in an epoch (0: as many as the speech holds pieces of --clip_s)")
    val_items: int = flag(200, "mixtures to validate on")
    snr_min: float = flag(-8.0, "lowest SNR in dB, between active levels")
    snr_max: float = flag(30.0, "highest SNR in dB")
    augment: float = flag(0.8, "share of the mixtures with another speed, level, tilt, band, codec, floor or clipping")
    reverb: float = flag(0.25, "share of the mixtures whose speech is put in a room; its early part is the target")
    min_range_db: float = flag(30.0, "leave out clean files whose pauses are not this far below their speech")
    speaker_balance: float = flag(0.35, "0 draws speakers by the length of their speech, 1 all alike")
    other_voices: float = flag(0.4, "share of the mixtures whose voice gets other resonances, as of another speaker")

    def __post_init__(self) -> None:
        refuse(
            [
                (not self.snr_min <= self.snr_max, f"--snr_min {self.snr_min}, --snr_max {self.snr_max}; min <= max"),
                (not 0 <= self.speaker_balance <= 1, f"--speaker_balance {self.speaker_balance}; expected 0 to 1"),
                (not 0 <= self.other_voices <= 1, f"--other_voices {self.other_voices}; expected a share from 0 to 1"),
                (
                    not max(abs(self.snr_min), abs(self.snr_max)) <= 100,
                    "--snr_min / --snr_max; expected -100 to 100 dB",
                ),
                (min(self.epoch_items, self.val_items) < 0, "--epoch_items / --val_items; expected 0 or more"),
                (not 0 <= self.val_fraction < 1, f"--val_fraction {self.val_fraction}; expected 0 to below 1"),
                (not 0 <= self.augment <= 1, f"--augment {self.augment}; expected a share from 0 to 1"),
                (not 0 <= self.reverb <= 1, f"--reverb {self.reverb}; expected a share from 0 to 1"),
                (not 0.5 <= self.clip_s <= 60, f"--clip_s {self.clip_s}; expected 0.5 to 60 seconds"),
            ]
        )


@dataclass(frozen=True)
class VoiceOptions(PoolOptions):
    """How to mix voices anew for every step of training."""

    noise_path: str = flag("", "folder of noises to lay under the voices (default: none)")
    val_fraction: float = flag(0.1, "share of the speakers drawn for validation, 0 for none")
    n_voices: int = flag(2, "voices in a mixture, 2 or 3")
    clip_s: float = flag(4.0, "length of a mixture in seconds")
    epoch_items: int = flag(0, "mixtures in an epoch (0: as many as the speech holds pieces of --clip_s)")
    val_items: int = flag(100, "mixtures to validate on")
    level_db: float = flag(5.0, "levels of the voices differ by at most this much, either way")
    overlap: float = flag(0.5, "least share of a mixture in which a second voice speaks, too")
    noise_share: float = flag(0.5, "share of the mixtures with noise, where --noise_path is given")
    snr_min: float = flag(5.0, "lowest SNR of the voices over the noise in dB")
    snr_max: float = flag(25.0, "highest SNR in dB")
    augment: float = flag(0.5, "share of the voices with another speed, and of those with other resonances")
    reverb: float = flag(0.0, "share of the mixtures in a room; each voice is then wanted as it sounds there")
    speaker_balance: float = flag(0.35, "0 draws speakers by the length of their speech, 1 all alike")

    def __post_init__(self) -> None:
        shares = {key: getattr(self, key) for key in ("noise_share", "augment", "reverb", "overlap", "speaker_balance")}
        refuse(
            [
                (self.n_voices not in (2, 3), f"--n_voices {self.n_voices}; expected 2 or 3"),
                *((not 0 <= value <= 1, f"--{key} {value}; expected 0 to 1") for key, value in shares.items()),
                (not self.snr_min <= self.snr_max, f"--snr_min {self.snr_min}, --snr_max {self.snr_max}; min <= max"),
                (not 0 <= self.level_db <= 40, f"--level_db {self.level_db}; expected 0 to 40 dB"),
                (min(self.epoch_items, self.val_items) < 0, "--epoch_items / --val_items; expected 0 or more"),
                (not 0 <= self.val_fraction < 1, f"--val_fraction {self.val_fraction}; expected 0 to below 1"),
                (not 0.5 <= self.clip_s <= 60, f"--clip_s {self.clip_s}; expected 0.5 to 60 seconds"),
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

    def __post_init__(self) -> None:
        weights = self.mel_weight, self.spectrum_weight, self.sdr_weight, self.resolution_weight
        refuse(
            [
                (not all(0 <= w < math.inf for w in weights), "the weights of the errors; expected 0 or more"),
                (not sum(weights) > 0, "the weights of the errors are all 0; expected one above"),
                (not 0 <= self.complex_share <= 1, f"--complex_share {self.complex_share}; expected 0 to 1"),
            ]
        )


FEATURE_PRESETS: dict[str, dict[str, int | float]] = {
    "mel80": {},
    "speech40": {"n_fft": 480, "hop_length": 160, "n_mels": 40, "top_db": 80.0},
    "esc50": {
        "sample_rate": 44100,
        "n_fft": 4096,
        "win_length": 3969,
        "hop_length": 308,
        "n_mels": 256,
        "fmax": 17000.0,
        "top_db": 80.0,
    },
    "mel100": {"n_fft": 512, "hop_length": 160},
    "podcast": {
        "sample_rate": 22050,
        "n_fft": 2048,
        "win_length": 1102,
        "hop_length": 880,
        "fmin": 0.0,
        "fmax": 11025.0,
        "pre_emphasis": 0.97,
        "exponent": 1,
    },
}
"""Numbers of `MelFeatures` by name, where they differ from its defaults."""


@dataclass(frozen=True)
class FeatureOptions:
    """What a mel is; a number that is not given is that of the preset."""

    features: str = flag(
        "mel80", f"numbers of the mels: {' / '.join(FEATURE_PRESETS)}, each of which a flag may change"
    )
    sample_rate: int | None = flag(None, "in Hz")
    n_fft: int | None = flag(None, "length of the FFT in samples, even")
    win_length: int | None = flag(None, "length of the window in samples, 0 for n_fft")
    hop_length: int | None = flag(None, "samples from frame to frame")
    n_mels: int | None = flag(None, "mel bands")
    fmin: float | None = flag(None, "lower edge of the lowest band in Hz")
    fmax: float | None = flag(None, "upper edge of the highest band in Hz")
    top_db: float | None = flag(None, "count from the loudest value down to this far below it; 0: absolute values")

    def __post_init__(self) -> None:
        refuse(
            [
                (
                    self.features not in FEATURE_PRESETS,
                    f"--features {self.features}; expected {' / '.join(FEATURE_PRESETS)}",
                )
            ]
        )

    def numbers(self) -> dict[str, Any]:
        """Arguments of `MelFeatures`."""
        given = {key: value for key, value in vars(self).items() if key != "features" and value is not None}
        return FEATURE_PRESETS[self.features] | given


CLASSIFIERS = (
    "lstm",
    "bcresnet",
    "vgg11",
    "resnet18",
    "resnet34",
    "resnet50",
    "mhatt",
    "kwt",
    "fully_connected",
    "statistics",
)


@dataclass(frozen=True)
class ClassifierOptions:
    """Which classifier; a size that is not given is as published."""

    network: str = flag("lstm", f"what is trained: {' / '.join(CLASSIFIERS)}")
    hidden_dim: int | None = flag(None, "lstm, mhatt, kwt, vgg11, fully_connected, statistics: width")
    num_layers: int | None = flag(None, "lstm, mhatt, kwt: layers")
    scale: int | None = flag(None, "bcresnet: 1, 8 and 16 are usual")
    width: int | None = flag(None, "resnets, vgg11: channels of the first stage")
    num_heads: int | None = flag(None, "mhatt, kwt: attention heads")
    patch_frames: int | None = flag(None, "kwt: frames in a patch")
    window: int | None = flag(None, "fully_connected: frames that are seen at once")
    members: int | None = flag(None, "statistics: perceptrons whose answers are averaged")
    dropout: float | None = flag(None, "in training")

    def __post_init__(self) -> None:
        refuse(
            [
                (self.network not in CLASSIFIERS, f"--network {self.network}; expected {' / '.join(CLASSIFIERS)}"),
                (not 0 <= (self.dropout or 0) < 1, f"--dropout {self.dropout}; expected 0 to below 1"),
                *(
                    (value < 1, f"--{key} {value}; expected 1 or more")
                    for key, value in self.sizes().items()
                    if key != "dropout"
                ),
            ]
        )

    def sizes(self) -> dict[str, Any]:
        """Those that are given."""
        return {key: value for key, value in vars(self).items() if key != "network" and value is not None}


CUTTERS = ("crnn", "conv1d")


@dataclass(frozen=True)
class CutterOptions:
    """Which network decides what is kept; a size that is not given is the network's own."""

    network: str = flag("crnn", "what is trained: crnn, or conv1d as in the original system")
    hidden_dim: int | None = flag(None, "crnn: width")
    num_layers: int | None = flag(None, "crnn: layers of the GRU")
    levels: int | None = flag(None, "conv1d: how often the width halves")
    repeat: int | None = flag(None, "conv1d: convolutions of each width")
    level_1: int | None = flag(None, "conv1d: width of the first convolution")
    dropout: float | None = flag(None, "in training")

    def __post_init__(self) -> None:
        refuse(
            [
                (self.network not in CUTTERS, f"--network {self.network}; expected {' / '.join(CUTTERS)}"),
                (not 0 <= (self.dropout or 0) < 1, f"--dropout {self.dropout}; expected 0 to below 1"),
                (not 0 <= (self.levels or 0) <= 10, f"--levels {self.levels}; expected 0 to 10"),
                *(
                    (value < 1, f"--{key} {value}; expected 1 or more")
                    for key, value in self.sizes().items()
                    if key not in ("dropout", "levels")
                ),
            ]
        )

    def sizes(self) -> dict[str, Any]:
        """Those that are given."""
        return {key: value for key, value in vars(self).items() if key != "network" and value is not None}


SEPARATORS = ("band_split", "looking_to_listen", "looking_to_listen_faces")


@dataclass(frozen=True)
class SeparatorOptions:
    """Which network tells voices apart; a size that is not given is the network's own."""

    network: str = flag("band_split", f"what is trained: {' / '.join(SEPARATORS)}")
    hidden_dim: int | None = flag(None, "width")
    num_layers: int | None = flag(None, "band_split: blocks")
    channels: int | None = flag(None, "looking_to_listen: width of the convolutions")
    linear_dim: int | None = flag(None, "looking_to_listen: width of the linear layers")
    dropout: float | None = flag(None, "in training")
    n_fft: int = flag(512, "length of the window and the FFT in samples at 16 kHz")
    win_length: int = flag(0, "length of the window where it is shorter than the FFT, 0: as long")
    hop_length: int = flag(256, "samples from frame to frame")

    def __post_init__(self) -> None:
        refuse(
            [
                (self.network not in SEPARATORS, f"--network {self.network}; expected {' / '.join(SEPARATORS)}"),
                (not 0 <= (self.dropout or 0) < 1, f"--dropout {self.dropout}; expected 0 to below 1"),
                *(
                    (value < 1, f"--{key} {value}; expected 1 or more")
                    for key, value in self.sizes().items()
                    if key != "dropout"
                ),
            ]
        )

    def sizes(self) -> dict[str, Any]:
        """Those that are given."""
        own = ("hidden_dim", "num_layers", "channels", "linear_dim", "dropout")
        return {key: value for key in own if (value := getattr(self, key)) is not None}


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


@dataclass(frozen=True)
class CleanOptions:
    """How strongly to clean a recording."""

    strength: float = flag(1.0, "share of the attenuation in dB: 0 leaves the recording as it is, 1 is full")
    max_suppression_db: float | None = flag(None, "no bin is attenuated by more (default: no limit)")
    reconstruction: str = flag(
        "gain", "gain keeps the recording's phase; griffin_lim makes a new one, as the published suite did"
    )

    def __post_init__(self) -> None:
        limit = self.max_suppression_db
        refuse(
            [
                (not 0 <= self.strength <= 1, f"--strength {self.strength}; expected 0 to 1"),
                (limit is not None and not 0 <= limit < math.inf, f"--max_suppression_db {limit}; expected 0 or more"),
                (
                    self.reconstruction not in RECONSTRUCTIONS,
                    f"--reconstruction {self.reconstruction}; expected {' / '.join(RECONSTRUCTIONS)}",
                ),
            ]
        )


MODES = ("delete", "attenuate")
GENTLE = {"min_keep_s": 0.06, "min_cut_s": 0.6, "margin_before_s": 0.16, "margin_after_s": 0.24}
TIGHT = {"min_keep_s": 0.2, "min_cut_s": 0.12, "margin_before_s": 0.02, "margin_after_s": 0.04}
"""Lengths at strength 0 and 1; between them each moves evenly in its logarithm."""
THRESHOLD_SPAN = 3.0
"""How far the threshold moves from strength 0.5 to either end, in nepers of its odds."""


@dataclass(frozen=True)
class CutOptions:
    """Which parts of a recording stay, and what becomes of the others."""

    threshold: float = flag(0.5, "probability of being kept at which a part begins (default: the weights' own)")
    hysteresis: float = flag(0.5, "a part reaches as far as the probability stays above this share of the threshold")
    min_keep_s: float = flag(0.11, "shorter parts are cut (default: from 0.06 to 0.2, by --strength)")
    min_cut_s: float = flag(0.27, "shorter cuts are closed (default: from 0.6 to 0.12, by --strength)")
    margin_before_s: float = flag(0.06, "kept before a part (default: from 0.16 to 0.02, by --strength)")
    margin_after_s: float = flag(0.1, "kept behind a part (default: from 0.24 to 0.04, by --strength)")
    mode: str = flag("delete", "delete cuts, or attenuate them and keep the length")
    attenuation_db: float = flag(24.0, "how far attenuate lowers")

    def __post_init__(self) -> None:
        spans = {key: value for key, value in vars(self).items() if key.endswith("_s")}
        refuse(
            [
                *((not 0 <= value <= 60, f"--{key} {value}; expected 0 to 60 seconds") for key, value in spans.items()),
                (not 0 < self.threshold < 1, f"--threshold {self.threshold}; expected a probability between 0 and 1"),
                (not 0 <= self.hysteresis <= 1, f"--hysteresis {self.hysteresis}; expected 0 to 1"),
                (self.mode not in MODES, f"--mode {self.mode}; expected {' / '.join(MODES)}"),
                (not 0 <= self.attenuation_db <= 120, f"--attenuation_db {self.attenuation_db}; expected 0 to 120"),
            ]
        )

    def lower(self) -> float:
        """The lower threshold."""
        return self.threshold * self.hysteresis

    @classmethod
    def of_strength(cls, strength: float, threshold: float, given: Mapping[str, Any] | None = None) -> "CutOptions":
        """The options of one knob.

        Args:
            strength: 0 keeps breath and rhythm, 0.5 is the weights' own threshold, 1 cuts whatever is no word.
            threshold: of the weights.
            given: fields that the user has set; None where they have not.
        """
        lengths = {key: GENTLE[key] ** (1 - strength) * TIGHT[key] ** strength for key in GENTLE}
        odds = threshold / (1 - threshold) * math.exp(THRESHOLD_SPAN * (2 * strength - 1))
        chosen = {"threshold": odds / (1 + odds)} | lengths
        return cls(**chosen | {key: value for key, value in (given or {}).items() if value is not None})


FRAME_RATE_HZ = 25
"""Video frames a second of a clip, as audio-visual data sets have them."""


@dataclass(frozen=True)
class ClipOptions:
    """Which clips of a list to fetch, and how."""

    first: int = flag(1, "number of the first row to fetch")
    last: int | None = flag(None, "number of the last row to fetch (default: all)")
    seconds: float = flag(0.0, "length of a clip from its start, 0: until the row's end")
    sample_rate: int = flag(16000, "of the sound in Hz")
    workers: int = flag(4, "clips at a time")
    timeout_s: float = flag(300.0, "give a clip up after so many seconds")
    frames: bool = flag(False, "write video frames, too: JPEG, 25 a second")
    retry_failed: bool = flag(False, "try those again that an earlier run could not fetch")

    def __post_init__(self) -> None:
        last = self.last
        refuse(
            [
                (self.first < 1, f"--first {self.first}; expected 1 or more"),
                (last is not None and last < self.first, f"--last {last}; expected --first {self.first} or more"),
                (not 0 <= self.seconds < math.inf, f"--seconds {self.seconds}; expected 0 or more"),
                (not 1000 <= self.sample_rate <= 384000, f"--sample_rate {self.sample_rate}; expected 1000 to 384000"),
                (not 1 <= self.workers <= 64, f"--workers {self.workers}; expected 1 to 64"),
                (not 0 < self.timeout_s <= 86400, f"--timeout_s {self.timeout_s}; expected above 0 to 86400"),
            ]
        )
