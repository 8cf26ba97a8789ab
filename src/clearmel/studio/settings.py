"""What a person has chosen for a recording, the presets, and the command that does the same."""

import dataclasses
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearmel.core.errors import InputError
from clearmel.options import CutOptions, DenoiseOptions, lufs
from clearmel.segments import timelines
from clearmel.segments.frame_rate import FrameRate

DENOISERS = ("denoiser", "denoiser_tiny")
CLASSIFIERS = ("classifier", "noise_presence", "sounds", "esc10")
MOST_TOGETHER = 32

PRESETS: dict[str, dict[str, Any]] = {
    "podcast": {"strength": 1.0, "max_suppression_db": None, "loudness": -16.0},
    "cafe": {"strength": 1.0, "max_suppression_db": 18.0, "loudness": -16.0},
    "phone": {"strength": 0.8, "max_suppression_db": 15.0, "loudness": None},
    "tape": {"strength": 0.7, "max_suppression_db": 12.0, "loudness": None},
}
"""Named flags of `clearmel denoise`, nothing else."""


@dataclass(frozen=True)
class Settings:
    """Choices for one recording; the fields are flags of the commands.

    model, strength, max_suppression_db, keep_music, unlink_channels, loudness: of `clearmel denoise`; loudness in LUFS
    also of the cut recording.
    cut_strength, cut_denoise, timelines, timeline_only, fps: of `clearmel cut`. by_hand: the marks of the labelling
    page decide, as soon as there are some. together: further recordings (ids) that are cut alike. passes: of
    `clearmel separate`. classifier: weights of `clearmel classify`.
    """

    model: str = DENOISERS[0]
    strength: float = 1.0
    max_suppression_db: float | None = None
    keep_music: bool = False
    unlink_channels: bool = False
    loudness: float | None = None
    cut_strength: float = 0.5
    cut_denoise: bool = False
    by_hand: bool = False
    timelines: tuple[str, ...] = ()
    timeline_only: bool = False
    fps: str = "25"
    together: tuple[str, ...] = ()
    passes: int = 2
    classifier: str = CLASSIFIERS[0]

    def with_changes(self, changes: Mapping[str, Any]) -> "Settings":
        """The settings with some fields changed.

        Raises:
            InputError: there is no such field, or a value is out of range.
        """
        known = {field.name: field.default for field in dataclasses.fields(self)}
        values = dict[str, Any]()
        for key, value in changes.items():
            if key not in known:
                raise InputError(f"{key!r:.50} is no setting; expected one of {', '.join(known)}.")
            values[key] = _converted(key, value, known[key])
        changed = dataclasses.replace(self, **values)
        changed._check()
        return changed

    def _check(self) -> None:
        for name in (self.model, self.classifier):
            if not re.fullmatch(r"[\w-]{1,100}", name):
                raise InputError(f"model {name!r:.120}; expected the name of weights, such as denoiser.")
        DenoiseOptions(strength=self.strength, max_suppression_db=self.max_suppression_db)
        if self.loudness is not None:
            lufs(self.loudness)
        if not 0 <= self.cut_strength <= 1:
            raise InputError(f"cut_strength is {self.cut_strength}; expected 0 to 1.")
        if not 1 <= self.passes <= 16:
            raise InputError(f"passes is {self.passes}; expected 1 to 16.")
        if len(self.together) > MOST_TOGETHER:
            raise InputError(f"{len(self.together)} recordings together; expected at most {MOST_TOGETHER}.")
        timelines.check(self.timelines)
        FrameRate.parse(self.fps, drop=True)

    def sounding(self) -> dict[str, Any]:
        """What decides how the denoised recording sounds, apart from its loudness; arguments of `clearmel.Denoiser`."""
        names = ("model", "strength", "max_suppression_db", "keep_music", "unlink_channels")
        return {name: getattr(self, name) for name in names}

    def cut_options(self, threshold: float) -> CutOptions:
        """The options of the cut, for weights with a threshold."""
        return CutOptions.of_strength(self.cut_strength, threshold)


def _converted(key: str, value: Any, default: Any) -> Any:
    """A value of a request as the type of its field."""
    if isinstance(default, bool):
        good = isinstance(value, bool)
    elif isinstance(default, tuple):
        good = isinstance(value, list) and all(isinstance(one, str) for one in value)
        value = tuple(value) if good else value
    elif isinstance(default, str):
        good = isinstance(value, str)
    else:
        good = value is None if default is None and value is None else type(value) in (int, float)
        value = int(value) if good and isinstance(default, int) else value
    if not good:
        raise InputError(f"{key} is {value!r:.100}; expected a value like {default!r}.")
    return value


def command(task: str, sources: Sequence[Path], target: Path, settings: Settings, device: str = "auto") -> str:
    """The command line that does what a task of the page does, ready for a shell.

    Args:
        task: "denoise", "cut", "separate" or "classify".
        sources: the recordings.
        target: the output.
        settings: of the recording.
        device: of `--device`; "auto" is left out.
    """
    words: list[object] = ["clearmel", task, *sources]
    plain = Settings()
    if task == "classify":
        words += ["--timeline_path", target]
        words += ["--model_filename", f"{settings.classifier}.pth"] if settings.classifier != plain.classifier else []
    else:
        words += ["-o", target]
    if task == "denoise":
        words += ["--model_filename", f"{settings.model}.pth"] if settings.model != plain.model else []
        words += ["--strength", settings.strength] if settings.strength != 1 else []
        limit = settings.max_suppression_db
        words += ["--max_suppression_db", limit] if limit is not None else []
        words += ["--keep_music"] if settings.keep_music else []
        words += ["--unlink_channels"] if settings.unlink_channels else []
    if task == "cut":
        words += ["--strength", settings.cut_strength] if settings.cut_strength != plain.cut_strength else []
        words += ["--together"] if len(sources) > 1 else []
        words += ["--timelines", ",".join(settings.timelines)] if settings.timelines else []
        words += ["--timeline_only"] if settings.timeline_only else []
        words += ["--fps", settings.fps] if settings.timelines and settings.fps != plain.fps else []
        words += ["--denoise"] if settings.cut_denoise else []
    if task in ("denoise", "cut") and settings.loudness is not None:
        words += ["--loudness", settings.loudness]
    if task == "separate" and settings.passes != plain.passes:
        words += ["--passes", settings.passes]
    words += ["--device", device] if device != "auto" else []
    return shlex.join(str(word) for word in words)
