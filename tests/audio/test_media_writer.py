"""What FFmpeg's encoders write: rate, channels, length, place in time, level and bit rate."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
import soxr

from clearmel.audio import media_container, media_writer, sound_file
from clearmel.audio.companions import Origin
from clearmel.core.errors import InputError
from clearmel.options import MediaOptions
from tests.sounds import decode, encode, lag, speech

TARGETS = {".m4a": "aac", ".aac": "aac", ".mp4": "aac", ".mov": "pcm_s16le", ".mkv": "pcm_s16le", ".webm": "opus"}
TARGETS |= {".3gp": "aac", ".amr": "amr_nb", ".wma": "wmav2", ".mp2": "mp2", ".mp3": "mp3", ".opus": "opus"}
EXACT = (".m4a", ".mp4", ".mov", ".3gp", ".webm", ".mp3", ".opus", ".wav", ".flac", ".ogg")
"""Kinds that state their length to the sample; the others end with the padding of a packet or two."""
OWN_RATES = {".webm": (48000,), ".amr": (8000,), ".opus": (48000,), ".mp2": (16000, 44100, 48000)}


def copy(source: str, target: str) -> None:
    info = sound_file.inspect(source)
    with sound_file.writing(target, info.sample_rate, info.n_channels, info.subtype, source) as append:
        for block in sound_file.blocks(source, 0.3):
            append(block)


def compare(before: np.ndarray, rate: int, target: str) -> None:
    """Asserts that a file holds a sound (N, C), read without this package."""
    after, new_rate = (
        decode(target) if Path(target).suffix not in (".wav", ".flac") else sf.read(target, always_2d=True)
    )
    before = np.stack([soxr.resample(one, rate, new_rate) for one in before.T], axis=1)
    assert after.shape[1] == before.shape[1]
    slack = 1 if Path(target).suffix in EXACT else 2 * 2048
    assert abs(len(after) - len(before)) <= slack, (target, len(after), len(before))
    assert abs(lag(before[:, 0], after[:, 0])) <= (0 if new_rate == rate else new_rate // rate)
    size = min(len(before), len(after))
    # The first packet of an AAC or AMR without its delay fades in.
    levels = 20 * np.log10(np.std(after[1024:size], axis=0) / np.std(before[1024:size], axis=0))
    assert np.all(np.abs(levels) < 1), (target, levels)
    for one, other in zip(before.T, after.T, strict=True):
        assert np.corrcoef(one[1024:size], other[1024:size])[0, 1] > (0.6 if target.endswith(".amr") else 0.9)


@pytest.mark.parametrize("suffix", TARGETS)
@pytest.mark.parametrize(("rate", "n_channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 2)])
def test_wav_becomes_every_kind(suffix: str, rate: int, n_channels: int, workplace: Path) -> None:
    n_channels = 1 if suffix == ".amr" else n_channels
    wave = speech(n_channels, rate, 1.5)
    sf.write("in.wav", wave, rate)
    copy("in.wav", f"out{suffix}")
    with av.open(f"out{suffix}") as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.codec.canonical_name == TARGETS[suffix]
        held = OWN_RATES.get(suffix, (rate,))
        assert stream.rate == min((r for r in held if r >= rate), default=max(held))
    compare(wave, rate, f"out{suffix}")
    assert sound_file.inspect(f"out{suffix}").n_samples == len(sound_file.read(f"out{suffix}")[0])


SOURCES = [(".m4a", "ipod", "aac"), (".mp4", "mp4", "aac"), (".webm", "webm", "libopus"), (".mp3", "mp3", "libmp3lame"),
           (".mka", "matroska", "flac"), (".mov", "mov", "pcm_s24le")]  # fmt: skip


@pytest.mark.parametrize(("suffix", "form", "codec"), SOURCES)
def test_every_kind_becomes_every_other(suffix: str, form: str, codec: str, workplace: Path) -> None:
    rate = 48000
    encode(f"in{suffix}", form, codec, speech(2, rate, 0.7), rate)
    before, _ = decode(f"in{suffix}")
    for target in [".wav", ".flac", ".ogg", *TARGETS]:
        if target != ".amr":
            copy(f"in{suffix}", f"out{target}")
            compare(before, rate, f"out{target}")


def test_an_mp3_states_its_length_to_the_sample(workplace: Path) -> None:
    for n_samples in range(8000, 9200, 64):  # twice the samples of a frame at this rate
        sound_file.write("out.mp3", speech(1, 8000, 2)[:n_samples, 0], 8000)
        assert sf.info("out.mp3").frames == n_samples
        assert len(decode("out.mp3")[0]) == n_samples


def stated_rate(path: str) -> float:
    """Bits a second, by the size of the packets."""
    with av.open(path) as container:
        stream = container.streams.audio[0]
        size = sum(packet.size for packet in container.demux(stream))
    return 8 * size / (sound_file.inspect(path).duration_s)


LOSSY = [(".mp3", "mp3", "libmp3lame"), (".m4a", "ipod", "aac"), (".mp2", "mp2", "mp2"), (".opus", "ogg", "libopus")]


@pytest.mark.parametrize(("suffix", "form", "codec"), LOSSY)
def test_the_bit_rate_is_that_of_the_source(suffix: str, form: str, codec: str, workplace: Path) -> None:
    wave = speech(2, 48000, 4) + np.random.default_rng(0).normal(0, 0.05, (4 * 48000, 2)).astype(np.float32)
    for kbit in (96, 256):
        encode(f"in{suffix}", form, codec, wave, 48000, bit_rate=1000 * kbit)
        copy(f"in{suffix}", f"out{suffix}")
        assert stated_rate(f"out{suffix}") == pytest.approx(stated_rate(f"in{suffix}"), rel=0.12)
    with media_container.using(MediaOptions(bitrate=128)):
        copy(f"in{suffix}", f"out{suffix}")
    assert stated_rate(f"out{suffix}") == pytest.approx(128000, rel=0.12)


def test_the_bit_rate_of_vorbis_is_near_that_of_the_source(workplace: Path) -> None:
    wave = speech(2, 44100, 4) + np.random.default_rng(0).normal(0, 0.05, (4 * 44100, 2)).astype(np.float32)
    sizes = []
    for level in (0.0, 0.6):
        with sf.SoundFile("in.ogg", "w", 44100, 2, "VORBIS", compression_level=level) as file:
            file.write(wave)
        copy("in.ogg", "out.ogg")
        sizes.append((Path("in.ogg").stat().st_size, Path("out.ogg").stat().st_size))
        assert sizes[-1][1] == pytest.approx(sizes[-1][0], rel=0.3)
    assert sizes[0][1] > 1.5 * sizes[1][1]


def test_a_lossless_m4a_stays_lossless(workplace: Path) -> None:
    for bits, (kind, subtype) in itertools.product((16, 24), ((".m4a", "alac"), (".mka", "flac"))):
        wave = np.round(speech(2, 44100, 0.5) * 2 ** (bits - 1)) / 2 ** (bits - 1)
        sf.write("in.wav", wave, 44100, f"PCM_{bits}")
        info = sound_file.inspect("in.wav")
        origin = Origin(Path("in.wav"), media_container.Encoding(subtype, None, "stereo", 2))
        target = Path(f"out{kind}")
        with media_writer.MediaWriter(target, target, 44100, 2, info.subtype, origin) as writer:
            writer.write(wave.astype(np.float32))
        assert np.array_equal(decode(target)[0], wave.astype(np.float32))
        copy(str(target), "back.wav")
        assert sf.info("back.wav").subtype == f"PCM_{bits}"
        assert np.array_equal(sf.read("back.wav")[0], wave)


def test_what_an_encoder_cannot_hold_is_refused_and_nothing_is_left(workplace: Path) -> None:
    sf.write("in.wav", speech(6, 16000, 0.3), 16000)
    for name in ("out.mp3", "out.amr", "out.wma"):
        with pytest.raises(InputError, match=r"cannot write out.*6 channels.*Use \.wav"):
            copy("in.wav", name)
    assert sorted(path.name for path in workplace.iterdir()) == ["in.wav"]
