"""Opens the containers that libsndfile does not read by FFmpeg's libraries: m4a, mp4, mov, mkv, webm, wma, 3gp, amr ...

PyAV carries the libraries, so that no program of the system is needed. It is imported when the first such file is
opened.
"""

import contextlib
import io
from collections.abc import Iterator
from contextvars import ContextVar
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clearmel.core.errors import InputError, reason
from clearmel.core.file_io import quoted
from clearmel.options import MediaOptions

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

SUFFIXES = (
    ".m4a", ".m4b", ".aac", ".mp4", ".m4v", ".mov", ".mkv", ".mka", ".webm", ".weba", ".wma", ".wmv", ".asf", ".mp2",
    ".3gp", ".3ga", ".3g2", ".amr", ".avi", ".flv", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".ac3", ".eac3", ".dts",
    ".ape", ".wv", ".tta", ".ogv", ".awb", ".spx", ".vob",
)  # fmt: skip
"""Suffixes of sound and video that only FFmpeg reads."""
SELF_DESCRIBED = "mov,matroska,webm,asf,ogg,wav,w64,flac,aiff,caf,avi,flv,amr,ape,wv,tta,au"
"""Demuxers that recognise a file by its first bytes. They are tried with every file, whatever its suffix."""
BY_SUFFIX = f"{SELF_DESCRIBED},aac,mp3,mpegts,mpeg,ac3,eac3,dts"
"""The others may take any bytes for sound, so that they are tried for their own suffixes only."""
LOSSLESS = ("alac", "flac", "pcm_", "wavpack", "ape", "tta", "truehd", "mlp", "wmalossless")
PRECISE = {"s32": "PCM_24", "flt": "FLOAT", "dbl": "DOUBLE", "u8": "PCM_U8"}
"""libsndfile's sample format for the samples of a lossless decoder; PCM_16 for all others."""
SPEAKERS = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
)  # fmt: skip
"""FFmpeg's names of the speakers of a wav, by their bit."""
LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1")
"""FFmpeg's usual layout of 1 to 8 channels."""
_options: ContextVar[MediaOptions] = ContextVar("media_options")
_of_all_threads: list[MediaOptions] = [MediaOptions()]


class UnreadableError(InputError):
    """No demuxer reads the file, or there is no FFmpeg."""


@contextlib.contextmanager
def using(options: MediaOptions, *, all_threads: bool = False) -> Iterator[None]:
    """Chooses the sound track that is read and how files are written, for the duration of a `with` block.

    Args:
        options: the choice.
        all_threads: also in all other threads, as of a server; without it, calls in several threads are independent.
    """
    token = _options.set(options)
    if all_threads:
        _of_all_threads.append(options)
    try:
        yield
    finally:
        _options.reset(token)
        if all_threads:
            _of_all_threads.remove(options)


def options() -> MediaOptions:
    """The options of the innermost `using` of this thread, else of all threads."""
    return _options.get(_of_all_threads[-1])


def pyav(path: str | Path) -> Any:
    """The module `av`.

    Raises:
        UnreadableError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise UnreadableError(
            f"{quoted(path)} needs a codec of FFmpeg, which PyAV carries: {reason(error)}. Run pip install av."
        ) from error
    return av


@contextlib.contextmanager
def opened(path: str | Path, raw: io.RawIOBase | None = None, *, known: bool = False) -> Iterator["InputContainer"]:
    """A container, opened for reading.

    Args:
        path: the file.
        raw: read instead of it, by any demuxer.
        known: the file is known to hold sound, so that every demuxer may read it.

    Raises:
        UnreadableError: no demuxer reads it, or PyAV is not installed.
    """
    av = pyav(path)
    own = known or raw is not None or str(path).lower().endswith(SUFFIXES)
    limits = {"format_whitelist": BY_SUFFIX if own else SELF_DESCRIBED, "protocol_whitelist": "file"}
    with contextlib.ExitStack() as stack:
        try:
            name: Any = raw or f"file:{path}"
            if raw is None and not str(path).isprintable():  # PyAV takes names in UTF-8 only
                name = stack.enter_context(Path(path).open("rb"))
            found = av.open(name, "r", metadata_errors="replace", container_options=limits)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UnreadableError(f"{quoted(path)} is not a readable sound file: {reason(error)}.") from error
        yield stack.enter_context(found)


def sound_track(container: "InputContainer", path: str | Path) -> "av.AudioStream":
    """The sound track that `--audio_track` names; without it the container's default one, else the first.

    Raises:
        InputError: there is none, or none that can be decoded.
    """
    tracks, wanted = list(container.streams.audio), options().audio_track
    if not tracks:
        raise InputError(f"{quoted(path)} has no sound track; expected a recording.")
    if wanted and wanted > len(tracks):
        raise InputError(f"{quoted(path)} has {len(tracks)} sound tracks; --audio_track {wanted} is not there.")
    marked = [track for track in tracks if track.disposition & pyav(path).stream.Disposition.default]
    found = tracks[wanted - 1] if wanted else (marked or tracks)[0]
    context = found.codec_context
    if context is None or not context.sample_rate or context.format is None:
        name = context.name if context is not None else "unknown"
        raise InputError(f"{quoted(path)} holds sound in the codec {name}, without a decoder. Convert it to .wav.")
    return found


class Encoding(NamedTuple):
    """How a sound track is encoded. `codec`: FFmpeg's name; `bit_rate`: bits a second, None for lossless codecs.

    `layout`: FFmpeg's name of the channel layout, such as "5.1"; empty if the file names none.
    """

    codec: str
    bit_rate: int | None
    layout: str
    n_channels: int


def channel_mask(layout: str) -> int:
    """The speakers of a layout as in an extensible wav, one bit each; 0 for an empty or unusual one."""
    if not layout:
        return 0
    names = [channel.name for channel in pyav(layout).AudioLayout(layout).channels]
    return sum(1 << SPEAKERS.index(name) for name in names) if set(names) <= set(SPEAKERS) else 0


def encoding(path: str | Path) -> Encoding | None:
    """How the sound of a file is encoded; None if FFmpeg does not read it.

    Raises:
        UnreadableError: PyAV is not installed.
    """
    av = pyav(path)
    try:
        with opened(path, known=True) as container:
            track = sound_track(container, path)
            context = track.codec_context
            codec, layout = context.codec.canonical_name, context.layout
            rate = None
            if not codec.startswith(LOSSLESS):
                alone = len(container.streams) == 1
                rate = track.bit_rate or (container.bit_rate if alone else 0) or _measured_rate(container, track)
            name = "" if "channels" in layout.name else layout.name
            return Encoding(codec, rate or None, name, layout.nb_channels)
    except (InputError, av.FFmpegError):
        return None


def _measured_rate(container: "InputContainer", track: "av.AudioStream") -> int:
    """Bits a second of the first minute of a track."""
    size, ticks = 0, 0
    for packet in container.demux(track):
        size, ticks = size + packet.size, ticks + (packet.duration or 0)
        if ticks * Fraction(track.time_base or 1) > 60:
            break
    return int(8 * size / (ticks * Fraction(track.time_base or 1))) if ticks else 0
