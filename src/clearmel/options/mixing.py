"""What to mix: speech with noise, voices with voices."""

import math
from dataclasses import dataclass

from clearmel.options.fields import flag, refuse


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
    shard_items: int = flag(0, "write tar files of so many mixtures, shards, in place of a file for each mel; 0: files")
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
                (self.shard_items < 0, f"--shard_items {self.shard_items}; expected 0 or more"),
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
class MultiSpeakerOptions(PoolOptions):
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
