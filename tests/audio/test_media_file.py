"""Files that only FFmpeg reads, and files of which libsndfile reads the beginning only."""

import concurrent.futures
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from clearmel.audio import media_container, sound_file
from clearmel.audio.opening import open_audio
from clearmel.core.errors import InputError
from clearmel.options import MediaOptions
from tests.sounds import add_sound, decode, encode, lag, speech

# Suffix, muxer, encoder, rate, channels, bit rate; the delay that the container does not state, in samples.
# Delays: AAC 1024 (a window), MP2 481 (ISO 11172-3 filter bank), AC-3 256 (half a window), AMR 5 ms - 1, WMA -2048.
KINDS = [
    (".m4a", "ipod", "aac", 44100, 2, 128000, 0),
    (".m4a", "ipod", "aac", 16000, 1, 48000, 0),
    (".m4a", "ipod", "alac", 44100, 2, None, 0),
    (".aac", "adts", "aac", 44100, 2, 128000, 1024),
    (".mp4", "mp4", "aac", 48000, 2, 128000, 0),
    (".mov", "mov", "pcm_s16le", 48000, 2, None, 0),
    (".mkv", "matroska", "aac", 48000, 2, 128000, 0),
    (".mka", "matroska", "flac", 44100, 1, None, 0),
    (".webm", "webm", "libopus", 48000, 2, 96000, 0),
    (".wma", "asf", "wmav2", 44100, 2, 128000, -2048),
    (".mp2", "mp2", "mp2", 48000, 2, 192000, 481),
    (".3gp", "3gp", "aac", 22050, 1, 48000, 0),
    (".amr", "amr", "libopencore_amrnb", 8000, 1, 12200, 39),
    (".avi", "avi", "libmp3lame", 44100, 2, 128000, 1105),
    (".ts", "mpegts", "aac", 48000, 2, 128000, 1024),
    (".flv", "flv", "aac", 44100, 2, 128000, 1024),
    (".ac3", "ac3", "ac3", 48000, 2, 192000, 256),
    (".wv", "wv", "wavpack", 44100, 1, None, 0),
    (".tta", "tta", "tta", 44100, 1, None, 0),
]  # fmt: skip
EXACT = (".m4a", ".mp4", ".mov", ".3gp", ".webm", ".wv", ".tta")
"""Containers that state their length to the sample."""


@pytest.mark.parametrize(("suffix", "form", "codec", "rate", "n_channels", "bit_rate", "delay"), KINDS)
def test_foreign_kinds_are_read_in_place_and_level(
    suffix: str, form: str, codec: str, rate: int, n_channels: int, bit_rate: int | None, delay: int, workplace: Path
) -> None:
    wave = speech(n_channels, rate, 1.5)
    encode(f"in{suffix}", form, codec, wave, rate, **({"bit_rate": bit_rate} if bit_rate else {}))
    info = sound_file.inspect(f"in{suffix}")
    got = np.concatenate(list(sound_file.blocks(f"in{suffix}", 0.2)), axis=1).T
    assert (info.sample_rate, info.n_channels, info.n_samples) == (rate, n_channels, len(got))
    assert lag(wave[:, 0], got[:, 0]) == delay
    assert len(got) == len(wave) if suffix in EXACT else abs(len(got) - len(wave)) <= 2400
    levels = 20 * np.log10(np.sqrt(np.mean(got**2, axis=0)) / np.sqrt(np.mean(wave**2, axis=0)))
    assert np.all(np.abs(levels) < 0.6), levels
    mono, _ = sound_file.read(f"in{suffix}")
    assert np.allclose(mono, got.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(("suffix", "form", "codec"), [(".m4a", "ipod", "alac"), (".webm", "webm", "libopus")])
def test_a_seek_gives_what_a_whole_pass_gives(suffix: str, form: str, codec: str, workplace: Path) -> None:
    encode(f"in{suffix}", form, codec, speech(1, 48000, 70), 48000)
    with open_audio(f"in{suffix}") as file:
        whole = file.read(dtype="float32", always_2d=True)
        for place in (60 * 48000, 5, 40 * 48000 + 1, 40 * 48000 - 700, 69 * 48000):
            file.seek(place)
            assert file.tell() == place
            assert np.array_equal(file.read(960, dtype="float32", always_2d=True), whole[place : place + 960])


def test_the_track_is_chosen_by_number(workplace: Path) -> None:
    import av

    waves = [speech(1, 16000), speech(1, 16000)[::-1].copy()]
    with av.open("in.mka", "w", format="matroska") as container:
        streams = [container.add_stream("flac", rate=16000) for _ in waves]
        for stream in streams:
            stream.layout = "mono"
        for stream, wave in zip(streams, waves, strict=True):
            add_sound(container, stream, wave, 16000)
    for number, wave in enumerate(waves, 1):
        with media_container.using(MediaOptions(audio_track=number)):
            assert np.allclose(sound_file.read("in.mka")[0], wave[:, 0], atol=1e-4)
    assert np.allclose(sound_file.read("in.mka")[0], waves[0][:, 0], atol=1e-4)
    for all_threads, number in ((False, 0), (True, 1)):  # the labelling page answers in threads of its own
        with (
            media_container.using(MediaOptions(audio_track=2), all_threads=all_threads),
            concurrent.futures.ThreadPoolExecutor(1) as pool,
        ):
            read = pool.submit(sound_file.read, "in.mka").result()[0]
        assert np.allclose(read, waves[number][:, 0], atol=1e-4)
    assert np.allclose(sound_file.read("in.mka")[0], waves[0][:, 0], atol=1e-4)
    with media_container.using(MediaOptions(audio_track=3)), pytest.raises(InputError, match="2 sound tracks"):
        sound_file.read("in.mka")
    sf.write("in.wav", waves[0], 16000)
    with media_container.using(MediaOptions(audio_track=2)), pytest.raises(InputError, match="1 sound track"):
        sound_file.read("in.wav")


def test_what_cannot_be_read_is_said_in_one_line(workplace: Path) -> None:
    import av

    with av.open("mute.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"mute\.mp4 has no sound track"):
        sound_file.inspect("mute.mp4")
    Path("text.m4a").write_text("no sound at all " * 100)
    with pytest.raises(InputError, match=r"text\.m4a is not a readable sound file"):
        sound_file.inspect("text.m4a")
    encode("front.m4a", "ipod", "aac", speech(1, 16000, 3), 16000, options={"movflags": "faststart"})
    whole = Path("front.m4a").read_bytes()
    Path("cut.m4a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.m4a is truncated"):
        sound_file.read("cut.m4a")


def test_without_pyav_the_remedy_is_named(workplace: Path) -> None:
    encode("in.m4a", "ipod", "aac", speech(1, 16000), 16000)
    sf.write("in.wav", speech(1, 16000), 16000)
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from clearmel.audio import sound_file\nfrom clearmel.core.errors import InputError\n"
        "assert sound_file.inspect('in.wav').n_samples == 16000\n"
        "try: sound_file.inspect('in.m4a')\nexcept InputError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.count("\n") == 1
    assert "in.m4a" in ran.stdout
    assert "pip install av" in ran.stdout


def test_joined_mp3s_are_read_whole(workplace: Path) -> None:
    wave = speech(1, 44100, 2)
    encode("one.mp3", "mp3", "libmp3lame", wave, 44100)
    encode("two.mp3", "mp3", "libmp3lame", wave[::-1].copy(), 44100, bit_rate=64000)
    Path("joined.mp3").write_bytes(Path("one.mp3").read_bytes() + Path("two.mp3").read_bytes())
    got, _ = sound_file.read("joined.mp3")
    assert sound_file.inspect("joined.mp3").n_samples == len(got) == 2 * len(wave)
    assert np.corrcoef(got, np.concatenate([wave, wave[::-1]])[:, 0])[0, 1] > 0.99
    with open_audio("joined.mp3") as file:
        file.seek(len(wave) + 7)
        assert np.allclose(file.read(500, dtype="float32", always_2d=True)[:, 0], got[len(wave) + 7 :][:500])


def test_an_mp3_without_a_header_of_its_length_is_read_whole(workplace: Path) -> None:
    """The kind that ffmpeg and sox write to a pipe: 64 kbit/s at first, 256 later, so that no estimate is right."""
    wave = speech(1, 44100, 6)
    pieces = []
    for number, bit_rate in enumerate((256000, 32000, 32000)):
        part = wave[number * 2 * 44100 : (number + 1) * 2 * 44100]
        settings = {"bit_rate": bit_rate, "options": {"write_xing": "0", "id3v2_version": "0"}}
        encode(f"{number}.mp3", "mp3", "libmp3lame", part, 44100, **settings)
        pieces.append(Path(f"{number}.mp3").read_bytes())
    Path("vbr.mp3").write_bytes(b"".join(pieces))
    expected = sum(len(decode(f"{number}.mp3")[0]) for number in range(3))
    with sf.SoundFile("vbr.mp3") as file:
        assert file.frames < 0.9 * expected, "libsndfile's estimate is too short"
    got = sound_file.read("vbr.mp3")[0]
    assert len(got) == sound_file.inspect("vbr.mp3").n_samples
    assert abs(len(got) - expected) <= 2 * 1152


def test_an_mp3_that_is_damaged_in_the_middle_is_not_read_in_part(workplace: Path) -> None:
    encode("in.mp3", "mp3", "libmp3lame", speech(1, 44100, 3), 44100, bit_rate=64000)
    data = bytearray(Path("in.mp3").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    Path("in.mp3").write_bytes(data)
    with pytest.raises(InputError, match=r"in\.mp3 is (damaged after sample|truncated)"):
        sound_file.read("in.mp3")


def test_a_cut_off_mp2_is_read_to_its_end(workplace: Path) -> None:
    encode("in.mp2", "mp2", "mp2", speech(1, 48000, 2), 48000, bit_rate=64000)
    Path("in.mp2").write_bytes(Path("in.mp2").read_bytes()[:-300])
    assert len(sound_file.read("in.mp2")[0]) == sound_file.inspect("in.mp2").n_samples


@pytest.mark.parametrize(("subtype", "suffix"), [("VORBIS", ".ogg"), ("OPUS", ".opus")])
def test_chained_ogg_is_read_whole(subtype: str, suffix: str, workplace: Path) -> None:
    """Links may differ in rate and channels, as internet radio has them."""
    rates = (48000, 24000)
    for number, rate in enumerate(rates):
        sf.write(f"{number}.ogg", speech(number + 1, rate, 2), rate, format="OGG", subtype=subtype)
    Path(f"chain{suffix}").write_bytes(Path("0.ogg").read_bytes() + Path("1.ogg").read_bytes())
    got, rate = sound_file.read(f"chain{suffix}")
    assert (len(got), rate) == (4 * 48000, 48000)
    wave = speech(1, 48000, 2)[:, 0]
    assert np.corrcoef(got[: 2 * rate], wave)[0, 1] > 0.97
    assert np.corrcoef(got[2 * rate :], wave)[0, 1] > 0.97


def test_a_gap_in_the_time_stamps_is_silence(workplace: Path) -> None:
    """As a recorder of the screen leaves one, while the picture goes on."""
    import av

    wave = speech(1, 48000, 1)
    with av.open("in.mkv", "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=48000)
        stream.layout = "mono"
        for start in (0, 3 * 48000):
            frame = av.AudioFrame.from_ndarray((wave.T * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(stream.encode(frame))
    got = sound_file.read("in.mkv")[0]
    assert len(got) == 4 * 48000
    with av.open("damaged.mkv", "w", format="matroska") as container:  # a stamp that says 10 days
        stream = container.add_stream("pcm_s16le", rate=48000)
        stream.layout = "mono"
        for start in (0, 10 * 86400 * 48000):
            frame = av.AudioFrame.from_ndarray((wave.T * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(stream.encode(frame))
    assert sound_file.inspect("damaged.mkv").n_samples == 2 * 48000
    assert not got[48000 : 3 * 48000].any()
    assert np.allclose(got[3 * 48000 :], wave[:, 0], atol=1e-4)
