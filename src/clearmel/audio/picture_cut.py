"""Encodes the picture of a video anew without the spans that are cut out of it."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clearmel.audio import media_container

if TYPE_CHECKING:
    from av import Packet
    from av.container import OutputContainer

TICK = Fraction(1, 90000)
"""Time step of the new picture in seconds."""
ENCODERS = {"webm": ("libvpx", {"crf": "10", "b": "4000000", "deadline": "good", "cpu-used": "4"})}
"""Encoder and options by muxer, where it is not H.264."""
H264 = ("libx264", {"crf": "18", "preset": "fast"})
TURNS = {90: ("cclock",), 180: ("clock", "clock"), 270: ("clock",)}
"""Filters that turn a picture upright, by the degrees (anticlockwise) of its display matrix."""


class PictureCut:
    """The picture track of a new video, a copy of a source's with the kept frames at new times.

    Args:
        container: the new file.
        muxer: FFmpeg's name of its kind.
        source: the old file.
        track: index of its picture track.
        moved: gives the new time of a time in seconds, both in the container; None for a time that is cut out.
    """

    def __init__(
        self,
        container: "OutputContainer",
        muxer: str,
        source: Path,
        track: int,
        moved: Callable[[Fraction], Fraction | None],
    ) -> None:
        self._source, self._track, self._moved = source, track, moved
        self._turn: Any = None
        encoder, settings = ENCODERS.get(muxer, H264)
        with media_container.opened(source, known=True) as old:
            stream: Any = old.streams[track]
            self._turned = next((frame.rotation % 360 for frame in old.decode(stream)), 0)
            rate = stream.guessed_rate or stream.average_rate or Fraction(25)
            self.stream = cast(Any, container.add_stream(encoder, rate=rate, options=dict(settings)))
            sides = [stream.codec_context.width, stream.codec_context.height]
            if self._turned in (90, 270):
                sides.reverse()
            # Both encoders need an even width and height in 4:2:0.
            self.stream.width, self.stream.height = (side - side % 2 for side in sides)
            self.stream.pix_fmt = "yuv420p"
            ratio = stream.codec_context.sample_aspect_ratio
            if ratio and self._turned in (0, 180):
                self.stream.codec_context.sample_aspect_ratio = ratio
        self.stream.codec_context.time_base = self.stream.time_base = TICK

    def packets(self) -> "Iterator[tuple[Fraction, Packet[Any]]]":
        """The packets with their times, in order."""
        last = -1
        with media_container.opened(self._source, known=True) as old:
            stream: Any = old.streams[self._track]
            for frame in old.decode(stream):
                if frame.pts is None:
                    continue
                time_s = self._moved(frame.pts * Fraction(frame.time_base or 1))
                place = last if time_s is None else round(time_s / TICK)
                if place <= last:  # cut out, or two frames in one step
                    continue
                last, picture = place, self._upright(frame)
                picture = picture.reformat(self.stream.width, self.stream.height, "yuv420p")
                picture.pts, picture.time_base = place, TICK
                picture.pict_type = 0  # the encoder chooses
                yield from map(_timed, self.stream.encode(picture))
            yield from map(_timed, self.stream.encode(None))

    def _upright(self, frame: Any) -> Any:
        """The frame as a player shows it, since the new file has no display matrix."""
        if self._turned not in TURNS:
            return frame
        if self._turn is None:
            graph = media_container.pyav(self._source).filter.Graph()
            nodes = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=TICK)]
            nodes += [graph.add("transpose", way) for way in TURNS[self._turned]]
            graph.link_nodes(*nodes, graph.add("buffersink")).configure()
            self._turn = graph
        self._turn.push(frame)
        return self._turn.pull()


def _timed(packet: "Packet[Any]") -> "tuple[Fraction, Packet[Any]]":
    return Fraction(packet.dts or 0) * Fraction(packet.time_base or TICK), packet
