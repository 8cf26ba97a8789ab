"""What the jobs of the page do: the commands' own functions, with their files in the output folder."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearmel.audio import sound_file, wav_chunks, working_level
from clearmel.audio.loudness import LoudnessMeter
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted
from clearmel.core.progress import Advance, advance, clock
from clearmel.options import TRACK_STRENGTH, CutOptions
from clearmel.reporting import tables
from clearmel.segments import binarize, timelines
from clearmel.segments.frame_rate import FrameRate
from clearmel.segments.timeline import Timeline
from clearmel.studio.jobs import Report
from clearmel.studio.library import Recording, free_path
from clearmel.studio.settings import Settings

if TYPE_CHECKING:
    from clearmel.api.denoising import Denoiser
    from clearmel.inference.cut import Editor

SYNCHRONOUS = "recordings that are cut together need one rate and length"


@dataclass(frozen=True)
class Decisions:
    """Keep probabilities (K,) of a recording, one each `step_s` seconds, and the threshold of the weights.

    snr_db: how far the speech lies above the noise, where that is too little to be sure of the cuts; else None.
    """

    probabilities: FloatArray
    step_s: float
    threshold: float
    snr_db: float | None


class Engine:
    """Runs the models.

    Args:
        output: folder of the results.
        device: where the networks compute.
    """

    def __init__(self, output: Path, device: str = "auto") -> None:
        self.output, self.device = output, device
        self._decisions = dict[tuple[Path, int, int], Decisions]()
        self._lock = threading.Lock()
        self._loaded: Editor | None = None

    def target(self, task: str, recording: Recording) -> Path:
        """Where the next result of a task will go; nothing lies there yet."""
        path = recording.path
        suffix = path.suffix if path.suffix.lower() in sound_file.WRITTEN else ".wav"
        name = {
            "denoise": f"{path.stem}_denoised{suffix}",
            "cut": f"{path.stem}_cut{suffix}",
            "separate": f"{path.stem}_voices",
            "classify": f"{path.stem}_classes.csv",
        }[task]
        return free_path(self.output / name)

    def denoiser(self, settings: Settings) -> "Denoiser":
        """The denoiser of the settings."""
        from clearmel.api.denoising import Denoiser

        return Denoiser(**settings.sounding(), device=self.device)

    def denoise(self, recording: Recording, settings: Settings, target: Path, report: Report) -> None:
        """Denoises a recording into a file, as `clearmel denoise` does."""
        self.denoiser(settings).denoise_file(recording.path, target, loudness=settings.loudness, progress=report)

    def loudness(self, path: Path) -> float | None:
        """Integrated loudness in LUFS; None for silence."""
        info = sound_file.inspect(path)
        meter = LoudnessMeter(info.sample_rate, info.n_channels)
        for block in sound_file.blocks(path):
            meter.push(block)
        found = meter.integrated()
        return round(found, 2) if np.isfinite(found) else None

    def decided(self, recording: Recording) -> Decisions | None:
        """The decisions of the cutter for a recording, if they are known and its file is there."""
        return self._decisions.get(_version(recording.path)) if recording.path.is_file() else None

    def decide(self, recording: Recording, add: Advance | None = None) -> Decisions:
        """As `decided`, computed if need be."""
        key = _version(recording.path)
        if key not in self._decisions:
            from clearmel.inference.cut import BLOCK_S, UNSURE_DB

            editor, path = self._editor(), recording.path
            meter = working_level.measure(sound_file.blocks(path, BLOCK_S), recording.info.sample_rate)
            found = editor.decide(lambda: sound_file.mono(path, editor.features.sample_rate, BLOCK_S), meter, add)
            snr_db = meter.snr_db() if meter.snr_db() < UNSURE_DB else None
            self._decisions[key] = Decisions(found, editor.step_s, editor.threshold, snr_db)
        return self._decisions[key]

    def kept(self, recordings: Sequence[Recording], settings: Settings) -> binarize.Parts | None:
        """The parts to keep, decided anew from the known probabilities; None if those are not all known."""
        found = [self.decided(recording) for recording in recordings]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            return None
        check_together(recordings)
        probabilities = np.max([one.probabilities for one in known], axis=0)
        first, options = known[0], settings.cut_options(known[0].threshold)
        duration_s = recordings[0].info.duration_s
        return binarize.parts_to_keep(probabilities, first.step_s, duration_s, options, -first.step_s / 2)

    def find_cuts(self, recordings: Sequence[Recording], report: Report) -> None:
        """Computes the decisions of recordings that are cut alike."""
        check_together(recordings)
        total_s = sum(recording.info.duration_s for recording in recordings)
        add = advance(report, total_s)
        for recording in recordings:
            self.decide(recording, add)

    def cut(
        self,
        recordings: Sequence[Recording],
        settings: Settings,
        target: Path,
        report: Report,
        kept: binarize.Parts | None = None,
    ) -> list[Path]:
        """Writes the cut recordings and their time lines, as `clearmel cut` does.

        Args:
            recordings: to be cut alike.
            settings: of the first.
            target: for one recording a file, for several the folder of this name without its suffix.
            report: see `jobs`.
            kept: the parts to keep; None: those of the cutter.

        Returns:
            All files that are written.
        """
        from clearmel.inference.render import render

        check_together(recordings)
        if kept is None:
            self.find_cuts(recordings, report)
            kept = self.kept(recordings, settings)
            assert kept is not None
        options, written = CutOptions(), list[Path]()
        targets = [target] if len(recordings) == 1 else [target.with_suffix("") / one.path.name for one in recordings]
        for recording, out in zip(recordings, targets, strict=True):
            own = _timeline(recording, kept)
            if not settings.timeline_only:
                denoiser = self._editor().denoiser() if settings.cut_denoise else None
                render(own, out, options, settings.loudness, denoiser)
                written.append(out)
        whole = _timeline(recordings[0], kept, tuple(other.path for other in recordings[1:]))
        forms = settings.timelines or (("json",) if settings.timeline_only else ())
        for form in forms:
            path = targets[0].with_suffix(f".{form}")
            timelines.write(path, whole, FrameRate.parse(settings.fps, drop=True))
            written.append(path)
        return written

    def separate(self, recording: Recording, settings: Settings, target: Path, report: Report) -> list[Path]:
        """Writes each voice into the folder `target`, as `clearmel separate` does."""
        from clearmel.inference.separate import separate_file
        from clearmel.inference.voice_separator import VoiceSeparator

        voices = VoiceSeparator.load("separator.pth", None, settings.passes, self.device, TRACK_STRENGTH)
        return separate_file(voices, recording.path, target, progress=advance(report, recording.info.duration_s))

    def classify(
        self, recording: Recording, settings: Settings, target: Path, report: Report
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The class of a recording and of its windows, which go into a table, as with `clearmel classify`."""
        from clearmel.inference.classify import WindowClassifier

        classifier = WindowClassifier.load(f"{settings.classifier}.pth", None, self.device)
        windows = classifier.predict(recording.path, progress=advance(report, recording.info.duration_s))
        rows = classifier.timeline(windows)
        tables.write_rows(str(target), [{"path": str(recording.path)} | row for row in rows])
        return classifier.whole(windows), rows

    def marks(self, path: Path) -> list[float]:
        """The decisions for the labelling page, see `Editor.marks`."""
        return self._editor().marks(path)

    def _editor(self) -> "Editor":
        from clearmel.inference.cut import Editor

        with self._lock:
            if self._loaded is None:
                self._loaded = Editor.load("cutter.pth", self.device)
            return self._loaded


def check_together(recordings: Sequence[Recording]) -> None:
    """Raises an InputError if recordings that are cut alike differ in rate or length."""
    first = recordings[0]
    for other in recordings[1:]:
        if (other.info.sample_rate, other.info.n_samples) != (first.info.sample_rate, first.info.n_samples):
            lengths = f"{clock(first.info.duration_s)} and {clock(other.info.duration_s)}"
            raise InputError(f"{quoted(first.path.name)} and {quoted(other.path.name)} last {lengths}; {SYNCHRONOUS}.")


def _timeline(recording: Recording, kept: binarize.Parts, others: tuple[Path, ...] = ()) -> Timeline:
    info, start = recording.info, wav_chunks.time_reference(recording.path)
    return Timeline(recording.path, info.duration_s, info.sample_rate, info.n_channels, kept, others, start)


def _version(path: Path) -> tuple[Path, int, int]:
    found = path.stat()
    return path, found.st_mtime_ns, found.st_size
