"""Opens a sound file with the decoder that reads all of it."""

import os
import re
from pathlib import Path

import soundfile as sf

from clearmel.audio import joined, media_container, unfinished_wav
from clearmel.audio.media_file import MediaFile
from clearmel.audio.streamed_file import StreamedFile
from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import existing, quoted

SLOWEST_HZ, FASTEST_HZ = 1000, 1_000_000
"""Accepted sample rates. A rate far outside would resample a short file to hours, or to nothing."""


def open_audio(path: str | Path) -> sf.SoundFile | StreamedFile:
    """Opens a sound file, or the sound track of a video.

    libsndfile comes first. FFmpeg's libraries read what libsndfile cannot, and what it would read only in part, because
    it trusts the length that an mp3 or ogg states.

    Raises:
        InputError: it does not exist, is not a sound file, has no such track, or holds no sample.
    """
    existing(path, folder=False)
    file = _opened(path)
    try:
        if not SLOWEST_HZ <= file.samplerate <= FASTEST_HZ:
            rate, limits = file.samplerate, f"{SLOWEST_HZ} to {FASTEST_HZ}"
            raise InputError(f"{quoted(path)} has {rate} Hz; expected {limits}. Is its header damaged?")
        track = media_container.options().audio_track or 1
        if track > 1 and isinstance(file, sf.SoundFile):
            raise InputError(f"{quoted(path)} has 1 sound track; --audio_track {track} is not there.")
        if isinstance(file, sf.SoundFile):
            _refuse_truncated(file, path)
            if file.frames <= 0 and (whole := unfinished_wav.opened(path)):
                file.close()
                file = whole
        if file.frames <= 0:
            raise InputError(f"{quoted(path)} holds no samples; expected a recording.")
    except InputError:
        file.close()
        raise
    return file


def _opened(path: str | Path) -> sf.SoundFile | StreamedFile:
    try:
        parts = joined.windows(path)
    except OSError as error:
        raise InputError(f"{quoted(path)} cannot be read: {reason(error)}.") from error
    if len(parts) > 1:
        return joined.Joined(path, parts)
    if not parts[0].plain:
        return MediaFile(path, parts[0])
    try:
        return sf.SoundFile(native(path))
    except (sf.LibsndfileError, RuntimeError, OSError, TypeError) as error:
        try:
            return MediaFile(path)
        except media_container.UnreadableError:
            if str(path).lower().endswith(media_container.SUFFIXES):
                raise
            raise InputError(f"{quoted(path)} is not a readable sound file: {message(error)}.") from error


def _refuse_truncated(file: sf.SoundFile, path: str | Path) -> None:
    """Raises an InputError for a wav that ends early.

    libsndfile reads it to its end and only notes in its log that the header states more. A recorder that writes to a
    pipe states the largest number; such a file is not truncated.
    """
    stated = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, flags=re.MULTILINE)
    if stated and int(stated[2]) < int(stated[1]) < 0x7FFFF000:
        raise InputError(
            f"{quoted(path)} is truncated: {stated[2]} of {stated[1]} bytes of sound. Copy or record it again."
        )


def native(path: str | Path) -> str | bytes:
    """A path for soundfile, which needs bytes for names that are not valid UTF-8."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def message(error: BaseException) -> str:
    """The message of libsndfile."""
    return str(getattr(error, "error_string", reason(error))).rstrip(".")
