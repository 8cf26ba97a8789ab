"""Separates the voices of a file, each into a file of its own.

Shapes: S voices, C channels, N samples.
"""

import contextlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from clearmel.audio import sound_file
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted, write_text
from clearmel.core.progress import Advance
from clearmel.inference.voice_activity import VoiceActivity
from clearmel.inference.voice_separator import VoiceSeparator
from clearmel.segments import speakers

BLOCK_S = 4.0


def separate_file(
    voices: VoiceSeparator,
    source: Path,
    folder: Path,
    suffix: str = ".wav",
    progress: Advance | None = None,
    *,
    count_voices: bool = False,
) -> list[Path]:
    """Writes voice_1, voice_2 ... of a recording into a folder, with the rate, channels and length of the recording.

    Beside them it writes who speaks when: voices.rttm for tools of speaker diarisation, voices.txt for Audacity. It
    warns on stderr if the recording certainly holds more voices than there are tracks.

    Args:
        voices: a trained separator.
        source: a sound file.
        folder: receives the tracks; created if missing.
        suffix: sets their format.
        progress: called with the seconds processed since the last call.
        count_voices: if only one voice is found, the only track is the recording itself.

    Raises:
        InputError: the recording cannot be read or is silent, or a track cannot be written.
    """
    info = sound_file.inspect(source)
    targets = [folder / f"voice_{number + 1}{suffix}" for number in range(voices.network.n_voices)]
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(sound_file.writing(path, info.sample_rate, info.n_channels, info.subtype, source))
            for path in targets
        ]
        written, loudest = 0, 0.0
        activity, together = VoiceActivity(info.sample_rate, len(targets)), VoiceActivity(info.sample_rate, 1)
        blocks = sound_file.resampled(source, voices.rate, BLOCK_S)
        for piece in tracks_at_rate(voices, blocks, info.sample_rate, info.n_channels, progress):
            piece = piece[..., : info.n_samples - written]
            loudest = max(loudest, float(np.abs(piece).max(initial=0.0)))
            for write, track in zip(writers, piece, strict=True):
                write(track)
            activity.push(piece)
            together.push(piece.sum(axis=0, keepdims=True))
            written += piece.shape[2]
        if not loudest:
            raise InputError(f"{quoted(source)} is silent; expected voices.")
        rest = np.zeros((info.n_channels, info.n_samples - written), np.float32)
        for write in writers:
            write(rest)
    spans, alone = activity.spans(), voices.one_voice if count_voices else False
    if alone is None:
        alone = activity.alone() is not None
    if alone:
        spans, (first, *others) = together.spans(), targets
        with sound_file.writing(first, info.sample_rate, info.n_channels, info.subtype, source) as append:
            for block in sound_file.blocks(source):
                append(block)
        for path in others:
            path.unlink()
        targets = [first]
    if voices.further_voice:
        print(f"warning: {quoted(source)} holds more than {len(targets)} voices; a track has several.", file=sys.stderr)
    write_text(folder / "voices.rttm", speakers.as_rttm(source.stem, spans))
    write_text(folder / "voices.txt", speakers.as_audacity(spans))
    return targets


def tracks_at_rate(
    voices: VoiceSeparator,
    blocks: Iterator[FloatArray],
    sample_rate: int,
    n_channels: int,
    progress: Advance | None = None,
) -> Iterator[FloatArray]:
    """The tracks in blocks (S, C, N) at the recording's own rate.

    Args:
        voices: a trained separator.
        blocks: the recording in blocks (C, N) at the network's rate.
        sample_rate: of the recording in Hz.
        n_channels: C.
        progress: see `VoiceSeparator.tracks`.
    """
    pieces = voices.tracks(blocks, progress)
    if sample_rate == voices.rate:
        yield from pieces
        return
    back = [
        soxr.ResampleStream(voices.rate, sample_rate, n_channels, dtype="float32")
        for _ in range(voices.network.n_voices)
    ]
    nothing = np.zeros((voices.network.n_voices, n_channels, 0), np.float32)
    for piece, last in itertools.chain(((piece, False) for piece in pieces), [(nothing, True)]):
        chunks = [
            stream.resample_chunk(np.ascontiguousarray(track.T), last=last).reshape(-1, n_channels).T
            for stream, track in zip(back, piece, strict=True)
        ]
        yield np.stack(chunks)
