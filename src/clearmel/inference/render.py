"""Writes the edited recording.

Shapes: C channels, N samples.
"""

import contextlib
import functools
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from clearmel.audio import sound_file
from clearmel.audio.loudness import Matched
from clearmel.audio.splice import FADE_S, Spliced
from clearmel.core import temp_files
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted, refuse_overwriting
from clearmel.inference import denoise
from clearmel.options import CutOptions
from clearmel.runtime.model import Model
from clearmel.segments import binarize
from clearmel.segments.timeline import Timeline

BLOCK_S = 30.0


def render(
    timeline: Timeline,
    target: str | Path,
    options: CutOptions,
    loudness_lufs: float | None = None,
    denoiser: Model | None = None,
) -> Matched | None:
    """Writes the edited recording, at its own rate and with its own channels.

    Args:
        timeline: the parts to keep.
        target: output file; its suffix sets the format.
        options: whether the rest is deleted or attenuated.
        loudness_lufs: integrated loudness of the result; None keeps the level.
        denoiser: denoises the sound before it is cut.

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
    with _denoised(source, denoiser) as sound:
        make = functools.partial(_edited, replace(timeline, source=sound), options)
        if loudness_lufs is not None:
            matched = Matched(make, info.sample_rate, info.n_channels, loudness_lufs)
        cuts = timeline.cuts() if options.mode == "delete" else []
        with sound_file.writing(target, info.sample_rate, info.n_channels, info.subtype, source, cuts=cuts) as append:
            for block in matched or make():
                append(block)
    return matched


@contextlib.contextmanager
def _denoised(source: Path, denoiser: Model | None) -> Iterator[Path]:
    """The recording itself, or its denoised sound in a temporary file."""
    if denoiser is None:
        yield source
        return
    folder = temp_files.temporary_folder()
    try:
        denoise.denoise_file(denoiser, source, folder / "denoised.w64")
        yield folder / "denoised.w64"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
