"""Reads, writes and resamples sound files, and streams long recordings in blocks.

Supports every format that libsndfile reads: wav, flac, ogg (Vorbis, Opus), mp3, aiff, au, caf, w64.
"""

import contextlib
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from clearmel.audio import unfinished_wav
from clearmel.audio.channels import downmix
from clearmel.core.errors import FullDiskError, InputError, reason
from clearmel.core.file_io import FloatArray, existing, quoted, replacing

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")
SLOWEST_HZ, FASTEST_HZ = 1000, 1_000_000
"""Accepted sample rates. A rate far outside would resample a short file to hours, or to nothing."""
CONTAINERS = {".opus": "OGG", ".oga": "OGG", ".aif": "AIFF"}
"""libsndfile's container of a suffix, where it is not the suffix itself."""
CODED = {".opus": "OPUS", ".ogg": "VORBIS", ".oga": "VORBIS", ".mp3": "MPEG_LAYER_III"}
"""The sample format of the suffixes that have one only."""
PRECISE = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAC_20", "ALAC_24", "ALAC_32")
"""Sample formats of more than 16 bits."""
EXACT = ("PCM_S8", "PCM_U8", "PCM_16", "ULAW", "ALAW", "ALAC_16", *PRECISE)
"""Sample formats that hold any length and any number of channels. ADPCM and GSM pad the length or hold one channel."""
CODED_RATES = {
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
"""The only sample rates in Hz that an encoder takes."""


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


def open_audio(path: str | Path) -> sf.SoundFile:
    """Opens a sound file.

    Raises:
        InputError: it does not exist, is not a sound file, or holds no sample.
    """
    existing(path, folder=False)
    try:
        file = sf.SoundFile(_native(path))
    except (sf.LibsndfileError, RuntimeError, OSError, TypeError) as error:
        raise InputError(f"{quoted(path)} is not a readable sound file: {_message(error)}.") from error
    # libsndfile reads a truncated wav to its end and only notes in its log that the header states more. A recorder that
    # writes to a pipe states the largest number; such a file is not truncated.
    stated = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, flags=re.MULTILINE)
    if stated and int(stated[2]) < int(stated[1]) < 0x7FFFF000:
        file.close()
        raise InputError(
            f"{quoted(path)} is truncated: {stated[2]} of {stated[1]} bytes of sound. Copy or record it again."
        )
    if not SLOWEST_HZ <= file.samplerate <= FASTEST_HZ:
        rate = file.samplerate
        file.close()
        raise InputError(f"{quoted(path)} has {rate} Hz; expected {SLOWEST_HZ} to {FASTEST_HZ}. Is its header damaged?")
    if file.frames <= 0 and (whole := unfinished_wav.opened(path)):
        file.close()
        file = whole
    if file.frames <= 0:
        file.close()
        raise InputError(f"{quoted(path)} holds no samples; expected a recording.")
    return file


def _native(path: str | Path) -> str | bytes:
    """A path for soundfile, which needs bytes for names that are not valid UTF-8."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def _message(error: BaseException) -> str:
    return str(getattr(error, "error_string", reason(error))).rstrip(".")


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
                raise InputError(f"{quoted(path)} is damaged after sample {seen}: {_message(error)}.") from error
            if not len(block):
                break
            if not np.isfinite(block).all():
                raise InputError(f"{quoted(path)} holds NaN or infinite samples; expected finite sound.")
            seen += len(block)
            yield np.ascontiguousarray(block.T)
        # The length of an mp3 without a length header is an estimate.
        if seen < wanted and file.format != "MP3":
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


def resample_blocks(
    pieces: Iterable[FloatArray], from_rate: int, to_rate: int, n_channels: int
) -> Iterator[FloatArray]:
    """Resamples consecutive pieces (C, N) of a recording without seams."""
    if from_rate == to_rate:
        yield from pieces
        return
    resampler = Resampler(from_rate, to_rate, n_channels)
    for block in pieces:
        yield resampler.push(block)
    yield resampler.finish()


class Resampler:
    """Resamples consecutive blocks without seams, by soxr (high quality, linear phase, no delay).

    Args:
        from_rate: in Hz.
        to_rate: in Hz; equal rates leave the blocks as they are.
        n_channels: C.
    """

    def __init__(self, from_rate: int, to_rate: int, n_channels: int) -> None:
        self.n_channels, self.ratio, self.missing = n_channels, to_rate / from_rate, 0.0
        self.stream = None
        if from_rate != to_rate:
            self.stream = soxr.ResampleStream(from_rate, to_rate, n_channels, dtype="float32")

    def push(self, block: FloatArray) -> FloatArray:
        """Takes (C, N) and gives what is ready (C, K), K >= 0."""
        if self.stream is None:
            return block
        piece = self._chunk(self.stream, np.ascontiguousarray(block.T), last=False)
        self.missing += block.shape[1] * self.ratio - piece.shape[1]
        return piece

    def finish(self) -> FloatArray:
        """Gives the rest (C, K). All pieces together are as long as the input, rounded up."""
        if self.stream is None:
            return np.zeros((self.n_channels, 0), np.float32)
        tail = self._chunk(self.stream, np.zeros((0, self.n_channels), np.float32), last=True)
        return np.pad(tail, ((0, 0), (0, max(0, math.ceil(self.missing) - tail.shape[1]))))  # rounding may lose one

    def _chunk(self, stream: soxr.ResampleStream, rows: FloatArray, *, last: bool) -> FloatArray:
        """Resamples rows (N, C) into (C, K)."""
        return np.asarray(stream.resample_chunk(rows, last=last), np.float32).reshape(-1, self.n_channels).T


def resample(wave: FloatArray, from_rate: int, to_rate: int) -> FloatArray:
    """Band-limited resampling of (N,) by soxr (high quality, linear phase, no delay)."""
    if from_rate == to_rate:
        return wave
    resampled = np.asarray(soxr.resample(wave, from_rate, to_rate), dtype=np.float32)
    return resampled if len(resampled) else wave[:1]  # at least one sample


def write(path: str | Path, wave: FloatArray, sample_rate: int, subtype: str | None = None) -> None:
    """Writes (N,) or (C, N) in [-1, 1] through a temporary file; see `writing`."""
    wave = np.atleast_2d(wave)
    with writing(path, sample_rate, len(wave), subtype) as append:
        append(wave)


def _subtype(suffix: str, container: str, wanted: str | None) -> str:
    """The sample format of a new file: that of its source where the container can hold it, else the nearest one.

    libsndfile's list of formats that a container has names some that it reads and does not write, such as mp3 in wav,
    so only those in `EXACT` are taken from a source.
    """
    if suffix in CODED:
        return CODED[suffix]
    held = sf.available_subtypes(container)
    if wanted in EXACT and wanted in held:
        return wanted
    if wanted in PRECISE and "PCM_24" in held:  # such as float into flac
        return "PCM_24"
    return "PCM_16"


@contextlib.contextmanager
def writing(
    path: str | Path, sample_rate: int, n_channels: int, subtype: str | None = None
) -> Iterator[Callable[[FloatArray], None]]:
    """Writes a sound file block by block; the suffix decides the format.

    The file appears under its name when the `with` block ends without an error. Integer formats clip samples outside
    [-1, 1], with a warning; the level is never changed. Opus and mp3 hold a few sample rates only: sound of another
    rate is resampled to the next higher one, or to the highest, with a warning.

    Args:
        path: of the new file.
        sample_rate: in Hz.
        n_channels: C.
        subtype: libsndfile's sample format of the source; kept if the target's format can hold it (`_subtype`).

    Yields:
        A function that appends a block (C, N).

    Raises:
        InputError: unknown suffix, a rate or channel count that the format does not support, or an unwritable place.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"cannot write {quoted(path)}: unknown suffix '{suffix}'. Use one of {' '.join(SUFFIXES)}.")
    container = CONTAINERS.get(suffix, suffix[1:].upper())
    subtype = _subtype(suffix, container, subtype)
    rates = CODED_RATES.get(subtype, (sample_rate,))
    rate = min((rate for rate in rates if rate >= sample_rate), default=max(rates))
    with replacing(target) as temporary:
        try:
            file = sf.SoundFile(_native(temporary), "w", rate, n_channels, subtype=subtype, format=container)
        except (sf.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"cannot write {quoted(path)} ({sample_rate} Hz, {n_channels} channels, {subtype}): {_message(error)}."
                " Use .wav or .flac."
            ) from error
        resampler = Resampler(sample_rate, rate, n_channels)
        peak = 0.0

        def append(wave: FloatArray) -> None:
            nonlocal peak
            level = float(np.abs(wave).max(initial=0.0))
            if not math.isfinite(level):
                raise InputError(f"cannot write {quoted(path)}: NaN or infinite samples. Try other weights.")
            peak = max(peak, level)
            file.write(resampler.push(wave).T)

        try:
            with file:
                yield append
                file.write(resampler.finish().T)
        except (sf.LibsndfileError, AssertionError) as error:
            raise FullDiskError(
                f"cannot write {quoted(path)}: {_message(error) or 'short write'}. Is the disk full?"
            ) from error
    if rate != sample_rate:
        print(f"warning: {quoted(path)} has {rate} Hz: {suffix} cannot hold {sample_rate}.", file=sys.stderr)
    if peak > 1.0 and subtype not in ("FLOAT", "DOUBLE"):
        print(
            f"warning: {quoted(path)} is clipped: peak {peak:.2f}. --loudness of denoise and cut avoids it.",
            file=sys.stderr,
        )
