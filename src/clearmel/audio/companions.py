"""What a file holds beside its sound: picture, subtitles, further tracks, cover, chapters, tags; copied, not decoded.

Only the picture of a video that is cut is encoded anew. Packets are copied in the order of their time, so that memory
does not depend on the length.
"""

import contextlib
import heapq
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clearmel.audio import media_container, media_file, wav_chunks
from clearmel.audio.media_container import Encoding
from clearmel.audio.picture_cut import PictureCut
from clearmel.core.file_io import quoted, replacing

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer, OutputContainer

COVERS = ("mp3", "mp4", "mov", "flac", "matroska")
"""Muxers that take a cover as a picture track."""
TECHNICAL = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "handler_name", "vendor_id")
"""Tags that describe the old file, in lower case."""


class Origin(NamedTuple):
    """Where the sound of a new file comes from.

    source: the file. encoding: how its sound is encoded. cuts: spans [start_s, end_s] that are left out.
    """

    source: Path
    encoding: Encoding
    cuts: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, source: str | Path | None, cuts: Sequence[tuple[float, float]] = ()) -> "Origin | None":
        """Of a file that FFmpeg reads; None without one, or without PyAV."""
        if source is None:
            return None
        try:
            encoding = media_container.encoding(source)
        except media_container.UnreadableError:
            encoding = None
        return cls(Path(source), encoding, tuple(cuts)) if encoding else None

    def moved(self, time_s: float) -> float | None:
        """The time in the new file; None if it was cut out."""
        before = 0.0
        for start, end in self.cuts:
            if start <= time_s < end:
                return None
            before += max(0.0, min(time_s, end) - start)
        return time_s - before

    def edge(self, time_s: float) -> float:
        """The time in the new file; the place of the cut for what was cut out."""
        return time_s - sum(max(0.0, min(time_s, end) - start) for start, end in self.cuts)


class Companions:
    """The companions of a recording; a context manager.

    Attributes:
        picture: whether the source is a video.
        start_s: time of its first sample of sound in the container; 0 for sound alone.

    Args:
        origin: the source and the spans that are cut out.
        muxer: FFmpeg's name of the target's container.
        video: whether the target may hold a video.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(self, origin: Origin, muxer: str, *, video: bool = False) -> None:
        source, self._origin = origin.source, origin
        self._source, self._muxer, self._tags = source, muxer, not media_container.options().no_tags
        self._stack = contextlib.ExitStack()
        self._container: InputContainer = self._stack.enter_context(media_container.opened(source, known=True))
        self._sound = media_container.sound_track(self._container, source).index
        pictures = [stream for stream in self._container.streams.video if not is_cover(stream)]
        self.picture = bool(pictures) and video
        self.start_s = media_file.start_s(source) if self.picture else Fraction(0)
        self._targets: dict[int, Any] = {}
        self._cut_picture: PictureCut | None = None
        self._waiting: tuple[Fraction, Packet[Any]] | None = None
        self._packets = iter(())  # type: Iterator[tuple[Fraction, Packet[Any]]]

    def close(self) -> None:
        """Closes the source."""
        self._packets = iter(())
        self._stack.close()

    def add_streams(self, container: "OutputContainer", sound: Any) -> Any:
        """Adds the streams to a new container in the source's order, and its tags and chapters.

        Args:
            container: to which nothing has been written.
            sound: a function that adds the new sound track and returns its encoder.

        Returns:
            What `sound` returns.
        """
        encoder, left_out = None, []
        for stream in self._container.streams:
            if stream.index == self._sound:
                encoder = sound()
                if self._tags or self.picture:
                    copy_description(stream, encoder.stream)
                continue
            if stream.type == "data" and ("timecode" in stream.metadata or self._container.chapters()):
                continue  # chapters and time codes are such tracks, which the muxer makes anew
            cover = stream.type == "video" and is_cover(stream)
            if not ((self._tags and self._muxer in COVERS) if cover else self.picture):
                continue
            try:
                target = self._copied(container, stream)
            except (ValueError, media_container.pyav(self._source).FFmpegError):
                left_out.append(f"{stream.type} ({stream.name})")
                continue
            if target is not None:
                self._targets[stream.index] = target
        if left_out:
            why = "a cut video has no" if self._origin.cuts else f"{self._muxer} cannot hold"
            print(f"warning: {quoted(self._source)}: {why} {', '.join(left_out)}", file=sys.stderr)
        if self._tags:
            container.metadata.update(tags(self._container, self._sound))
            container.set_chapters(chapters(self._container, self._origin))
        made = [self._cut_picture.packets()] if self._cut_picture is not None else []
        copied = [self._read()] if self._targets else []
        self._packets = heapq.merge(*made, *copied, key=lambda timed: timed[0])
        return encoder

    def found(self) -> bool:
        """Whether there are tags, chapters or a cover."""
        covers = any(map(is_cover, self._container.streams.video))
        return bool(tags(self._container, self._sound) or self._container.chapters() or covers)

    def _copied(self, container: "OutputContainer", stream: Any) -> Any:
        if stream.type == "data":  # a header with one would be refused
            raise ValueError("data")
        if self._origin.cuts and stream.type == "audio":  # would have to be cut and encoded, too
            raise ValueError("audio")
        if self._origin.cuts and stream.type == "video" and not is_cover(stream):
            self._cut_picture = PictureCut(container, self._muxer, self._origin.source, stream.index, self._moved)
            copy_description(stream, self._cut_picture.stream)
            return None
        if stream.type == "attachment":
            container.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
            return None
        target = container.add_stream_from_template(stream, opaque=True)
        copy_description(stream, target)
        return target

    def _read(self) -> "Iterator[tuple[Fraction, Packet[Any]]]":
        """The packets that are copied, with their times."""
        streams = [self._container.streams[index] for index in self._targets]
        for packet in self._container.demux(streams):
            if not packet.size:  # the end of a stream
                continue
            place = packet.dts if packet.dts is not None else packet.pts
            time_s = Fraction(place or 0) * Fraction(packet.time_base or 1)
            if self._origin.cuts and packet.stream.type == "subtitle":
                new_s = self._moved(time_s)
                if new_s is None:
                    continue
                packet.pts = packet.dts = round(new_s / Fraction(packet.time_base or 1))
                time_s = new_s
            packet.stream = self._targets[packet.stream.index]
            yield time_s, packet

    def _moved(self, time_s: Fraction) -> Fraction | None:
        """The new time of a time in the container; None if it is cut out. Cuts count from the first sample."""
        new_s = self._origin.moved(float(time_s - self.start_s))
        return None if new_s is None else Fraction(new_s) + self.start_s

    def until(self, time_s: Fraction | None) -> "Iterator[Packet[Any]]":
        """The packets up to a time; all that are left for None."""
        while True:
            if self._waiting is None:
                self._waiting = next(self._packets, None)
            if self._waiting is None or (time_s is not None and self._waiting[0] > time_s):
                return
            yield self._waiting[1]
            self._waiting = None


def is_cover(stream: Any) -> bool:
    """Whether a picture track is a still cover."""
    return bool(stream.disposition & media_container.pyav("").stream.Disposition.attached_pic)


def copy_description(source: Any, target: Any) -> None:
    """Copies language, title and role of a stream."""
    target.metadata.update({key: text for key, text in source.metadata.items() if key.lower() not in TECHNICAL})
    target.disposition = int(source.disposition)


def tags(container: "InputContainer", sound: int) -> dict[str, str]:
    """The tags of a file; those of an ogg lie in its sound track."""
    own = container.streams[sound].metadata if container.format.name in ("ogg", "flac") else {}
    return {key: text for key, text in (own | container.metadata).items() if key.lower() not in TECHNICAL}


def chapters(container: "InputContainer", origin: Origin) -> list[Any]:
    """The chapters at their times in the new file; those that are cut out are gone."""
    found = []
    for chapter in container.chapters():
        tick = Fraction(chapter["time_base"] or 1)
        start, end = (origin.edge(float(chapter[edge] * tick)) for edge in ("start", "end"))
        if end > start or not origin.cuts:
            found.append({**chapter, "start": round(start / tick), "end": round(end / tick)})
    return found


def wav_chunks_of(origin: Origin, sample_rate: int) -> list[wav_chunks.Chunk]:
    """The chunks that a new wav gets: those of a wav, with cue points at their new places, else the tags."""
    own = wav_chunks.read(origin.source)
    if own:
        return wav_chunks.moved(own, origin.moved, sample_rate) if origin.cuts else own
    with media_container.opened(origin.source, known=True) as container:
        return wav_chunks.info(tags(container, media_container.sound_track(container, origin.source).index))


def retag(path: Path, muxer: str, origin: Origin) -> None:
    """Copies a new flac or ogg with the tags, chapters and cover of its source."""
    av = media_container.pyav(path)
    companions = Companions(origin, muxer)
    try:
        with media_container.opened(path, known=True) as own:
            stream = own.streams.audio[0]
            if not companions.found():
                return
            with replacing(path) as second, av.open(str(second), "w", format=muxer) as container:
                copied = companions.add_streams(container, lambda: Copied(container, stream))
                container.mux(list(companions.until(None)))
                for packet in own.demux(stream):
                    if packet.dts is not None:
                        packet.stream = copied.stream
                        container.mux(packet)
    finally:
        companions.close()


class Copied:
    """A stream that is copied; see `Companions.add_streams`."""

    def __init__(self, container: "OutputContainer", stream: Any) -> None:
        self.stream = container.add_stream_from_template(stream, opaque=True)
