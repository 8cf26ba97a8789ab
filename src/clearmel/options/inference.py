"""How recordings are processed, and which clips of a list are downloaded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearmel.core.errors import InputError
from clearmel.options.fields import Options, flag

RECONSTRUCTIONS = ("gain", "griffin_lim")


@dataclass(frozen=True)
class DenoiseOptions(Options):
    """How strongly to denoise a recording."""

    strength: float = flag(
        1.0, "share of the attenuation in dB: 0 leaves the recording as it is, 1 is full", low=0, high=1
    )
    max_suppression_db: float | None = flag(None, "no bin is attenuated by more (default: no limit)", low=0)
    reconstruction: str = flag(
        "gain",
        "gain keeps the recording's phase; griffin_lim makes a new one, as the published suite did",
        choices=RECONSTRUCTIONS,
    )
    warm_up_s: float | None = flag(
        None,
        "opening seconds of a file that initialise the model's state (default: 4; weights of the published kind: 0)",
        low=0,
        high=60,
    )
    passes: int = flag(
        2, "over a file: the second one corrects the gains backwards in time; 1 is what a stream has", low=1, high=2
    )
    unlink_channels: bool = flag(
        False, "denoise each channel on its own, such as two microphones of an interview (default: one gain for all)"
    )
    keep_music: bool = flag(
        False, "leave the parts alone in which sounds.pth detects music, such as jingles; files only"
    )


TRACK_STRENGTH = 0.3
"""Share of the attenuation in dB with which separated tracks are denoised; with more, voices lose what noise does."""
LOUDNESS = {"podcast": -16.0, "broadcast": -23.0}
"""Integrated loudnesses in LUFS by name: that of most podcast platforms, and that of EBU R 128."""
LOUDNESS_LUFS = (-60.0, -5.0)
"""Quietest and loudest that can be asked for."""


def lufs(wanted: str | float) -> float:
    """A loudness in LUFS from its name or number.

    Raises:
        InputError: it is neither, or out of range.
    """
    try:
        value = LOUDNESS.get(str(wanted)) or float(wanted)
    except ValueError:
        value = math.nan
    if not LOUDNESS_LUFS[0] <= value <= LOUDNESS_LUFS[1]:
        names = ", ".join(LOUDNESS)
        raise InputError(f"loudness {wanted}; expected {names}, or -60 to -5 LUFS, such as -16.")
    return value


@dataclass(frozen=True)
class MediaOptions(Options):
    """What is read of a file with several tracks, and how compressed sound is written."""

    audio_track: int | None = flag(None, "sound track of a video, from 1 (default: its main one)", low=1, high=99)
    bitrate: int | None = flag(None, "kbit/s of mp3, m4a, opus ... (default: the input's)", low=4, high=2000)
    no_tags: bool = flag(False, "leave out tags, cover, chapters and marks of the input")


RAW_FORMATS = ("s16le", "s24le", "s32le", "f32le")


@dataclass(frozen=True)
class RawOptions(Options):
    """The format of sound without a header on a pipe."""

    raw_format: str | None = flag(
        None, f"sound on stdin and stdout has no wav header: {' / '.join(RAW_FORMATS)}", choices=RAW_FORMATS
    )
    raw_rate: int = flag(16000, "its sample rate in Hz", low=1000, high=384000)
    raw_channels: int = flag(1, "its channels, interleaved", low=1, high=64)


MODES = ("delete", "attenuate")
GENTLE = {"min_keep_s": 0.06, "min_cut_s": 0.6, "margin_before_s": 0.16, "margin_after_s": 0.24}
TIGHT = {"min_keep_s": 0.2, "min_cut_s": 0.12, "margin_before_s": 0.02, "margin_after_s": 0.04}
"""Lengths at strength 0 and 1; between them each moves evenly in its logarithm."""
THRESHOLD_SPAN = 3.0
"""How far the threshold moves from strength 0.5 to either end, in nepers of its odds."""


@dataclass(frozen=True)
class CutOptions(Options):
    """Which parts of a recording stay, and whether the rest is deleted or attenuated."""

    threshold: float = flag(
        0.5, "probability of being kept at which a part begins (default: the weights' own)", above=0, below=1
    )
    hysteresis: float = flag(
        0.5, "a part reaches as far as the probability stays above this share of the threshold", low=0, high=1
    )
    min_keep_s: float = flag(0.11, "shorter parts are cut (default: from 0.06 to 0.2, by --strength)", low=0, high=60)
    min_cut_s: float = flag(0.27, "shorter cuts are closed (default: from 0.6 to 0.12, by --strength)", low=0, high=60)
    margin_before_s: float = flag(
        0.06, "kept before a part (default: from 0.16 to 0.02, by --strength)", low=0, high=60
    )
    margin_after_s: float = flag(0.1, "kept behind a part (default: from 0.24 to 0.04, by --strength)", low=0, high=60)
    mode: str = flag("delete", "delete cuts, or attenuate them and keep the length", choices=MODES)
    attenuation_db: float = flag(24.0, "how far attenuate lowers", low=0, high=120)

    def lower(self) -> float:
        """The lower threshold."""
        return self.threshold * self.hysteresis

    @classmethod
    def of_strength(cls, strength: float, threshold: float, given: Mapping[str, Any] | None = None) -> "CutOptions":
        """The options that one strength stands for.

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
class ClipOptions(Options):
    """Which clips of a list to fetch, and how."""

    first: int = flag(1, "number of the first row to fetch", low=1)
    last: int | None = flag(None, "number of the last row to fetch (default: all)")
    seconds: float = flag(0.0, "length of a clip from its start, 0: until the row's end", low=0)
    sample_rate: int = flag(16000, "of the sound in Hz", low=1000, high=384000)
    workers: int = flag(4, "clips at a time", low=1, high=64)
    timeout_s: float = flag(300.0, "give a clip up after so many seconds", above=0, high=86400)
    frames: bool = flag(False, "write video frames, too: JPEG, 25 a second")
    retry_failed: bool = flag(False, "try those again that an earlier run could not fetch")

    def contradictions(self) -> list[tuple[bool, str]]:
        """A last row before the first."""
        last = self.last
        return [(last is not None and last < self.first, f"--last {last}; expected --first {self.first} or more")]
