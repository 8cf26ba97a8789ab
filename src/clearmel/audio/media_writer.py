"""Writes compressed sound by FFmpeg's encoders: mp3, opus, m4a, mp4, webm ... Shapes: N samples, C channels."""

import errno
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clearmel.audio import media_container, mp3_padding
from clearmel.audio.companions import Companions, Origin
from clearmel.audio.media_container import LAYOUTS, Encoding
from clearmel.core.errors import FullDiskError, InputError, reason
from clearmel.core.file_io import FloatArray, quoted

if TYPE_CHECKING:
    import av


class Kind(NamedTuple):
    """FFmpeg's name of a container, and the codecs that are written into it; the first is the default one."""

    muxer: str
    codecs: tuple[str, ...]


MP4 = ("aac", "alac", "mp3", "opus", "ac3", "flac")
MATROSKA = ("aac", "opus", "flac", "mp3", "mp2", "ac3", "alac", "pcm_s16le", "pcm_s24le", "pcm_f32le")
KINDS = {
    ".m4a": Kind("mp4", ("aac", "alac")),
    ".m4b": Kind("mp4", ("aac", "alac")),
    ".aac": Kind("adts", ("aac",)),
    ".mp4": Kind("mp4", MP4),
    ".m4v": Kind("mp4", MP4),
    ".mov": Kind("mov", ("aac", "alac", "mp3", "ac3", "pcm_s16le", "pcm_s24le", "pcm_f32le")),
    ".mkv": Kind("matroska", MATROSKA),
    ".mka": Kind("matroska", MATROSKA),
    ".webm": Kind("webm", ("opus",)),
    ".weba": Kind("webm", ("opus",)),
    ".3gp": Kind("3gp", ("aac", "amr_nb")),
    ".amr": Kind("amr", ("amr_nb",)),
    ".wma": Kind("asf", ("wmav2",)),
    ".mp2": Kind("mp2", ("mp2",)),
    ".mp3": Kind("mp3", ("mp3",)),
    ".opus": Kind("ogg", ("opus",)),
}
SUFFIXES = tuple(KINDS)
VIDEO = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".3gp")
"""Kinds that hold a video."""
ENCODERS = {"opus": "libopus", "mp3": "libmp3lame", "amr_nb": "libopencore_amrnb"}
"""The encoder of a codec, where it is not the codec's own name."""
RATES = {"amr_nb": (8000,), "wmav2": (8000, 11025, 16000, 22050, 32000, 44100, 48000)}
"""Sample rates in Hz of the encoders that do not list theirs."""
PER_CHANNEL = {"aac": 80_000, "mp3": 96_000, "opus": 64_000, "mp2": 128_000, "wmav2": 80_000, "ac3": 128_000}
"""Bit rate of sound that has none of its own, for 32 kHz and above."""
LIMITS = {"mp3": (8_000, 320_000), "opus": (6_000, 510_000), "mp2": (32_000, 384_000), "ac3": (32_000, 640_000)}
LIMITS |= {"wmav2": (24_000, 400_000)}
"""Lowest and highest bit rate of an encoder."""
LEADS = {
    ("adts", "aac"): (0, 1),
    ("mp2", "mp2"): (1152 - 481, 1),
    ("amr", "amr_nb"): (160 - 39, 1),
    ("3gp", "amr_nb"): (11, 0),
}
"""Where a container does not state the delay of its codec: zeros put before the sound, and packets then left out, so
that the sound is decoded in place. The delays are measured; those of AAC and MP2 follow from their windows."""


class MediaWriter:
    """Writes one sound track.

    Attributes:
        rate: the sample rate in Hz of what `write` takes: the wanted one, or the nearest that the encoder has.

    Args:
        path: of the file that is written.
        target: its final name, whose suffix decides the kind.
        sample_rate: in Hz.
        n_channels: C.
        subtype: libsndfile's sample format of the source; decides the precision of lossless codecs.
        origin: where the sound comes from; what lies beside it there is copied. None if it comes from no file.

    Raises:
        InputError: the encoder does not take the rate or the channels.
    """

    def __init__(
        self,
        path: Path,
        target: Path,
        sample_rate: int,
        n_channels: int,
        subtype: str | None,
        origin: Origin | None,
    ) -> None:
        like = origin.encoding if origin else None
        self._av = media_container.pyav(target)
        suffix = target.suffix.lower()
        kind = KINDS[suffix]
        codec = like.codec if like and like.codec in kind.codecs else kind.codecs[0]
        rates = RATES.get(codec) or self._av.Codec(ENCODERS.get(codec, codec), "w").audio_rates
        self.rate, self._path, self._target = nearest_rate(sample_rate, rates or (sample_rate,)), path, target
        self._container = self._av.open(str(path), "w", format=kind.muxer, options=muxer_options(suffix, self.rate))
        self._companions: Companions | None = None

        def sound() -> SoundEncoder:
            return SoundEncoder(self._container, codec, self.rate, n_channels, subtype, like, kind.muxer)

        try:
            if origin is None:
                self._track = sound()
            else:
                self._companions = Companions(origin, kind.muxer, video=suffix in VIDEO)
                self._track = self._companions.add_streams(self._container, sound)
                self._track.start(self._companions.start_s)
        except (self._av.FFmpegError, ValueError, IndexError) as error:
            self._close()
            raise InputError(
                f"cannot write {quoted(target)} ({sample_rate} Hz, {n_channels} channels, {codec}): {reason(error)}."
                " Use .wav or .flac."
            ) from error

    is_float = False
    """Whether samples beyond [-1, 1] are kept."""

    def __enter__(self) -> "MediaWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._mux(self._track.finish(), last=True)
        finally:
            self._close()
        if kind is None and self._target.suffix.lower() == ".mp3":
            mp3_padding.state_padding(self._path, self._track.n_samples, self.rate)

    def write(self, rows: FloatArray) -> None:
        """Appends samples (N, C) in [-1, 1]."""
        self._mux(self._track.push(rows))

    def _mux(self, packets: Sequence["av.Packet[Any]"], *, last: bool = False) -> None:
        """Writes packets of sound, each after the companions that come before it; with `last` all companions."""
        try:
            for packet in packets:
                if self._companions is not None:
                    time_s = (packet.dts or 0) * Fraction(packet.time_base or 1)
                    self._container.mux(list(self._companions.until(time_s)))
                self._container.mux(packet)
            if last and self._companions is not None:
                for packet in self._companions.until(None):
                    self._container.mux(packet)
        except self._av.FFmpegError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            kind, hint = (FullDiskError, "Is the disk full?") if full else (InputError, "Use another suffix.")
            raise kind(f"cannot write {quoted(self._target)}: {reason(error)}. {hint}") from error

    def _close(self) -> None:
        self._container.close()
        if self._companions is not None:
            self._companions.close()


class SoundEncoder:
    """Encodes consecutive blocks into the packets of a new stream of a container."""

    def __init__(
        self,
        container: "av.container.OutputContainer",
        codec: str,
        rate: int,
        n_channels: int,
        subtype: str | None,
        like: Encoding | None,
        muxer: str,
    ) -> None:
        self._av, self.rate = media_container.pyav(codec), rate
        encoder = self._av.Codec(ENCODERS.get(codec, codec), "w")
        self.stream: Any = container.add_stream(encoder.name, rate=rate)
        layout = like.layout if like and like.n_channels == n_channels and like.layout else LAYOUTS[n_channels - 1]
        if codec in ("aac", "opus"):  # FFmpeg knows two layouts with 6 channels; these codecs have one
            layout = layout.split("(")[0]
        self.stream.layout = layout
        formats = [form.name for form in encoder.audio_formats or ()]
        wanted = (
            "fltp",
            "flt",
            *(("s32p", "s32") if subtype in media_container.PRECISE.values() else ()),
            "s16p",
            "s16",
        )
        self.stream.format = next(form for form in wanted if form in formats)
        if codec not in ("alac", "flac") and not codec.startswith("pcm_"):
            self.stream.bit_rate = bit_rate(codec, rate, n_channels, like)
        self.stream.codec_context.time_base = Fraction(1, rate)
        self.stream.codec_context.open()
        n_before, self._n_dropped = LEADS.get((muxer, codec), (0, 0))
        if codec == "wmav2":  # its decoder leaves out the first frame
            n_before = self.stream.codec_context.frame_size
        self._behind = n_before if codec == "wmav2" else 0
        self._resampler = self._av.AudioResampler(format=self.stream.format, layout=layout, rate=rate)
        self._layout, self._n_channels, self.n_samples = layout, n_channels, 0
        self._first = 0
        self._ahead = np.zeros((n_before, n_channels), np.float32)

    def start(self, time_s: Fraction) -> None:
        """Sets the time of the first sample."""
        self._first = round(time_s * self.rate)

    def push(self, rows: FloatArray) -> list["av.Packet[Any]"]:
        """Takes (N, C) and gives the packets that are ready."""
        if len(self._ahead):
            rows, self._ahead = np.concatenate([self._ahead, rows]), self._ahead[:0]
        if not len(rows):
            return []
        wave = np.ascontiguousarray(rows.T, np.float32)
        frame = self._av.AudioFrame.from_ndarray(wave, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self._first + self.n_samples, Fraction(1, self.rate)
        self.n_samples += len(rows)
        return self._encoded(self._resampler.resample(frame))

    def finish(self) -> list["av.Packet[Any]"]:
        """Gives the last packets."""
        packets = self.push(np.zeros((self._behind, self._n_channels), np.float32))
        return packets + self._encoded([*self._resampler.resample(None), None])

    def _encoded(self, frames: Sequence["av.AudioFrame | None"]) -> list["av.Packet[Any]"]:
        packets = [packet for frame in frames for packet in self.stream.encode(frame)]
        n_dropped = min(self._n_dropped, len(packets))
        self._n_dropped -= n_dropped
        return packets[n_dropped:]


def nearest_rate(sample_rate: int, rates: Sequence[int]) -> int:
    """The lowest of the rates that holds all of the sound, or the highest."""
    return min((rate for rate in rates if rate >= sample_rate), default=max(rates))


def bit_rate(codec: str, rate: int, n_channels: int, like: Encoding | None) -> int:
    """Bits a second: those of `--bitrate`, of the source, or the usual ones."""
    if codec == "amr_nb":
        return 12200
    usual = PER_CHANNEL[codec] * n_channels * min(1.0, rate / 32000)
    own = like.bit_rate or usual if like else usual
    if like and like.codec != codec:  # what suffices for AMR or Opus is too little for MP2
        own = max(own, usual)
    low, high = LIMITS.get(codec, (8_000, 5 * rate * n_channels))
    return int(min(max(1000 * (media_container.options().bitrate or 0) or own, low), high))


def muxer_options(suffix: str, rate: int) -> dict[str, str]:
    """Options under which an mp4 states its length to the sample, and the brand of one with sound only."""
    brand = {".m4a": "M4A ", ".m4b": "M4B "}.get(suffix)
    exact = {"movie_timescale": str(rate)} if KINDS[suffix].muxer in ("mp4", "mov", "3gp") else {}
    return exact | ({"brand": brand} if brand else {})
