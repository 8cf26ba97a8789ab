"""What stays of a file beside its sound: picture, subtitles, further tracks, chapters, cover, tags."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from clearmel.audio import media_container, sound_file
from clearmel.core.errors import InputError
from clearmel.options import MediaOptions
from tests.sounds import add_sound, decode, lag, speech

RATE, FPS = 48000, 25
CHAPTERS = [
    {"id": 1, "start": 0, "end": 1500, "time_base": Fraction(1, 1000), "metadata": {"title": "first"}},
    {"id": 2, "start": 1500, "end": 4000, "time_base": Fraction(1, 1000), "metadata": {"title": "second"}},
]


def copy(source: str, target: str) -> None:
    info = sound_file.inspect(source)
    with sound_file.writing(target, info.sample_rate, info.n_channels, info.subtype, source) as append:
        for block in sound_file.blocks(source, 0.3):
            append(block)


def film(path: str, form: str, subtitles: str | None, start: int = 0) -> np.ndarray:
    """A video of 4 s with B-frames, two sound tracks of which the first begins at sample `start`, and subtitles."""
    wave = speech(2, RATE, 3)
    with av.open(path, "w", format=form, options={"movie_timescale": str(RATE)} if form != "matroska" else {}) as out:
        picture = out.add_stream("libx264", rate=FPS, options={"bf": "2", "g": "25"})
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sounds = [out.add_stream("aac", rate=RATE) for _ in range(2)]
        for number, sound in enumerate(sounds):
            sound.layout, sound.bit_rate = "stereo", 128000 - 32000 * number
            sound.metadata["language"] = ("deu", "fra")[number]
        text = out.add_mux_stream(subtitles) if subtitles else None
        if text is not None:
            text.time_base = Fraction(1, 1000)
        out.metadata["title"] = "a film"
        out.set_chapters(CHAPTERS)
        rng = np.random.default_rng(0)
        for number in range(4 * FPS):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(picture.encode(frame.reformat(format="yuv420p")))
        out.mux(picture.encode(None))
        for sound in sounds:
            add_sound(out, sound, wave, RATE, start)
        if text is not None:
            for number in range(3):
                packet = av.Packet(b"\0\4word" if subtitles == "mov_text" else b"word")
                packet.stream, packet.pts, packet.dts = text, 1000 * number, 1000 * number
                packet.time_base, packet.duration = Fraction(1, 1000), 500
                out.mux(packet)
    return wave


def packets(path: str, kind: str, number: int = 0) -> list[tuple[Fraction, bytes]]:
    """Time and bytes of each packet of a stream."""
    with av.open(path) as container:
        stream = [stream for stream in container.streams if stream.type == kind][number]
        found = [packet for packet in container.demux(stream) if packet.pts is not None]
        found = [packet for packet in found if bytes(packet) != b"\0\0"]  # a muxer's word for no subtitle
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in found]


def start_of_sound(path: str) -> Fraction:
    with av.open(path) as container:
        frame = next(container.decode(container.streams.audio[0]))
        return frame.pts * frame.time_base


FILMS = [(".mp4", "mp4", "mov_text"), (".mov", "mov", "mov_text"), (".mkv", "matroska", None)]


@pytest.mark.parametrize(("suffix", "form", "subtitles"), FILMS)
@pytest.mark.parametrize("start", [0, 12345])
def test_a_video_keeps_all_but_its_sound(suffix: str, form: str, subtitles: str, start: int, workplace: Path) -> None:
    film(f"in{suffix}", form, subtitles, start)
    copy(f"in{suffix}", f"out{suffix}")
    for kind, number in [("video", 0), ("audio", 1), *([("subtitle", 0)] if subtitles else [])]:
        old, new = packets(f"in{suffix}", kind, number), packets(f"out{suffix}", kind, number)
        assert [data for _, data in old] == [data for _, data in new]
        assert all(abs(a - b) <= Fraction(1, 1000) for (a, _), (b, _) in zip(old, new, strict=True))
    before, after = decode(f"in{suffix}")[0], decode(f"out{suffix}")[0]
    later = (
        start_of_sound(f"out{suffix}") - start_of_sound(f"in{suffix}") + Fraction(lag(before[:, 0], after[:, 0]), RATE)
    )
    assert abs(later) <= Fraction(1, 1000)
    with av.open(f"in{suffix}") as old_file, av.open(f"out{suffix}") as new_file:
        assert [stream.type for stream in new_file.streams] == [stream.type for stream in old_file.streams]
        languages = [[stream.language for stream in file.streams.audio] for file in (old_file, new_file)]
        assert languages[0] == languages[1]
        assert languages[0][1] == "fra"
        assert new_file.metadata["title"] == "a film"
        assert chapters(new_file) == chapters(old_file) == [(0, 1.5, "first"), (1.5, 4, "second")]


def chapters(container: Any) -> list[tuple[float, float, str]]:
    return [
        (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"]["title"])
        for c in container.chapters()
    ]


def test_the_second_track_is_replaced_in_its_place(workplace: Path) -> None:
    film("in.mp4", "mp4", None)
    with media_container.using(MediaOptions(audio_track=2)):
        copy("in.mp4", "out.mp4")
    assert packets("in.mp4", "audio", 0) == packets("out.mp4", "audio", 0)
    assert packets("in.mp4", "audio", 1) != packets("out.mp4", "audio", 1)


def test_a_film_becomes_sound_and_a_webm_says_what_it_cannot_hold(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film("in.mp4", "mp4", None)
    copy("in.mp4", "out.m4a")
    with av.open("out.m4a") as container:
        assert [stream.type for stream in container.streams if stream.type != "data"] == ["audio"]
        assert container.metadata["title"] == "a film"
    copy("in.mp4", "out.webm")
    assert "cannot hold video (h264)" in capsys.readouterr().err


def test_a_video_whose_picture_turns_keeps_its_turn(workplace: Path) -> None:
    """Telephones write upright films as lying ones with a matrix."""
    film("in.mp4", "mp4", None)
    data = Path("in.mp4").read_bytes()
    at = data.index(b"tkhd") + 4 + 40  # the matrix of the first track (ISO 14496-12, 8.3.2)
    unity = b"".join(n.to_bytes(4, "big") for n in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))
    assert data[at : at + 36] == unity
    turned = b"".join(
        n.to_bytes(4, "big", signed=True) for n in (0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000)
    )
    Path("turned.mp4").write_bytes(data[:at] + turned + data[at + 36 :])
    copy("turned.mp4", "out.mp4")
    new = Path("out.mp4").read_bytes()
    at = new.index(b"tkhd") + 4 + 40
    assert new[at : at + 20] == turned[:20]
    with sound_file.writing("cut.mp4", RATE, 2, None, "turned.mp4", cuts=CUTS) as append:
        append(np.zeros((2, RATE), np.float32))
    with av.open("cut.mp4") as container, av.open("turned.mp4") as old:
        frames = [next(file.decode(file.streams.video[0])) for file in (container, old)]
        assert (frames[0].width, frames[0].height, frames[0].rotation) == (48, 64, 0)
        # The matrix turns by 90 degrees clockwise: what was left is then above.
        shown, lying = (frame.to_ndarray(format="gray").astype(float) for frame in frames)
        assert np.corrcoef(shown.ravel(), np.rot90(lying, -1).ravel())[0, 1] > 0.8


def test_a_film_without_sound_is_refused(workplace: Path) -> None:
    with av.open("mute.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="has no sound track"):
        copy("mute.mp4", "out.mp4")


CUTS = ((0.52, 1.48), (2.0, 2.61))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("start", [0, 12345])
def test_a_cut_video_keeps_picture_and_sound_together(suffix: str, start: int, workplace: Path) -> None:
    """Frame n has grey level 16 + 2 n, so that every new frame says from where it comes."""
    wave = speech(1, RATE, 4)
    with av.open("in.mp4", "w") as out:
        picture, sound = out.add_stream("libx264", rate=FPS, options={"crf": "5"}), out.add_stream("aac", rate=RATE)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound.layout = "mono"
        for number in range(4 * FPS):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 16 + 2 * number, np.uint8), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        add_sound(out, sound, wave, RATE, start)
    info, first_s = sound_file.inspect("in.mp4"), start_of_sound("in.mp4")
    whole = np.concatenate(list(sound_file.blocks("in.mp4")), axis=1)
    kept = [whole[:, : round(0.52 * RATE)], whole[:, round(1.48 * RATE) : 2 * RATE], whole[:, round(2.61 * RATE) :]]
    with sound_file.writing(f"out{suffix}", RATE, 1, info.subtype, "in.mp4", cuts=CUTS) as append:
        append(np.concatenate(kept, axis=1))
    expected = []
    for number in range(4 * FPS):
        place = number / FPS - float(first_s)
        if not any(a <= place < b for a, b in CUTS):
            expected.append((number, number / FPS - sum(b - a for a, b in CUTS if b <= place)))
    with av.open(f"out{suffix}") as container:
        frames = list(container.decode(container.streams.video[0]))
    levels = [float(np.median(frame.to_ndarray(format="gray"))) for frame in frames]
    assert [(frame.time, level) for frame, level in zip(frames, levels, strict=True)] == [
        (pytest.approx(time, abs=0.001), pytest.approx(full_range(16 + 2 * number), abs=3)) for number, time in expected
    ]
    after = decode(f"out{suffix}")[0]
    later = lag(np.concatenate(kept, axis=1)[0], after[:, 0]) / RATE + float(start_of_sound(f"out{suffix}") - first_s)
    assert abs(later) <= 0.001


def full_range(level: int) -> float:
    """Luma 16 to 235 as grey 0 to 255 (ITU-R BT.601)."""
    return min(255.0, (level - 16) * 255 / 219)
