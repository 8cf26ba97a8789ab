"""Decodes the sound of the containers of `media_container`, as a `soundfile.SoundFile` is read.

Memory does not depend on the length of a file. Shapes: N samples, C channels.
"""

import contextlib
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearmel.audio.media_container import LAYOUTS, LOSSLESS, PRECISE, opened, pyav, sound_track
from clearmel.audio.streamed_file import StreamedFile
from clearmel.audio.window import Part, Window
from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import FloatArray, quoted

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

TIMED = ("mov", "matroska", "flv", "mpegts")
"""Demuxers whose time stamps count; a gap in them is silence."""
GAP_S, LONGEST_GAP_S = 0.1, 3600.0
"""Shorter gaps are the rounding of time stamps; longer ones are damaged stamps, which may say months."""
PREROLL_S = 1.0
"""Decoded before the goal of a jump, so that the decoder is in the state that a whole pass gives it."""
FULL_SCALE = {"u1": 1 << 7, "i2": 1 << 15, "i4": 1 << 31, "i8": 1 << 63}


_lengths: dict[tuple[str, int, int, int, Window | None], int] = {}
"""By path, size, time of change, track and window."""


class MediaFile(StreamedFile):
    """One sound track of a media file, read as a `soundfile.SoundFile` is.

    Attributes:
        samplerate, channels, frames, format, subtype: as of a SoundFile; `frames` is the length that decoding gives.
        codec: FFmpeg's name.

    Args:
        path: the file.
        window: the bytes of it that are read; None for all.

    Raises:
        InputError: it cannot be read, or has no such sound track.
    """

    def __init__(self, path: str | Path, window: Window | None = None) -> None:
        self.path, self._window = path, window
        with self._container() as container:
            track = sound_track(container, path)
            self._track, self._origin = track.index, track.start_time or 0
            self.samplerate, self.channels = track.codec_context.sample_rate, track.codec_context.layout.nb_channels
            self.codec, self.format = track.codec_context.codec.canonical_name, container.format.name
            kind = track.codec_context.format.packed.name
            self.subtype = PRECISE.get(kind, "PCM_16") if self.codec.startswith(LOSSLESS) else self.codec.upper()
            self._exact = None if window else indexed_length(track, path)
        self._restart()
        self.frames = self._exact or self._counted()

    def _start(self, place: int) -> int:
        return max(0, place - round(PREROLL_S * self.samplerate)) if self._exact else 0

    def _counted(self) -> int:
        """The length that decoding gives; it is remembered until the file changes."""
        found = Path(self.path).stat()
        key = (str(self.path), found.st_size, found.st_mtime_ns, self._track, self._window)
        if key not in _lengths:
            _lengths[key] = self._measured()
        return _lengths[key]

    @contextlib.contextmanager
    def _container(self) -> Iterator["InputContainer"]:
        with contextlib.ExitStack() as stack:
            raw = stack.enter_context(Part(self.path, self._window)) if self._window else None
            yield stack.enter_context(opened(self.path, raw))

    def _decoded(self, first: int) -> Iterator[tuple[int, FloatArray]]:
        """Pieces (N, C) with their positions, without gaps; from `first` or somewhat before it."""
        av = pyav(self.path)
        with self._container() as container:
            track = container.streams[self._track]
            step = Fraction(track.time_base or Fraction(1, 1000)) * self.samplerate  # samples of a time stamp
            timed = self.format.startswith(TIMED)
            if first:
                container.seek(self._origin + int(first / step), stream=track)
            origin, end, convert = self._origin if first else None, 0, _Converter(self.samplerate, self.channels)
            for number, frame in enumerate(_frames(av, container, track, self.path)):
                place = end
                if frame.pts is not None:
                    origin = frame.pts if origin is None else origin
                    if timed or not number:
                        place = round((frame.pts - origin) * step)
                end = end if number else place
                if place - end > LONGEST_GAP_S * self.samplerate:
                    place = end
                while place - end > GAP_S * self.samplerate:
                    silence = np.zeros((min(place - end, 10 * self.samplerate), self.channels), np.float32)
                    yield end, silence
                    end += len(silence)
                piece = convert(frame)
                yield end, piece
                end += len(piece)


def _frames(av: Any, container: "InputContainer", track: Any, path: str | Path) -> Iterator["av.AudioFrame"]:
    """The decoded frames; damaged packets are left out with a warning.

    Raises:
        InputError: more than a tenth of the packets is damaged.
    """
    good = damaged = 0
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
            good += 1
        except av.EOFError:
            frames = []
        except av.FFmpegError as error:
            frames, damaged, message = [], damaged + 1, reason(error)
            if damaged > 20 and damaged > good / 9:
                raise InputError(f"{quoted(path)} is damaged: {message}. Copy or record it again.") from error
        if packet is None:
            break
        yield from frames
    if damaged:
        print(f"warning: {quoted(path)}: {damaged} damaged packets of sound are left out", file=sys.stderr)


class _Converter:
    """Makes samples (N, C) of frames, also where their rate or channels change on the way."""

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self.sample_rate, self.n_channels = sample_rate, n_channels
        self.source: tuple[int, str] | None = None
        self.resampler: av.AudioResampler | None = None

    def __call__(self, frame: "av.AudioFrame") -> FloatArray:
        if frame.sample_rate == self.sample_rate and frame.layout.nb_channels == self.n_channels:
            return _samples(frame)
        import av

        if self.source != (frame.sample_rate, frame.layout.name):
            self.source = (frame.sample_rate, frame.layout.name)
            layout = LAYOUTS[self.n_channels - 1]
            self.resampler = av.AudioResampler(format="fltp", layout=layout, rate=self.sample_rate)
        assert self.resampler is not None
        pieces = [_samples(made) for made in self.resampler.resample(frame)]
        return np.concatenate([np.zeros((0, self.n_channels), np.float32), *pieces])


def _samples(frame: "av.AudioFrame") -> FloatArray:
    """Samples (N, C) of a frame in [-1, 1]."""
    array = frame.to_ndarray()
    array = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    scale = FULL_SCALE.get(array.dtype.str[1:])
    if scale is None:
        return np.ascontiguousarray(array, np.float32)
    return np.asarray((array.astype(np.float64) - (scale if scale == 1 << 7 else 0)) / scale, np.float32)


def indexed_length(track: "av.AudioStream", path: str | Path) -> int | None:
    """Samples of a track according to the index of an mp4 or mov; None where there is no complete index.

    Raises:
        InputError: the file ends before the last packet of the index.
    """
    entries = track.index_entries
    if not track.container.format.name.startswith("mov") or not track.frames or not track.duration or not len(entries):
        return None
    last, size = entries[len(entries) - 1], Path(path).stat().st_size
    if last.pos + last.size > size:
        raise InputError(f"{quoted(path)} is truncated: {size} of {last.pos + last.size} bytes. Copy it again.")
    return round(track.duration * Fraction(track.time_base or 1) * track.codec_context.sample_rate)


def start_s(path: str | Path) -> Fraction:
    """Time in the container of the first sample of the sound track."""
    with opened(path, known=True) as container:
        frame = next(_frames(pyav(path), container, sound_track(container, path), path), None)
        if frame is None or frame.pts is None:
            return Fraction(0)
        return frame.pts * Fraction(frame.time_base or 1)
