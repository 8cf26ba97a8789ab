"""Tags, cover, chapters, the chunks of a wav, channel layouts, and wav files beyond 4 GiB."""

import io
import struct
import wave as wave_module
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

from clearmel.audio import media_container, sound_file, wav_chunks
from clearmel.options import MediaOptions
from tests.sounds import decode, encode, speech

RATE = 44100
TAGS = {"title": "Ärger", "artist": "Someone", "album": "All", "date": "2024", "comment": "a remark"}
CHAPTERS = [(0, 1000, "first"), (1000, 2000, "second"), (2000, 3000, "third")]
MUXERS = {".mp3": ("mp3", "libmp3lame"), ".m4a": ("mp4", "aac"), ".flac": ("flac", "flac")}
MUXERS |= {".mka": ("matroska", "flac"), ".opus": ("ogg", "libopus")}


def copy(source: str, target: str, cuts: tuple[tuple[float, float], ...] = ()) -> None:
    info = sound_file.inspect(source)
    with sound_file.writing(target, info.sample_rate, info.n_channels, info.subtype, source, cuts=cuts) as append:
        for block in sound_file.blocks(source, 0.3):
            append(block)


def picture() -> bytes:
    with av.open(file := io.BytesIO(), "w", format="image2pipe") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8), "rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def tagged(path: str, form: str, codec: str, *, cover: bool) -> None:
    """A recording of 3 s with tags, chapters and, where wanted, a cover."""
    rate = 48000 if codec == "libopus" else RATE
    encode("plain.mka", "matroska", codec, speech(2, rate, 3), rate)
    with av.open("plain.mka") as source, av.open(path, "w", format=form) as out:
        sound = source.streams.audio[0]
        new = out.add_stream_from_template(sound, opaque=True)
        out.metadata.update(TAGS)
        out.set_chapters(
            [
                {"id": n, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for n, (a, b, title) in enumerate(CHAPTERS)
            ]
        )
        if cover:
            Path("cover.png").write_bytes(picture())
            with av.open("cover.png") as image:
                art = out.add_stream_from_template(image.streams.video[0], opaque=True)
                art.disposition = 1 << 10  # AV_DISPOSITION_ATTACHED_PIC
                packet = next(image.demux(image.streams.video[0]))
                packet.stream = art
                out.mux(packet)
        for packet in source.demux(sound):
            if packet.dts is not None:
                packet.stream = new
                out.mux(packet)


def found(path: str) -> tuple[dict[str, str], list[tuple[int, int, str]], list[bytes]]:
    """Tags, chapters (in hundredths of a second) and covers, by FFmpeg."""
    with av.open(path) as container:
        own = dict(container.metadata) | dict(container.streams.audio[0].metadata)
        kept = {key.lower(): text for key, text in own.items() if key.lower() in TAGS}
        chapters = [
            (round(100 * c["start"] * c["time_base"]), round(100 * c["end"] * c["time_base"]), c["metadata"]["title"])
            for c in container.chapters()
        ]
        packets = list(container.demux(container.streams.video)) if container.streams.video else []
        covers = [bytes(packet) for packet in packets if packet.size]
        return kept, chapters, covers


@pytest.mark.parametrize("suffix", MUXERS)
def test_tags_chapters_and_cover_stay(suffix: str, workplace: Path) -> None:
    form, codec = MUXERS[suffix]
    cover = suffix in (".mp3", ".m4a", ".flac")
    tagged(f"in{suffix}", form, codec, cover=cover)
    before = found(f"in{suffix}")
    assert before[0] == TAGS
    assert len(before[1]) == (0 if suffix == ".flac" else 3)  # FFmpeg reads no chapters of a flac
    assert len(before[2]) == cover
    copy(f"in{suffix}", f"out{suffix}")
    assert found(f"out{suffix}") == before
    assert abs(len(decode(f"out{suffix}")[0]) - len(decode(f"in{suffix}")[0])) <= 1024
    if suffix == ".flac":
        assert np.array_equal(sf.read("out.flac")[0], sf.read("in.flac")[0])
        assert sf.info("out.flac").frames == 3 * RATE
    with media_container.using(MediaOptions(no_tags=True)):
        copy(f"in{suffix}", f"bare{suffix}")
    assert found(f"bare{suffix}") == ({}, [], [])


def test_tags_move_between_kinds(workplace: Path) -> None:
    tagged("in.mp3", "mp3", "libmp3lame", cover=True)
    for suffix in (".m4a", ".flac", ".ogg", ".opus", ".mka", ".wav"):
        copy("in.mp3", f"out{suffix}")
        assert found(f"out{suffix}")[0] == TAGS, suffix
    with sf.SoundFile("out.ogg") as file:
        assert file.frames == sound_file.inspect("in.mp3").n_samples
        assert file.title == "Ärger"


def test_chapters_move_with_the_cuts(workplace: Path) -> None:
    tagged("in.m4a", "ipod", "aac", cover=False)
    copy("in.m4a", "out.m4a", cuts=((0.5, 0.75), (1.0, 2.0)))
    starts = [(start, end, title) for start, end, title in found("out.m4a")[1]]
    assert starts == [(0, 75, "first"), (75, 175, "third")]


CUES = [(1, 11025), (2, 33075), (3, 66150)]


def broadcast_wav(path: str) -> dict[bytes, bytes]:
    """A wav with chunks of a recorder in the field: bext, iXML, cue, LIST."""
    bext = bytearray(b"A scene".ljust(256, b"\0") + b"Recorder".ljust(32, b"\0") + bytes(602 - 288))
    struct.pack_into("<Q", bext, 338, 10 * 3600 * RATE)  # TimeReference, EBU Tech 3285
    cue = struct.pack("<I", 3) + b"".join(struct.pack("<II4sIII", n, at, b"data", 0, 0, at) for n, at in CUES)
    chunks = {b"bext": bytes(bext), b"iXML": b"<BWFXML><SCENE>3</SCENE></BWFXML>", b"cue ": cue,
              b"LIST": b"INFO" + b"INAM" + struct.pack("<I", 6) + b"A take"}  # fmt: skip
    sf.write(path, speech(1, RATE, 2), RATE)
    data = bytearray(Path(path).read_bytes())
    for name, body in chunks.items():
        data += name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    struct.pack_into("<I", data, 4, len(data) - 8)
    Path(path).write_bytes(data)
    return chunks


def chunks_of(path: str) -> dict[bytes, bytes]:
    return {chunk.name: chunk.body for chunk in wav_chunks.read(path)}


def test_the_chunks_of_a_wav_stay_and_its_cues_move(workplace: Path) -> None:
    chunks = broadcast_wav("in.wav")
    copy("in.wav", "out.wav")
    assert chunks_of("out.wav") == chunks
    assert np.array_equal(sf.read("out.wav")[0], sf.read("in.wav")[0])
    with wave_module.open("out.wav") as file:  # no reader trips over them
        assert file.getnframes() == 2 * RATE
    with av.open("out.wav") as container:
        assert container.metadata["title"] == "A take"
        assert int(container.metadata["time_reference"]) == 10 * 3600 * RATE
    copy("in.wav", "cut.wav", cuts=((0.5, 1.0),))
    body = chunks_of("cut.wav")[b"cue "]
    points = [struct.unpack("<II4sIII", body[at : at + 24]) for at in range(4, len(body), 24)]
    assert [(point[0], point[1], point[5]) for point in points] == [(1, 11025, 11025), (3, 44100, 44100)]
    with media_container.using(MediaOptions(no_tags=True)):
        copy("in.wav", "bare.wav")
    assert chunks_of("bare.wav") == {}


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".m4a", ".mka"])
def test_surround_keeps_its_layout(suffix: str, workplace: Path) -> None:
    wave = speech(6, 48000, 0.5) * np.arange(1, 7, dtype=np.float32) / 6
    for layout in ("5.1", "5.1(side)"):
        with av.open("in.mka", "w", format="matroska") as container:
            stream = container.add_stream("flac", rate=48000)
            stream.layout = layout
            frame = av.AudioFrame.from_ndarray((wave.T * 32767).astype(np.int16).T.reshape(1, -1), "s16", layout)
            frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
            container.mux([*stream.encode(frame), *stream.encode(None)])
        copy("in.mka", f"out{suffix}")
        copy(f"out{suffix}", "back.wav")
        with av.open(f"out{suffix}") as container:
            shown = container.streams.audio[0].layout.name
            one = {".m4a": "5.1", ".flac": "5.1(side)"}  # AAC and FLAC have one 5.1, for which FFmpeg has two names
            assert shown == one.get(suffix, layout)
        levels = np.std(sf.read("back.wav")[0], axis=0) / np.std(wave, axis=0)
        assert np.all(np.abs(levels[[0, 1, 2, 4, 5]] - 1) < 0.1)


def test_a_wav_beyond_4_gib_is_an_rf64(workplace: Path) -> None:
    """The samples up to the last ones are a hole in the file, which takes no space on the disk."""
    n_samples, tail = (4 << 30) // 4 + 1000, speech(2, RATE, 1)
    with sound_file.writing("big.wav", RATE, 2, "PCM_16") as append:
        append(tail.T)
    assert sf.info("big.wav").format == "WAV"
    whole = Path("big.wav").read_bytes()
    place = whole.index(b"data") + 8
    with Path("big.wav").open("r+b") as file:
        file.truncate(place)
        file.seek(place + 4 * (n_samples - len(tail)))
        file.write(whole[place : place + 4 * len(tail)])
    wav_chunks.finish("big.wav", [wav_chunks.Chunk(b"iXML", b"<BWFXML/>")])
    with sf.SoundFile("big.wav") as file:
        assert (file.format, file.frames) == ("RF64", n_samples)
        file.seek(n_samples - len(tail))
        assert np.allclose(file.read(), tail, atol=1e-4)
    with av.open("big.wav") as container:
        stream = container.streams.audio[0]
        assert stream.duration * stream.time_base * RATE == n_samples
    assert sound_file.inspect("big.wav").n_samples == n_samples
    assert chunks_of("big.wav") == {b"iXML": b"<BWFXML/>"}


def test_a_wav_of_known_length_is_the_plainest_one(workplace: Path) -> None:
    sound_file.write("small.wav", speech(1, 8000)[:, 0], 8000)
    sf.write("plain.wav", speech(1, 8000)[:, 0], 8000)
    assert Path("small.wav").read_bytes() == Path("plain.wav").read_bytes()
