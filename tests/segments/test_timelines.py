"""Time lines in the formats of editors."""

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from clearmel.core.errors import InputError
from clearmel.segments import timelines
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
    timelines.write("line.edl", LINE, fps=25)
    text = Path("line.edl").read_text(encoding="utf-8")
    events = re.findall(r"^(\d{3})  AX       AA    C        (\S+) (\S+) (\S+) (\S+)$", text, flags=re.MULTILINE)
    assert [event[0] for event in events] == ["001", "002"]  # the part of 10 ms is no frame
    assert events[0][1:] == ("00:00:00:00", "00:00:12:08", "00:00:00:00", "00:00:12:08")
    assert events[1][1:] == ("00:00:30:13", "00:25:00:00", "00:00:12:08", "00:24:41:20")
    assert text.startswith("TITLE: ")
    assert "FCM: NON-DROP FRAME" in text
    assert "* FROM CLIP NAME: épisode 1.mp3" in text


def test_final_cut_s_clips_follow_each_other_and_lie_in_the_asset(workplace: Path) -> None:
    timelines.write("line.fcpxml", LINE, fps=30)
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
