"""Cuts recordings: a trained cutter selects the parts to keep, and the edited recording is written.

Shapes: K decisions, C channels, N samples. The recording is processed in overlapping windows, so it may last for hours.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearmel.audio import sound_file, wav_chunks, working_level
from clearmel.audio.features import MelFeatures
from clearmel.audio.loudness import Matched
from clearmel.audio.working_level import LevelMeter
from clearmel.core import batch_files, file_io, progress
from clearmel.core.file_io import FloatArray, quoted
from clearmel.core.progress import Advance
from clearmel.inference import denoise
from clearmel.inference.render import render
from clearmel.metrics import calibrated
from clearmel.options import CutOptions, DenoiseOptions
from clearmel.reporting import plots
from clearmel.runtime import load
from clearmel.runtime.model import Model, as_model
from clearmel.segments import binarize, frames, timelines
from clearmel.segments.folder import Folder
from clearmel.segments.frame_rate import DEFAULT_FPS, FrameRate
from clearmel.segments.label_file import LabelFile
from clearmel.segments.timeline import Timeline

WINDOW_S = 60.0
"""Length of a window of the network."""
CONTEXT_S = 6.0
"""Seconds at each end of a window whose decisions are discarded where the recording continues beyond that end."""
BLOCK_S = 30.0
NOISY_DB, CLEAN_DB = 35.0, 38.0
"""Where the speech lies less above the noise, the denoised sound decides, too; from one to the other its weight falls
from 1 to 0, so that two recordings that hardly differ are cut alike."""
FOR_CUTS = DenoiseOptions(passes=1)
"""How the sound is denoised that a cutter decides on and was trained with."""
UNSURE_DB = 12.0
"""Below it words can be lost, and a warning says so."""
CLEARER_DB = 18.0
DENOISED_SHIFTS, NOISY_SHIFT = (2.0, 3.7), -0.5
"""Added to the logits of the denoised and of the noisy sound; the higher one decides. The denoised sound finds the
pauses, the noisy one keeps words that the denoiser has damaged. From `UNSURE_DB` to `CLEARER_DB` the shift rises: where
the noise is louder, pauses would not be found. Chosen on podcast clips, see docs/cutting.md."""


class Editor:
    """Predicts cuts with a trained cutter.

    Attributes:
        threshold: of the card; a decision of at least this probability keeps the sound.
        step_s: seconds from decision to decision.

    Args:
        network: a cutter with its card, as a model or a network of torch.
    """

    def __init__(self, network: Any) -> None:
        self.network, self.features = as_model(network), MelFeatures(**network.card["features"])
        self.step = self.network.stride * self.features.hop_length
        self.step_s = self.step / self.features.sample_rate
        chosen = network.card["training"].get("threshold") or network.card["scores"].get("threshold") or 0.5
        self.threshold = min(max(float(chosen), 1e-4), 1 - 1e-4)
        self._loaded: Model | None = None

    @classmethod
    def load(cls, model_filename: str, device: str = "cpu") -> "Editor":
        """Loads `models/<model_filename>`; see `clearmel.runtime.load.by_name`."""
        return cls(load.by_name(model_filename, "cutting", device))

    def probabilities(self, path: str | Path, advance: Advance | None = None) -> FloatArray:
        """Probability of keeping (K,), one per decision; decision k covers the sound around k * step_s.

        Args:
            path: a sound file.
            advance: called after each window with the seconds that it adds.

        Raises:
            InputError: the file cannot be read.
        """
        meter = working_level.measure(sound_file.blocks(path, BLOCK_S), sound_file.inspect(path).sample_rate)
        if meter.snr_db() < UNSURE_DB:
            far = f"the speech lies {meter.snr_db():.0f} dB above the noise"
            print(f"warning: {quoted(path)} is too noisy to be sure of the cuts: {far}. Check them.", file=sys.stderr)
        return self.decide(lambda: sound_file.mono(path, self.features.sample_rate, BLOCK_S), meter, advance)

    def decide(
        self, make: Callable[[], Iterator[FloatArray]], meter: LevelMeter, advance: Advance | None = None
    ) -> FloatArray:
        """As `probabilities`; where the recording is noisy, from the denoised sound, too.

        Args:
            make: gives the recording in pieces (N,) at the rate of the features, each time anew.
            meter: has measured it.
            advance: as in `probabilities`.
        """
        gain = meter.gain()
        weight = np.interp(meter.snr_db(), (NOISY_DB, CLEAN_DB), (1, 0))
        if not weight:
            return self.probabilities_of_blocks(make(), advance, gain)
        half = None if advance is None else lambda seconds: advance(seconds / 2)
        rate, rows = self.features.sample_rate, (block[None] for block in make())
        denoised = denoise.denoise_blocks(self.denoiser(), rows, rate, 1, FOR_CUTS, gain=gain)
        found = [
            self.probabilities_of_blocks(blocks, half, gain) for blocks in (make(), (block[0] for block in denoised))
        ]
        noisy, clean = (_logit(each) for each in found)
        shift = np.interp(meter.snr_db(), (UNSURE_DB, CLEARER_DB), DENOISED_SHIFTS)
        logits = weight * np.maximum(clean + shift, noisy + NOISY_SHIFT) + (1 - weight) * noisy
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)

    def denoiser(self) -> Model:
        """The denoiser `denoiser.pth`, loaded when a recording needs it."""
        if self._loaded is None:
            self._loaded = load.by_name("denoiser.pth", "denoising", self.network.device)
        return self._loaded

    def probabilities_of_blocks(
        self, blocks: Iterator[FloatArray], advance: Advance | None = None, gain: float = 1.0
    ) -> FloatArray:
        """As `probabilities`, for a recording in blocks (N,) at the rate of the features.

        Args:
            blocks: the recording.
            advance: as in `probabilities`.
            gain: brings the recording to the network's working level, see `clearmel.audio.working_level`.
        """
        found: list[FloatArray] = []
        for wave, first, last in self._windows(blocks):
            mel = self.features.mel(wave if gain == 1 else wave * np.float32(gain))[None]
            found.append(calibrated.probabilities(self.network.logits(mel)[0, first:last, None])[:, 1])
            if advance is not None:
                advance(len(found[-1]) * self.step_s)
        return np.concatenate(found)

    def timeline(self, path: str | Path, options: CutOptions, advance: Advance | None = None) -> Timeline:
        """The parts of a recording to keep."""
        info = sound_file.inspect(path)
        probabilities = self.probabilities(path, advance)
        kept = binarize.parts_to_keep(probabilities, self.step_s, info.duration_s, options, -self.step_s / 2)
        start = wav_chunks.time_reference(path)
        return Timeline(Path(path), info.duration_s, info.sample_rate, info.n_channels, kept, start=start)

    def marks(self, path: Path) -> list[float]:
        """Predictions for the labelling page: one number per 40 ms, below 0.5 where the cutter would cut."""
        probabilities = self.probabilities(path).clip(1e-6, 1 - 1e-6)
        odds = probabilities / (1 - probabilities) * (1 - self.threshold) / self.threshold
        seconds = np.arange(frames.n_frames(sound_file.inspect(path).duration_s)) * frames.FRAME_S
        return [float(p) for p in np.interp(seconds, np.arange(len(odds)) * self.step_s, odds / (1 + odds))]

    def _windows(self, blocks: Iterator[FloatArray]) -> Iterator[tuple[FloatArray, int, int | None]]:
        """Overlapping waves (N,), each with the range of its decisions that are used (first, end)."""
        length, context = (round(s / self.step_s) * self.step for s in (WINDOW_S, CONTEXT_S))
        held, begun = np.zeros(0, np.float32), False
        for block in blocks:
            held = np.concatenate([held, block])
            while len(held) > length:
                yield held[:length], context // self.step if begun else 0, (length - context) // self.step
                held, begun = held[length - 2 * context :], True
        yield held, context // self.step if begun else 0, None


def _logit(probabilities: FloatArray) -> npt.NDArray[np.float64]:
    inner = probabilities.astype(np.float64).clip(1e-9, 1 - 1e-9)
    return np.asarray(np.log(inner) - np.log1p(-inner))


@dataclass(frozen=True)
class CutOutput:
    """Further outputs of an edit.

    timelines: suffixes of `timelines.FORMATS`. timeline_only: write no sound; without `timelines` and `labels_path`,
    write JSON. fps: frames per second of EDL, FCPXML and OTIO. labels_path: labels file that receives the cuts.
    loudness_lufs: integrated loudness of the sound; None keeps the level. denoise: the sound is denoised, too.
    """

    timelines: tuple[str, ...] = ()
    timeline_only: bool = False
    fps: FrameRate = DEFAULT_FPS
    labels_path: str | None = None
    loudness_lufs: float | None = None
    denoise: bool = False

    def __post_init__(self) -> None:
        timelines.check(self.forms())

    def forms(self) -> tuple[str, ...]:
        """The formats of the time lines."""
        return self.timelines or (("json",) if self.timeline_only and not self.labels_path else ())


def cut_files(
    editor: Editor,
    source: Path,
    target: Path,
    options: CutOptions,
    output: CutOutput,
    board: plots.Board,
    report: Callable[[str], object],
) -> tuple[list[dict[str, Any]], int]:
    """Edits a recording or a folder, and writes the time lines, labels and pictures of `output` and `board`.

    Args:
        editor: a trained cutter.
        source: a recording or a folder.
        target: the edited recording, or a folder.
        options: the parts to keep.
        output: further outputs.
        board: draws the cuts.
        report: called with a line for each recording.

    Returns:
        One row per recording, and the number of files that failed.
    """
    file_io.existing(source)
    store = LabelFile(output.labels_path, Folder(source).names) if output.labels_path else None
    rows = list[dict[str, Any]]()

    def work(path: Path) -> tuple[Timeline, Matched | None]:
        out = target / path.relative_to(source)
        with progress.bar(sound_file.inspect(path).duration_s, shown=not source.is_dir()) as advance:
            timeline = editor.timeline(path, options, advance)
        denoiser = editor.denoiser() if output.denoise else None
        matched = None if output.timeline_only else render(timeline, out, options, output.loudness_lufs, denoiser)
        for form in output.forms():
            timelines.write(out.with_suffix(f".{form}"), timeline, output.fps)
        board.cuts(timeline, f"{out.stem}_cuts")
        return timeline, matched

    def done(path: Path, result: tuple[Timeline, Matched | None]) -> None:
        timeline, matched = result
        out = target / path.relative_to(source)
        if store is not None:
            name = path.relative_to(source if source.is_dir() else source.parent)
            store.save(name.as_posix(), timeline.cuts(), timeline.duration_s, None)
        loudness = {} if matched is None else {"before_lufs": matched.before_lufs, "after_lufs": matched.after_lufs}
        rows.append(timeline.row() | {"output": "" if output.timeline_only else str(out)} | loudness)
        changed = "" if matched is None else f", {matched.summary()}"
        report(f"{timeline.summary()}{changed}  {path if output.timeline_only else out}")

    return rows, batch_files.for_each_file(source, sound_file.SUFFIXES, work, done)
