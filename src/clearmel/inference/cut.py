"""Cuts recordings: a trained cutter selects the parts to keep, and the edited recording is written.

Shapes: K decisions, C channels, N samples. The recording is processed in overlapping windows, so it may last for hours.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clearmel.audio import bwf, sound_file, working_level
from clearmel.audio.features import MelFeatures
from clearmel.audio.loudness import Matched
from clearmel.audio.splice import FADE_S, Spliced
from clearmel.checkpoints import weights_file
from clearmel.core import batch_files, file_io, progress
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted, refuse_overwriting
from clearmel.core.progress import Advance
from clearmel.networks import Cutter
from clearmel.options import CutOptions
from clearmel.reporting import plots
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


class Editor:
    """Predicts cuts with a trained cutter.

    Attributes:
        threshold: of the card; a decision of at least this probability keeps the sound.
        step_s: seconds from decision to decision.

    Args:
        network: a cutter with its card.
    """

    def __init__(self, network: Cutter) -> None:
        self.network, self.features = network, MelFeatures(**network.card["features"])
        self.step = network.stride * self.features.hop_length
        self.step_s = self.step / self.features.sample_rate
        chosen = network.card["training"].get("threshold") or network.card["scores"].get("threshold") or 0.5
        self.threshold = min(max(float(chosen), 1e-4), 1 - 1e-4)

    @classmethod
    def load(cls, model_filename: str, device: str = "cpu") -> "Editor":
        """Loads `models/<model_filename>`; see `weights_file.load`."""
        network = weights_file.load(weights_file.models_path(model_filename, saved=True), "cutting", device)
        assert isinstance(network, Cutter)
        return cls(network)

    def probabilities(self, path: str | Path, advance: Advance | None = None) -> FloatArray:
        """Probability of keeping (K,), one per decision; decision k covers the sound around k * step_s.

        Args:
            path: a sound file.
            advance: called after each window with the seconds that it adds.

        Raises:
            InputError: the file cannot be read.
        """
        gain = working_level.measure(sound_file.blocks(path, BLOCK_S), sound_file.inspect(path).sample_rate).gain()
        return self.probabilities_of_blocks(sound_file.mono(path, self.features.sample_rate, BLOCK_S), advance, gain)

    @torch.inference_mode()
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
            mel = self.features.mel(torch.from_numpy(wave if gain == 1 else wave * np.float32(gain)))[None]
            device = self.network.device
            logits = self.network(mel.to(device), torch.tensor([mel.shape[1]], device=device))[0]
            found.append(logits[first:last].sigmoid().cpu().numpy())
            if advance is not None:
                advance(len(found[-1]) * self.step_s)
        return np.concatenate(found)

    def timeline(self, path: str | Path, options: CutOptions, advance: Advance | None = None) -> Timeline:
        """The parts of a recording to keep."""
        info = sound_file.inspect(path)
        probabilities = self.probabilities(path, advance)
        kept = binarize.parts_to_keep(probabilities, self.step_s, info.duration_s, options, -self.step_s / 2)
        start = bwf.time_reference(path)
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


def render(
    timeline: Timeline, target: str | Path, options: CutOptions, loudness_lufs: float | None = None
) -> Matched | None:
    """Writes the edited recording, at its own rate and with its own channels.

    Args:
        timeline: the parts to keep.
        target: output file; its suffix sets the format.
        options: whether the rest is deleted or attenuated.
        loudness_lufs: integrated loudness of the result; None keeps the level.

    Returns:
        The loudness before and after, if it was changed.

    Raises:
        InputError: there is no part to keep, or a file cannot be read or written.
    """
    source = timeline.source
    refuse_overwriting(source, target)
    if not timeline.kept and options.mode == "delete":
        raise InputError(f"{quoted(source)}: no part of it stays. Lower --strength, or give --mode attenuate.")
    info, matched = sound_file.inspect(source), None
    if loudness_lufs is not None:
        make = functools.partial(_edited, timeline, options)
        matched = Matched(make, info.sample_rate, info.n_channels, loudness_lufs)
    cuts = timeline.cuts() if options.mode == "delete" else []
    with sound_file.writing(target, info.sample_rate, info.n_channels, info.subtype, source, cuts=cuts) as append:
        for block in matched or _edited(timeline, options):
            append(block)
    return matched


def _edited(timeline: Timeline, options: CutOptions) -> Iterator[FloatArray]:
    """The edited recording in pieces (C, N)."""
    source, rate = timeline.source, timeline.sample_rate
    if options.mode == "delete":
        with Spliced(source, timeline.cuts()) as spliced:
            for start in range(0, spliced.n_samples, size := int(BLOCK_S * rate)):
                yield spliced.read(start, min(size, spliced.n_samples - start))
        return
    parts = [(round(a * rate), round(b * rate)) for a, b in timeline.kept]
    shortest = min((end - start for start, end in [*parts, *_gaps(parts)]), default=1)
    fade = max(1, min(round(FADE_S * rate), shortest))
    yield from binarize.attenuate(sound_file.blocks(source, BLOCK_S), parts, -options.attenuation_db, fade)


def _gaps(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(before[1], after[0]) for before, after in itertools.pairwise(parts)]


@dataclass(frozen=True)
class CutOutput:
    """Further outputs of an edit.

    timelines: suffixes of `timelines.FORMATS`. timeline_only: write no sound; without `timelines` and `labels_path`,
    write JSON. fps: frames per second of EDL, FCPXML and OTIO. labels_path: labels file that receives the cuts.
    loudness_lufs: integrated loudness of the sound; None keeps the level.
    """

    timelines: tuple[str, ...] = ()
    timeline_only: bool = False
    fps: FrameRate = DEFAULT_FPS
    labels_path: str | None = None
    loudness_lufs: float | None = None

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
        matched = None if output.timeline_only else render(timeline, out, options, output.loudness_lufs)
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
