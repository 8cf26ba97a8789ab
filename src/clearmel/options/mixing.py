"""Mixtures: speech with noise, voices with voices."""

from dataclasses import dataclass

from clearmel.options.fields import Options, flag


@dataclass(frozen=True)
class PoolOptions(Options):
    """Recordings to mix, and those held out for validation."""

    clean_path: str = flag("./data/speech", "folder of clean speech, a sub-folder per speaker")
    noise_path: str = flag("./data/noise", "folder of noises")
    val_clean_path: str | None = flag(None, "folder of other speakers to validate on (default: some of --clean_path)")
    val_noise_path: str | None = flag(None, "folder of other noises to validate on (default: some of --noise_path)")
    val_speakers: tuple[str, ...] = flag((), "sub-folders of --clean_path to validate on (default: drawn)")
    val_noises: tuple[str, ...] = flag((), "sub-folders or files of --noise_path to validate on (default: drawn)")
    val_fraction: float = flag(
        0.2, "share of the speakers and of the noises drawn for validation, 0 for none", low=0, below=1
    )

    def contradictions(self) -> list[tuple[bool, str]]:
        """An SNR range that ends before it begins."""
        low, high = getattr(self, "snr_min", 0.0), getattr(self, "snr_max", 0.0)
        return [(low > high, f"--snr_min {low}, --snr_max {high}; expected min <= max")]


@dataclass(frozen=True)
class BuildOptions(PoolOptions):
    """How to build a dataset on disk."""

    snr_min: float = flag(-5.0, "lowest SNR in dB, between active levels", low=-100, high=100)
    snr_max: float = flag(20.0, "highest SNR in dB", low=-100, high=100)
    n_mixtures: int = flag(4, "mixtures of each clean clip; with --clip_s, of each such length in it", low=1)
    val_mixtures: int | None = flag(None, "the same for validation (default: as --n_mixtures)", low=1)
    clip_s: float = flag(0.0, "length of a mixture in seconds, 0 for the whole clip", low=0)
    augment: float = flag(
        0.0, "share of the training mixtures with another level, tilt, band, codec, floor or babble", low=0, high=1
    )
    reverb: float = flag(0.0, "share of the mixtures whose speech is put in a room", low=0, high=1)
    floor: float = flag(
        0.0, "share of the training mixtures whose both sides get a hiss 26 to 50 dB below the speech", low=0, high=1
    )
    min_range_db: float = flag(0.0, "leave out clean files whose pauses are not this far below their speech")
    save_audio: bool = flag(False, "keep the mixtures as .wav in <output_path>/audio")
    shard_items: int = flag(
        0, "write tar files of so many mixtures, shards, in place of a file for each mel; 0: files", low=0
    )
    seed: int = flag(0, "of everything that is drawn", low=0)


@dataclass(frozen=True)
class MixOptions(PoolOptions):
    """How to mix speech and noise on the fly in training."""

    noise_path: str = flag("", "folder of noises: mixed on the fly with the speech in --clean_path")
    val_fraction: float = flag(
        0.1, "share of the speakers and of the noises drawn for validation, 0 for none", low=0, below=1
    )
    clip_s: float = flag(4.0, "length of a mixture in seconds", low=0.5, high=60)
    epoch_items: int = flag(0, "mixtures in an epoch (0: as many as the speech holds pieces of --clip_s)", low=0)
    val_items: int = flag(200, "mixtures to validate on", low=0)
    echo: int = flag(
        1, "epochs that use the same mixtures, whose mels stay in memory where --workers is 0: saves time", low=1
    )
    snr_min: float = flag(-8.0, "lowest SNR in dB, between active levels", low=-100, high=100)
    snr_max: float = flag(30.0, "highest SNR in dB", low=-100, high=100)
    augment: float = flag(
        0.8, "share of the mixtures with another speed, level, tilt, band, codec, floor or clipping", low=0, high=1
    )
    reverb: float = flag(
        0.25, "share of the mixtures whose speech is put in a room; its early part is the target", low=0, high=1
    )
    rir_path: str | None = flag(
        None, "folder of measured room impulse responses, for half of the reverberation (default: simulated rooms only)"
    )
    min_range_db: float = flag(30.0, "leave out clean files whose pauses are not this far below their speech")
    speaker_balance: float = flag(0.35, "0 draws speakers by the length of their speech, 1 all alike", low=0, high=1)
    other_voices: float = flag(
        0.4, "share of the mixtures whose voice gets other resonances, as of another speaker", low=0, high=1
    )


@dataclass(frozen=True)
class ClipNoiseOptions(Options):
    """Noise and rooms for labelled clips, which keep their labels."""

    noise_path: str = flag("", "folder of noises to add to the clips in training (default: no noise)")
    val_noise_path: str = flag("", "folder of other noises, added to every second clip in validation (default: none)")
    rir_path: str | None = flag(
        None, "folder of measured room impulse responses, for half of the reverberation (default: simulated rooms only)"
    )
    noise_share: float = flag(0.7, "share of the training clips with noise", low=0, high=1)
    pause_share: float = flag(
        0.4, "share of those with a pause of up to 3 s inserted where they are cut", low=0, high=1
    )
    levels_share: float = flag(0.5, "share of those whose phrases get levels up to 20 dB apart", low=0, high=1)
    denoised_share: float = flag(0.0, "share of those that denoiser.pth denoises, as `cut` does", low=0, high=1)
    snr_min: float = flag(3.0, "lowest SNR in dB, between active levels", low=-100, high=100)
    snr_max: float = flag(40.0, "highest SNR in dB", low=-100, high=100)
    reverb: float = flag(0.25, "share of the clips with noise whose speech is put in a room", low=0, high=1)

    def contradictions(self) -> list[tuple[bool, str]]:
        """An SNR range that ends before it begins, and validation in noise after training without."""
        low, high = self.snr_min, self.snr_max
        return [
            (low > high, f"--snr_min {low}, --snr_max {high}; expected min <= max"),
            (bool(self.val_noise_path) and not self.noise_path, "--val_noise_path needs --noise_path to train on"),
        ]


@dataclass(frozen=True)
class MultiSpeakerOptions(PoolOptions):
    """How to mix voices on the fly in training."""

    noise_path: str = flag("", "folder of noises to lay under the voices (default: none)")
    val_fraction: float = flag(0.1, "share of the speakers drawn for validation, 0 for none", low=0, below=1)
    n_voices: int = flag(2, "voices in a mixture, 2 or 3", choices=(2, 3))
    clip_s: float = flag(4.0, "length of a mixture in seconds", low=0.5, high=60)
    epoch_items: int = flag(0, "mixtures in an epoch (0: as many as the speech holds pieces of --clip_s)", low=0)
    val_items: int = flag(100, "mixtures to validate on", low=0)
    one_voice: float = flag(
        0.0, "share of the training mixtures with a single voice; all other tracks shall be silent", low=0, high=1
    )
    level_db: float = flag(5.0, "levels of the voices differ by at most this much, either way", low=0, high=40)
    overlap: float = flag(0.5, "least share of a mixture in which a second voice speaks, too", low=0, high=1)
    noise_share: float = flag(0.5, "share of the mixtures with noise, where --noise_path is given", low=0, high=1)
    snr_min: float = flag(5.0, "lowest SNR of the voices over the noise in dB", low=-100, high=100)
    snr_max: float = flag(25.0, "highest SNR in dB", low=-100, high=100)
    augment: float = flag(
        0.5,
        "share of the voices with another speed, of those with other resonances, and of the noisy mixtures with other "
        "noises and a recording chain",
        low=0,
        high=1,
    )
    reverb: float = flag(
        0.0, "share of the mixtures in a room; the early part of each voice is the target", low=0, high=1
    )
    rir_path: str | None = flag(
        None, "folder of measured room impulse responses, for half of the reverberation (default: simulated rooms only)"
    )
    speaker_balance: float = flag(0.35, "0 draws speakers by the length of their speech, 1 all alike", low=0, high=1)


@dataclass(frozen=True)
class SpeakerOptions(MultiSpeakerOptions):
    """How to draw pairs of recordings of one speaker in training."""

    n_voices: int = flag(1, "voices in a recording", choices=(1,))
    clip_s: float = flag(3.0, "length of a recording in seconds", low=0.5, high=60)
    epoch_items: int = flag(0, "pairs in an epoch (0: as many as the speech holds pieces of --clip_s)", low=0)
    val_items: int = flag(200, "pairs to validate on", low=0)
    noise_share: float = flag(0.6, "share of the recordings with noise, where --noise_path is given", low=0, high=1)
    augment: float = flag(
        0.6,
        "share of the speakers with another speed, of those with other resonances, and of the recordings with other "
        "noises and a recording chain",
        low=0,
        high=1,
    )
    reverb: float = flag(0.3, "share of the recordings in a room", low=0, high=1)
    speaker_balance: float = flag(0.8, "0 draws speakers by the length of their speech, 1 all alike", low=0, high=1)


NOT_OF_SPEAKERS = ("n_voices", "one_voice", "level_db", "overlap")
"""Fields of `SpeakerOptions` that concern several voices and are no flags."""
