"""Reads, writes and resamples sound files, and streams long recordings in blocks.

libsndfile reads wav, flac, ogg (Vorbis, Opus), mp3, aiff, au, caf and w64; FFmpeg's libraries all else (`media_file`).
"""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from clearmel.audio import media_container, media_writer
from clearmel.audio.channels import downmix
from clearmel.audio.companions import Origin
from clearmel.audio.libsndfile_writer import LibsndfileWriter
from clearmel.audio.media_writer import MediaWriter
from clearmel.audio.opening import message, open_audio
from clearmel.audio.resampling import Resampler as Resampler
from clearmel.audio.resampling import resample as resample
from clearmel.audio.resampling import resample_blocks as resample_blocks
from clearmel.core.errors import FullDiskError, InputError
from clearmel.core.file_io import FloatArray, quoted, replacing

OWN_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")
"""What libsndfile reads."""
MP3_SLACK = 2 * 1152
"""Samples that an mp3 may be shorter than its header states, as encoders pad differently."""
SUFFIXES = OWN_SUFFIXES + media_container.SUFFIXES
"""Sound and video that can be read."""
WRITTEN = tuple(dict.fromkeys([*OWN_SUFFIXES, *media_writer.SUFFIXES]))
"""What can be written."""


@dataclass(frozen=True)
class AudioInfo:
    """Header of a sound file. `subtype` is libsndfile's name for the sample format."""

    sample_rate: int
    n_channels: int
    n_samples: int
    subtype: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def inspect(path: str | Path) -> AudioInfo:
    """Reads the header only."""
    with open_audio(path) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames, file.subtype)


def blocks(path: str | Path, block_s: float = 30.0) -> Iterator[FloatArray]:
    """The recording in pieces (C, N) of `block_s` seconds.

    Raises:
        InputError: it cannot be read, is shorter than its header states, or holds NaN or infinity.
    """
    with open_audio(path) as file:
        size, seen, wanted = max(1, int(block_s * file.samplerate)), 0, file.frames
        while True:
            try:
                block = file.read(size, dtype="float32", always_2d=True)
            except (sf.LibsndfileError, RuntimeError) as error:
                raise InputError(f"{quoted(path)} is damaged after sample {seen}: {message(error)}.") from error
            if not len(block):
                break
            if not np.isfinite(block).all():
                raise InputError(f"{quoted(path)} holds NaN or infinite samples; expected finite sound.")
            seen += len(block)
            yield np.ascontiguousarray(block.T)
        # libsndfile ends at damage within an mp3 without a word.
        if seen < wanted - (MP3_SLACK if file.format == "MP3" else 0):
            raise InputError(f"{quoted(path)} is truncated: {seen} of {wanted} samples. Copy or record it again.")


def read(path: str | Path, sample_rate: int | None = None) -> tuple[FloatArray, int]:
    """Reads a recording as one channel, see `downmix`.

    Args:
        path: a sound file.
        sample_rate: in Hz; the recording is resampled to it with a band-limited filter. None keeps its rate.

    Returns:
        (N,) float32 in about [-1, 1], and the sample rate in Hz.

    Raises:
        InputError: as in `blocks`.
    """
    rate = inspect(path).sample_rate
    wave = np.concatenate([downmix(block) for block in blocks(path)])
    if sample_rate is None or sample_rate == rate:
        return wave, rate
    return resample(wave, rate, sample_rate), sample_rate


def mono(path: str | Path, sample_rate: int, block_s: float = 30.0) -> Iterator[FloatArray]:
    """One channel (`downmix`) in pieces (N,), resampled without seams.

    Args:
        path: a sound file.
        sample_rate: of the pieces, in Hz.
        block_s: seconds read at a time.

    Raises:
        InputError: as in `blocks`.
    """
    for block in resampled(path, sample_rate, block_s, one_channel=True):
        yield block[0]


def resampled(
    path: str | Path, sample_rate: int, block_s: float = 30.0, *, one_channel: bool = False
) -> Iterator[FloatArray]:
    """The recording in pieces (C, N), resampled without seams; with `one_channel` their `downmix` (1, N).

    Raises:
        InputError: as in `blocks`.
    """
    info = inspect(path)
    rate, n_channels = info.sample_rate, 1 if one_channel else info.n_channels
    pieces = (downmix(block)[None] if one_channel else block for block in blocks(path, block_s))
    yield from resample_blocks(pieces, rate, sample_rate, n_channels)


def write(path: str | Path, wave: FloatArray, sample_rate: int, subtype: str | None = None) -> None:
    """Writes (N,) or (C, N) in [-1, 1] through a temporary file; see `writing`."""
    wave = np.atleast_2d(wave)
    with writing(path, sample_rate, len(wave), subtype, n_samples=wave.shape[1]) as append:
        append(wave)


@contextlib.contextmanager
def writing(
    path: str | Path,
    sample_rate: int,
    n_channels: int,
    subtype: str | None = None,
    source: str | Path | None = None,
    *,
    cuts: Sequence[tuple[float, float]] = (),
    n_samples: int | None = None,
) -> Iterator[Callable[[FloatArray], None]]:
    """Writes a sound file block by block; the suffix decides the format.

    The file appears under its name when the `with` block ends without an error. Integer formats clip samples outside
    [-1, 1], with a warning; the level is never changed. Some encoders have a few sample rates only: sound of another
    rate is resampled to the next higher one, or to the highest, with a warning.

    Args:
        path: of the new file.
        sample_rate: in Hz.
        n_channels: C.
        subtype: libsndfile's sample format of the source; kept if the target's format can hold it (`_subtype`).
        source: the recording from which the sound comes. Its codec, bit rate, channel layout, tags, cover, chapters
            and, for a video, all but its sound are kept where the target's kind allows it.
        cuts: spans [start_s, end_s] of it that are left out; chapters and cue points move accordingly.
        n_samples: of the new file, if known and there is no source.

    Yields:
        A function that appends a block (C, N).

    Raises:
        InputError: unknown suffix, a rate or channel count that the format does not support, or an unwritable place.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in WRITTEN:
        raise InputError(f"cannot write {quoted(path)}: unknown suffix '{suffix}'. Use one of {' '.join(WRITTEN)}.")
    origin = Origin.of(source, cuts)
    with replacing(target) as temporary:
        writer: MediaWriter | LibsndfileWriter
        if suffix in media_writer.SUFFIXES:
            writer = MediaWriter(temporary, target, sample_rate, n_channels, subtype, origin)
        else:
            if source is not None:
                n_samples = inspect(source).n_samples
            writer = LibsndfileWriter(temporary, target, sample_rate, n_channels, subtype, origin, n_samples)
        resampler = Resampler(sample_rate, writer.rate, n_channels)
        peak = 0.0

        def append(wave: FloatArray) -> None:
            nonlocal peak
            level = float(np.abs(wave).max(initial=0.0))
            if not math.isfinite(level):
                raise InputError(f"cannot write {quoted(path)}: NaN or infinite samples. Try other weights.")
            peak = max(peak, level)
            writer.write(resampler.push(wave).T)

        try:
            with writer:
                yield append
                writer.write(resampler.finish().T)
        except (sf.LibsndfileError, AssertionError) as error:
            raise FullDiskError(
                f"cannot write {quoted(path)}: {message(error) or 'short write'}. Is the disk full?"
            ) from error
    if writer.rate != sample_rate:
        print(f"warning: {quoted(path)} has {writer.rate} Hz: {suffix} cannot hold {sample_rate}.", file=sys.stderr)
    if peak > 1.0 and not writer.is_float:
        print(
            f"warning: {quoted(path)} is clipped: peak {peak:.2f}. --loudness of denoise and cut avoids it.",
            file=sys.stderr,
        )
