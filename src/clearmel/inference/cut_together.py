"""One edit for several recordings of one talk, such as a microphone for each speaker."""

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearmel.audio import sound_file, wav_chunks
from clearmel.core import progress
from clearmel.core.errors import InputError
from clearmel.core.file_io import quoted
from clearmel.inference.cut import CutOutput, Editor
from clearmel.inference.render import render
from clearmel.options import CutOptions
from clearmel.segments import binarize, timelines
from clearmel.segments.timeline import Timeline

SYNCHRONOUS_S = 10.0
"""Recordings of equal length from here on are taken for tracks of one talk."""


def timeline_of(
    editor: Editor, paths: Sequence[Path], options: CutOptions, advance: progress.Advance | None = None
) -> Timeline:
    """The parts of synchronous recordings in which anyone speaks: the highest probability of all decides.

    Args:
        editor: a trained cutter.
        paths: the recordings, of one rate and length.
        options: how decisions become cuts.
        advance: called with the seconds of each window of each recording.

    Raises:
        InputError: one cannot be read, or differs in rate or length.
    """
    infos = [sound_file.inspect(path) for path in paths]
    first = infos[0]
    for path, info in zip(paths[1:], infos[1:], strict=True):
        if (info.sample_rate, info.n_samples) != (first.sample_rate, first.n_samples):
            raise InputError(
                f"{quoted(path)} has {info.n_samples} samples at {info.sample_rate} Hz, {quoted(paths[0])} "
                f"{first.n_samples} at {first.sample_rate} Hz; --together needs one rate and length."
            )
    if len(set(map(Path.resolve, paths))) < len(paths):
        raise InputError(f"{quoted(paths[0])} ... names one recording twice; give each once with --together.")
    probabilities = np.max([editor.probabilities(path, advance) for path in paths], axis=0)
    kept = binarize.parts_to_keep(probabilities, editor.step_s, first.duration_s, options, -editor.step_s / 2)
    start = wav_chunks.time_reference(paths[0])
    return Timeline(paths[0], first.duration_s, first.sample_rate, first.n_channels, kept, tuple(paths[1:]), start)


def cut_together(
    editor: Editor,
    sources: Sequence[Path],
    targets: Sequence[Path],
    options: CutOptions,
    output: CutOutput,
    report: Callable[[str], object],
) -> list[dict[str, Any]]:
    """Edits synchronous recordings alike and writes one time line with all of them.

    Args:
        editor: a trained cutter.
        sources: the recordings, of one rate and length.
        targets: where each edited recording goes; the time line lies beside the first.
        options: which parts stay.
        output: what else is written.
        report: called with a line for each recording.

    Returns:
        A row for each recording.

    Raises:
        InputError: one cannot be read or written, differs in rate or length, or nothing stays.
    """
    total_s = sum(sound_file.inspect(path).duration_s for path in sources)
    with progress.bar(total_s) as advance:
        timeline = timeline_of(editor, sources, options, advance)
    rows = list[dict[str, Any]]()
    for source, target in zip(sources, targets, strict=True):
        info = sound_file.inspect(source)
        own = Timeline(source, info.duration_s, info.sample_rate, info.n_channels, timeline.kept)
        denoiser = editor.denoiser() if output.denoise else None
        matched = None if output.timeline_only else render(own, target, options, output.loudness_lufs, denoiser)
        loudness = {} if matched is None else {"before_lufs": matched.before_lufs, "after_lufs": matched.after_lufs}
        rows.append(own.row() | {"output": "" if output.timeline_only else str(target)} | loudness)
        changed = "" if matched is None else f", {matched.summary()}"
        report(f"{own.summary()}{changed}  {source if output.timeline_only else target}")
    for form in output.forms():
        timelines.write(targets[0].with_suffix(f".{form}"), timeline, output.fps)
    return rows


def warn_of_tracks(paths: Sequence[Path]) -> None:
    """Warns on stderr of recordings in one folder that look like tracks of one talk: equal rate and length."""
    found = defaultdict[tuple[Path, int, int], list[Path]](list)
    for path in paths:
        try:
            info = sound_file.inspect(path)
        except InputError:  # it is reported when it is cut
            continue
        if info.duration_s >= SYNCHRONOUS_S:
            found[path.parent, info.sample_rate, info.n_samples].append(path)
    for same in found.values():
        if len(same) > 1:
            more = f" and {len(same) - 2} more" if len(same) > 2 else ""
            print(
                f"warning: {quoted(same[0])}, {quoted(same[1])}{more} are equally long and are cut apart. If they are "
                "tracks of one talk, give --together.",
                file=sys.stderr,
            )
