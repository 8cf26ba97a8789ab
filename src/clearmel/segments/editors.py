"""Time lines in the formats of video editors, in whole frames."""

import importlib.util
from xml.etree import ElementTree

from clearmel.core.errors import InputError, printable
from clearmel.segments.frame_rate import FrameRate
from clearmel.segments.timeline import Timeline

AUDIO_CHANNELS = ("A", "A2", "A3", "A4")
"""Names of audio tracks in an EDL."""


def as_edl(timeline: Timeline, fps: FrameRate) -> str:
    """Edit decision list (CMX 3600) that joins the parts to keep; one event for each part and track.

    Numbers of more than three digits make all numbers as long, as Avid's and Resolve's are.

    Raises:
        InputError: there are more tracks than an EDL can name.
    """
    tracks = timeline.tracks
    if len(tracks) > len(AUDIO_CHANNELS):
        raise InputError(f"an EDL has at most {len(AUDIO_CHANNELS)} tracks, this time line {len(tracks)}; use fcpxml.")
    channels = AUDIO_CHANNELS[: len(tracks)] if len(tracks) > 1 else ("AA",)
    code = "DROP FRAME" if fps.drops else "NON-DROP FRAME"
    lines = [f"TITLE: {printable(timeline.source.stem)}"[:70], f"FCM: {code}", ""]
    clips, start, number = list(timeline.clips(fps)), timeline.start_frame(fps), 0
    width = max(3, len(str(len(clips) * len(tracks))))
    for first, last, place in clips:
        times = (start + first, start + last, place, place + last - first)
        for track, channel in zip(tracks, channels, strict=True):
            number += 1
            codes = " ".join(fps.timecode(frame) for frame in times)
            lines.append(f"{number:0{width}d}  AX       {channel:5} C        {codes}")
            lines.append(f"* FROM CLIP NAME: {printable(track.name)}")
    return "\n".join(lines) + "\n"


def as_fcpxml(timeline: Timeline, fps: FrameRate) -> str:
    """Final Cut Pro XML 1.9: an asset for each recording, and the parts to keep in sequence.

    The first recording is the primary story line; the others are connected to it in lanes below.
    """
    clips, start = list(timeline.clips(fps)), timeline.start_frame(fps)
    code = "DF" if fps.drops else "NDF"
    root = ElementTree.Element("fcpxml", version="1.9")
    resources = ElementTree.SubElement(root, "resources")
    ElementTree.SubElement(
        resources, "format", id="r1", frameDuration=fps.seconds(1), width="1920", height="1080", name="Clearmel"
    )
    assets = {track: f"r{number}" for number, track in enumerate(timeline.tracks, 2)}
    for track, name in assets.items():
        asset = ElementTree.SubElement(
            resources,
            "asset",
            id=name,
            name=printable(track.stem),
            start=fps.seconds(start),
            duration=fps.seconds(max(1, fps.frames(timeline.duration_s))),
            hasAudio="1",
            audioSources="1",
            audioChannels=str(timeline.n_channels),
            audioRate=str(timeline.sample_rate),
        )
        ElementTree.SubElement(asset, "media-rep", kind="original-media", src=track.absolute().as_uri())
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", name="Clearmel")
    project = ElementTree.SubElement(event, "project", name=f"{printable(timeline.source.stem)} cleaned")
    length = fps.seconds(sum(last - first for first, last, _ in clips))
    sequence = ElementTree.SubElement(project, "sequence", format="r1", duration=length, tcStart="0s", tcFormat=code)
    spine = ElementTree.SubElement(sequence, "spine")
    for first, last, place in clips:
        parent = spine
        for lane, (track, name) in enumerate(assets.items()):
            clip = ElementTree.SubElement(
                parent,
                "asset-clip",
                ref=name,
                name=printable(track.stem),
                offset=fps.seconds(start + first if lane else place),  # connected: in its parent's own time
                start=fps.seconds(start + first),
                duration=fps.seconds(last - first),
                audioRole="dialogue",
                tcFormat=code,
            )
            if lane:
                clip.set("lane", str(-lane))
            else:
                parent = clip
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'


def as_otio(timeline: Timeline, fps: FrameRate) -> str:
    """OpenTimelineIO's JSON, with an audio track for each recording.

    Raises:
        InputError: opentimelineio is not installed.
    """
    require_otio()
    import opentimelineio as otio  # an extra

    def span(first: int, length: int) -> "otio.opentime.TimeRange":
        rate = float(fps.rate)
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(first, rate), otio.opentime.RationalTime(length, rate)
        )

    start, total = timeline.start_frame(fps), max(1, fps.frames(timeline.duration_s))
    made = otio.schema.Timeline(name=printable(timeline.source.stem))
    for path in timeline.tracks:
        track = otio.schema.Track(name=printable(path.stem), kind=otio.schema.TrackKind.Audio)
        for first, last, _ in timeline.clips(fps):
            media = otio.schema.ExternalReference(path.absolute().as_uri(), span(start, total))
            track.append(otio.schema.Clip(printable(path.stem), media, span(start + first, last - first)))
        made.tracks.append(track)
    return str(otio.adapters.write_to_string(made, "otio_json"))


def require_otio() -> None:
    """Raises an InputError if opentimelineio is not installed."""
    if importlib.util.find_spec("opentimelineio") is None:
        raise InputError('otio needs opentimelineio; install it with pip install "clearmel[otio]".')
