"""Time lines in the formats of editors."""

import csv
import json
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import imageio_ffmpeg
import numpy as np
import opentimelineio as otio
import pytest

from clearmel.audio import sound_file, wav_chunks
from clearmel.core.errors import InputError
from clearmel.segments import timelines
from clearmel.segments.frame_rate import FrameRate
from clearmel.segments.timelines import Timeline

LINE = Timeline(Path("my show/épisode 1.mp3"), 1800.0, 44100, 2, [(0.0, 12.34), (20.0, 20.01), (30.52, 1500.0)])


def test_cuts_fill_what_is_not_kept() -> None:
    assert LINE.cuts() == [(12.34, 20.0), (20.01, 30.52), (1500.0, 1800.0)]
    assert Timeline(Path("a.wav"), 5.0, 8000, 1, []).cuts() == [(0.0, 5.0)]
    assert Timeline(Path("a.wav"), 5.0, 8000, 1, [(0.0, 5.0)]).cuts() == []


def test_the_summary_is_in_minutes_and_hours() -> None:
    assert LINE.summary() == "kept 24:42 of 30:00, 3 cuts"
    assert Timeline(Path("a.wav"), 7322.0, 8000, 1, [(1.0, 7322.0)]).summary() == "kept 2:02:01 of 2:02:02, 1 cut"


def test_json_csv_and_audacity_hold_the_same_segments(workplace: Path) -> None:
    for suffix in (".json", ".csv", ".txt"):
        timelines.write(f"line{suffix}", LINE)
    from_json = [(s["start_s"], s["end_s"], s["label"]) for s in json.loads(Path("line.json").read_text())["segments"]]
    rows = list(csv.DictReader(Path("line.csv").read_text().splitlines()))
    labels = [line.split("\t") for line in Path("line.txt").read_text().splitlines()]
    assert from_json == LINE.segments()
    assert [(float(r["start_s"]), float(r["end_s"]), r["label"]) for r in rows] == LINE.segments()
    assert [(float(a), float(b), label) for a, b, label in labels] == LINE.segments()


def test_an_edit_list_has_whole_frames_without_gaps_in_the_result(workplace: Path) -> None:
    timelines.write("line.edl", LINE)
    text = Path("line.edl").read_text(encoding="utf-8")
    events = re.findall(r"^(\d{3})  AX       AA    C        (\S+) (\S+) (\S+) (\S+)$", text, flags=re.MULTILINE)
    assert [event[0] for event in events] == ["001", "002"]  # the part of 10 ms is no frame
    assert events[0][1:] == ("00:00:00:00", "00:00:12:08", "00:00:00:00", "00:00:12:08")
    assert events[1][1:] == ("00:00:30:13", "00:25:00:00", "00:00:12:08", "00:24:41:20")
    assert text.startswith("TITLE: ")
    assert "FCM: NON-DROP FRAME" in text
    assert "* FROM CLIP NAME: épisode 1.mp3" in text


def test_final_cut_s_clips_follow_each_other_and_lie_in_the_asset(workplace: Path) -> None:
    timelines.write("line.fcpxml", LINE, FrameRate.parse("30"))
    root = ElementTree.parse("line.fcpxml").getroot()

    def frames(text: str) -> int:
        count, rate = text.removesuffix("s").split("/")
        assert rate == "30"
        return int(count)

    asset = root.find("resources/asset")
    assert asset is not None
    rep = asset.find("media-rep")
    assert rep is not None
    assert rep.get("src", "").endswith("my%20show/%C3%A9pisode%201.mp3")
    clips = root.findall("library/event/project/sequence/spine/asset-clip")
    place = 0
    for clip, (start, end) in zip(clips, [LINE.kept[0], LINE.kept[2]], strict=True):
        assert frames(clip.get("offset", "")) == place
        assert frames(clip.get("start", "")) == round(start * 30)
        place += frames(clip.get("duration", ""))
        assert frames(clip.get("start", "")) + frames(clip.get("duration", "")) == round(end * 30)
        assert clip.get("ref") == asset.get("id")
    sequence = root.find("library/event/project/sequence")
    assert sequence is not None
    assert frames(sequence.get("duration", "")) == place
    assert Path("line.fcpxml").read_text().splitlines()[1] == "<!DOCTYPE fcpxml>"


def test_an_unknown_suffix_is_one_line() -> None:
    with pytest.raises(InputError, match=r"line.xls: unknown time line; expected a name that ends in .json / .csv"):
        timelines.write("line.xls", LINE)


NTSC = Fraction(30000, 1001)
HOUR = [(k * 1.3 + 0.011, k * 1.3 + 1.027) for k in range(2770)]
TALK = Timeline(Path("host.wav"), 3601.0, 48000, 1, HOUR, (Path("guest.wav"),), 36000 * 48000)


@pytest.mark.parametrize(
    ("text", "rate", "drops"),
    [
        ("25", Fraction(25), False), ("29.97", NTSC, True), ("30000/1001", NTSC, True), ("59.94", 2 * NTSC, True),
        ("23.976", NTSC * 4 / 5, False), ("23.98", NTSC * 4 / 5, False), ("12.5", Fraction(25, 2), False),
    ],
)  # fmt: skip
def test_rates_are_ratios(text: str, rate: Fraction, drops: bool) -> None:
    found = FrameRate.parse(text)
    assert (found.rate, found.drops) == (rate, drops)
    assert not FrameRate.parse(text, drop=False).drops


def test_what_is_no_rate_is_one_line() -> None:
    for text in ("0", "29,97", "fast", "1/0", "241", "nan"):
        with pytest.raises(InputError, match=f"--fps {text}; expected 1 to 240"):
            FrameRate.parse(text)


@pytest.mark.parametrize(("text", "drop"), [("29.97", True), ("59.94", True), ("29.97", False), ("23.976", True)])
def test_time_code_is_that_of_opentimelineio(text: str, drop: bool) -> None:
    fps = FrameRate.parse(text, drop=drop)
    edges = [f + k for f in (0, 1800, 3600, 17982, 35964, 107892, 215784, 1078920) for k in range(-3, 4) if f + k >= 0]
    for frame in [*edges, *range(5, 2_000_000, 98_765)]:
        time = otio.opentime.RationalTime(frame, float(fps.rate))
        assert fps.timecode(frame) == otio.opentime.to_timecode(time, float(fps.rate), fps.drops), frame


def test_an_hour_of_drop_frames_ends_with_the_clock() -> None:
    """SMPTE ST 12-1: 108 of 108,000 numbers an hour are left out."""
    assert FrameRate.parse("29.97").timecode(107892) == "01:00:00;00"
    assert FrameRate.parse("29.97", drop=False).timecode(107892) == "00:59:56:12"


@pytest.mark.parametrize("text", ["25", "29.97", "23.976", "59.94"])
def test_an_hour_of_cuts_stays_in_place_to_a_frame(text: str) -> None:
    """As another program reads the edit list: 5540 events, two tracks, a recording that begins at ten o'clock."""
    fps = FrameRate.parse(text)
    read = otio.adapters.read_from_string(timelines.as_edl(TALK, fps), "cmx_3600", rate=float(fps.rate))
    assert [(track.name, track.kind) for track in read.tracks] == [("A1", "Audio"), ("A2", "Audio")]
    for track, name in zip(read.tracks, ("host.wav", "guest.wav"), strict=True):
        clips, place = list(track), 0.0
        assert len(clips) == len(HOUR)
        for clip, (start, end) in zip(clips, HOUR, strict=True):
            assert clip.name == name
            found = clip.source_range.start_time.value
            assert abs(found - (36000 + start) * fps.rate) <= 1
            assert abs(clip.source_range.end_time_exclusive().value - (36000 + end) * fps.rate) <= 2
            own = track.range_of_child(clip).start_time.value if clip in (clips[0], clips[1000], clips[-1]) else None
            assert own is None or abs(own - place * float(fps.rate)) <= 1
            place += end - start


def test_final_cut_and_otio_hold_both_tracks_at_the_time_of_day() -> None:
    fps = FrameRate.parse("29.97")
    root = ElementTree.fromstring(timelines.as_fcpxml(TALK, fps).split("<!DOCTYPE fcpxml>")[1])
    assert root.find("resources/format").get("frameDuration") == "1001/30000s"
    assert [asset.get("name") for asset in root.findall("resources/asset")] == ["host", "guest"]
    clips = root.findall("library/event/project/sequence/spine/asset-clip")
    assert len(clips) == len(HOUR)
    place = Fraction(0)
    for clip, (start, _) in zip(clips, HOUR, strict=True):
        (lane,) = clip.findall("asset-clip")
        times = {key: Fraction(clip.get(key, "").removesuffix("s")) for key in ("offset", "start", "duration")}
        assert abs(float(times["start"]) - 36000 - start) <= 1001 / 30000
        assert times["offset"] == place
        assert (lane.get("lane"), lane.get("start"), lane.get("offset")) == ("-1", clip.get("start"), clip.get("start"))
        place += times["duration"]
    assert root.find("library/event/project/sequence").get("tcFormat") == "DF"
    made = otio.adapters.read_from_string(timelines.FORMATS[".otio"](TALK, fps), "otio_json")
    assert [track.name for track in made.tracks] == ["host", "guest"]
    first = made.tracks[1][0]
    assert first.media_reference.target_url == Path("guest.wav").absolute().as_uri()
    assert first.source_range.start_time.rescaled_to(1000).value == pytest.approx(36000011, abs=34)
    assert made.duration().to_seconds() == pytest.approx(float(place))


def test_opentimelineio_reads_the_clips_of_final_cut_s_xml() -> None:
    line = Timeline(Path("a.wav"), 100.0, 48000, 1, [(1.0, 2.0), (3.0, 5.0)], start=48000 * 60)
    read = otio.adapters.read_from_string(timelines.as_fcpxml(line, FrameRate.parse("25")), "fcpx_xml")
    spans = [clip.source_range for clip in read.find_children(descended_from_type=otio.schema.Clip)]
    assert [(span.start_time.value, span.duration.value) for span in spans] == [(61 * 25, 25), (63 * 25, 50)]


def test_event_numbers_beyond_999_are_all_as_long() -> None:
    numbers = re.findall(r"^(\d+)  AX", timelines.as_edl(TALK, FrameRate.parse("25")), flags=re.MULTILINE)
    assert numbers == [f"{k:04d}" for k in range(1, 2 * len(HOUR) + 1)]
    with pytest.raises(InputError, match="at most 4 tracks"):
        timelines.as_edl(Timeline(Path("a"), 1.0, 8000, 1, [], tuple(map(Path, "bcde"))), FrameRate.parse("25"))


def test_the_time_stamp_of_a_broadcast_wave_is_read(workplace: Path) -> None:
    """Written by ffmpeg: 12:30:00 at 48 kHz needs more than 31 bits, as the samples of a day do."""
    wanted = 45000 * 48000
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "sine=duration=1:sample_rate=48000"]
    for rf64 in ("never", "always"):
        extra = ["-write_bext", "1", "-metadata", f"time_reference={wanted}", "-rf64", rf64, f"{rf64}.wav"]
        subprocess.run([*command, *extra], check=True)
        assert wav_chunks.time_reference(f"{rf64}.wav") == wanted
    sound_file.write("plain.wav", np.zeros(100, np.float32), 8000)
    sound_file.write("a.flac", np.zeros(100, np.float32), 8000)
    assert wav_chunks.time_reference("plain.wav") == wav_chunks.time_reference("a.flac") == 0
