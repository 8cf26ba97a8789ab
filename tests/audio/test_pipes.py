"""Wav headers as programs write them into pipes, and samples to and from bytes."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile as sf

from clearmel.audio import sound_file
from clearmel.audio.pipes import SAMPLE_BYTES, Pcm, read_header
from clearmel.core.errors import InputError

HEADER = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)


def wav(data: bytes, form: bytes, riff: int = 0xFFFFFFFF, size: int = 0xFFFFFFFF, before: bytes = b"") -> bytes:
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVE" + before + b"fmt " + struct.pack("<I", len(form)) + form
    return head + b"data" + struct.pack("<I", size) + data


def header_of(data: bytes) -> Pcm:
    return read_header(io.BytesIO(data).read)


def headers() -> Iterator[tuple[bytes, int | None]]:
    extensible = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 48000, 288000, 6, 24, 22, 24, 3) + b"\1\0" + bytes(14)
    yield wav(b"", HEADER), None
    yield wav(b"", HEADER, 0x7FFFF024, 0x7FFFF000), None
    yield wav(b"", HEADER, 0x80000024, 0x80000000), None
    yield wav(b"", HEADER, 0, 0), None
    yield wav(b"", HEADER, 136, 100), 100
    yield wav(b"", HEADER, before=b"LIST" + struct.pack("<I", 5) + bytes(6)), None
    yield wav(b"", extensible), None
    long = b"ds64" + struct.pack("<IQQQI", 28, 1 << 40, 1 << 39, 0, 0)
    yield wav(b"", HEADER, before=long).replace(b"RIFF", b"RF64", 1), 1 << 39


@pytest.mark.parametrize(("data", "n_bytes"), list(headers()))
def test_headers_as_programs_write_them_into_pipes(data: bytes, n_bytes: int | None) -> None:
    found = header_of(data)
    assert found.n_bytes == n_bytes
    assert (found.sample_rate, found.n_channels, found.subtype) in [(16000, 1, "PCM_16"), (48000, 2, "PCM_24")]
    assert header_of(found.header()) == Pcm(found.subtype, found.sample_rate, found.n_channels, found.form)


def test_a_header_without_a_form_is_refused() -> None:
    with pytest.raises(InputError, match="no fmt chunk"):
        header_of(b"RIFF\0\0\0\0WAVEdata\0\0\0\0")


@pytest.mark.parametrize("subtype", SAMPLE_BYTES)
def test_bytes_are_those_of_a_file_and_its_header_is_read_everywhere(subtype: str, rng) -> None:
    wave = rng.uniform(-1.2, 1.2, (3, 500)).astype(np.float32)  # some are beyond what integers hold
    form = Pcm.of_file(subtype, 22050, 3)
    data = form.header() + form.encode(wave)
    sound_file.write("file.wav", wave, 22050, subtype)
    for back in (form.decode(form.encode(wave)), sf.read(io.BytesIO(data), dtype="float32")[0].T):
        np.testing.assert_array_equal(back, sf.read("file.wav", dtype="float32")[0].T)
    assert header_of(data) == form
