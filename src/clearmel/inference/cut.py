"""Cuts recordings: a trained cutter selects the parts to keep, and the edited recording is written.

Shapes: K decisions, C channels, N samples. The recording is processed in overlapping windows, so it may last for hours.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.splice import FADE_S, Spliced
from clearmel.checkpoints import weights_file
from clearmel.core import batch_files, file_io
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted, refuse_overwriting
from clearmel.networks import Cutter
from clearmel.options import CutOptions
from clearmel.reporting import plots
from clearmel.segments import binarize, frames, timelines
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile
from clearmel.segments.timelines import Timeline

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

    def probabilities(self, path: str | Path, progress: Callable[[float], object] | None = None) -> FloatArray:
        """Probability of keeping (K,), one per decision; decision k covers the sound around k * step_s.

        Args:
            path: a sound file.
            progress: called after each window with the seconds that it adds.

        Raises:
            InputError: the file cannot be read.
        """
        return self.probabilities_of_blocks(sound_file.mono(path, self.features.sample_rate, BLOCK_S), progress)

    @torch.inference_mode()
    def probabilities_of_blocks(
        self, blocks: Iterator[FloatArray], progress: Callable[[float], object] | None = None
    ) -> FloatArray:
        """As `probabilities`, for a recording in blocks (N,) at the rate of the features."""
        found: list[FloatArray] = []
        for wave, first, last in self._windows(blocks):
            mel = self.features.mel(torch.from_numpy(wave))[None]
            device = self.network.device
            logits = self.network(mel.to(device), torch.tensor([mel.shape[1]], device=device))[0]
            found.append(logits[first:last].sigmoid().cpu().numpy())
            if progress is not None:
                progress(len(found[-1]) * self.step_s)
        return np.concatenate(found)

    def timeline(
        self, path: str | Path, options: CutOptions, progress: Callable[[float], object] | None = None
    ) -> Timeline:
        """The parts of a recording to keep."""
        info = sound_file.inspect(path)
        probabilities = self.probabilities(path, progress)
        kept = binarize.parts_to_keep(probabilities, self.step_s, info.duration_s, options, -self.step_s / 2)
        return Timeline(Path(path), info.duration_s, info.sample_rate, info.n_channels, kept)

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


def render(timeline: Timeline, target: str | Path, options: CutOptions) -> None:
    """Writes the edited recording, at its own rate and with its own channels.

    Args:
        timeline: the parts to keep.
        target: output file; its suffix sets the format.
        options: whether the rest is deleted or attenuated.

    Raises:
        InputError: there is no part to keep, or a file cannot be read or written.
    """
    source = timeline.source
    refuse_overwriting(source, target)
    if not timeline.kept and options.mode == "delete":
        raise InputError(f"{quoted(source)}: no part of it stays. Lower --strength, or give --mode attenuate.")
    info = sound_file.inspect(source)
    cuts = timeline.cuts() if options.mode == "delete" else []
    with sound_file.writing(target, info.sample_rate, info.n_channels, info.subtype, source, cuts=cuts) as append:
        if options.mode == "delete":
            with Spliced(source, timeline.cuts()) as spliced:
                for start in range(0, spliced.n_samples, size := int(BLOCK_S * info.sample_rate)):
                    append(spliced.read(start, min(size, spliced.n_samples - start)))
            return
        parts = [(round(a * info.sample_rate), round(b * info.sample_rate)) for a, b in timeline.kept]
        shortest = min((end - start for start, end in [*parts, *_gaps(parts)]), default=1)
        fade = max(1, min(round(FADE_S * info.sample_rate), shortest))
        for block in binarize.attenuate(sound_file.blocks(source, BLOCK_S), parts, -options.attenuation_db, fade):
            append(block)


def _gaps(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(before[1], after[0]) for before, after in itertools.pairwise(parts)]


@dataclass(frozen=True)
class CutOutput:
    """Further outputs of an edit.

    timelines: suffixes of `timelines.FORMATS`. timeline_only: write no sound; without `timelines` and `labels_path`,
    write JSON. fps: frames per second of EDL and FCPXML. labels_path: labels file that receives the cuts.
    """

    timelines: tuple[str, ...] = ()
    timeline_only: bool = False
    fps: int = 25
    labels_path: str | None = None

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

    def work(path: Path) -> timelines.Timeline:
        out, length_s = target / path.relative_to(source), round(sound_file.inspect(path).duration_s)
        with tqdm(total=length_s, unit="s", disable=True if source.is_dir() else None, leave=False) as bar:
            timeline = editor.timeline(path, options, bar.update)
        if not output.timeline_only:
            render(timeline, out, options)
        for form in output.forms():
            timelines.write(out.with_suffix(f".{form}"), timeline, output.fps)
        board.cuts(timeline, f"{out.stem}_cuts")
        return timeline

    def done(path: Path, timeline: timelines.Timeline) -> None:
        out = target / path.relative_to(source)
        if store is not None:
            name = path.relative_to(source if source.is_dir() else source.parent)
            store.save(name.as_posix(), timeline.cuts(), timeline.duration_s, None)
        rows.append(timeline.row() | {"output": "" if output.timeline_only else str(out)})
        report(f"{timeline.summary()}  {path if output.timeline_only else out}")

    return rows, batch_files.for_each_file(source, sound_file.SUFFIXES, work, done)
