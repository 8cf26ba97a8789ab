"""Sound as bytes on a pipe: wav headers without a known length, samples to and from bytes.

Shapes: C channels, N samples.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import soundfile as sf

from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray
from clearmel.options import RawOptions

SUBTYPES = {"s16le": "PCM_16", "s24le": "PCM_24", "s32le": "PCM_32", "f32le": "FLOAT"}
SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}
UNKNOWN = 0xFFFFFFFF
"""A length in the header of a wav that is still being made."""
LARGEST_KNOWN = 0x7FFF0000
"""Recorders that write to a pipe promise some number around 2 or 4 GiB; from here on a length is none."""
WAVES = (b"RIFF", b"RF64", b"BW64")
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


@dataclass(frozen=True)
class Pcm:
    """How samples lie in bytes.

    Args:
        subtype: libsndfile's name of the sample format, one of SAMPLE_BYTES.
        sample_rate: in Hz.
        n_channels: C, interleaved.
        form: the body of a wav header's "fmt " chunk; None for raw sound, without a header.
        n_bytes: of sound that the header promises, None if it knows of no end.
    """

    subtype: str
    sample_rate: int
    n_channels: int
    form: bytes | None = None
    n_bytes: int | None = None

    @classmethod
    def of_raw(cls, options: RawOptions) -> "Pcm":
        """What the flags say."""
        return cls(SUBTYPES[options.raw_format or "s16le"], options.raw_rate, options.raw_channels)

    @classmethod
    def of_file(cls, subtype: str, sample_rate: int, n_channels: int) -> "Pcm":
        """A wav that keeps a file's sample format as far as a pipe takes it."""
        subtype = {"DOUBLE": "FLOAT"}.get(subtype, subtype if subtype in SAMPLE_BYTES else "PCM_16")
        width = SAMPLE_BYTES[subtype] * n_channels
        tag, bits = FLOAT if subtype == "FLOAT" else PCM, 8 * SAMPLE_BYTES[subtype]
        form = struct.pack("<HHIIHH", tag, n_channels, sample_rate, sample_rate * width, width, bits)
        return cls(subtype, sample_rate, n_channels, form + (b"\0\0" if tag == FLOAT else b""))

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return SAMPLE_BYTES[self.subtype] * self.n_channels

    def header(self) -> bytes:
        """Of a wav of unknown length; nothing for raw sound."""
        if self.form is None:
            return b""
        form = b"fmt " + struct.pack("<I", len(self.form)) + self.form
        return b"RIFF" + struct.pack("<I", UNKNOWN) + b"WAVE" + form + b"data" + struct.pack("<I", UNKNOWN)

    def decode(self, data: bytes) -> FloatArray:
        """Samples (C, N) in [-1, 1] of whole frames of bytes."""
        if not data:
            return np.zeros((self.n_channels, 0), np.float32)
        form = {"format": "RAW", "subtype": self.subtype, "endian": "LITTLE"}
        wave, _ = sf.read(
            io.BytesIO(data),
            dtype="float32",
            always_2d=True,
            samplerate=self.sample_rate,
            channels=self.n_channels,
            **form,
        )
        return np.ascontiguousarray(wave.T)

    def encode(self, wave: FloatArray) -> bytes:
        """Bytes of samples (C, N), as libsndfile writes them to a file; what integers cannot hold is clipped."""
        if not wave.shape[1]:
            return b""
        buffer = io.BytesIO()
        sf.write(buffer, wave.T, self.sample_rate, subtype=self.subtype, endian="LITTLE", format="RAW")
        return buffer.getvalue()


def read_header(read: Callable[[int], bytes]) -> Pcm:
    """Reads a wav header up to its first sample.

    Args:
        read: gives that many bytes of stdin, fewer only at its end.

    Raises:
        InputError: it is empty, no wav, or a wav of samples that are not taken here.
    """
    start = read(12)
    if not start:
        raise InputError("stdin is empty; expected sound. Did the program before the pipe fail?")
    if start[:4] not in WAVES or start[8:] != b"WAVE":
        raise InputError(
            f"stdin begins with {start[:4]!r}, which is no wav header. Give --raw_format, --raw_rate and "
            "--raw_channels for sound without a header; ffmpeg -i ... -f wav - makes a wav of anything else."
        )
    form: bytes | None = None
    long_size = None
    while True:
        head = read(8)
        if len(head) < 8:
            raise InputError("stdin ends within its wav header; expected a data chunk. Record it again.")
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"data":
            break
        body = _body(read, size, keep=name in (b"fmt ", b"ds64"))
        if name == b"fmt ":
            form = body
        elif name == b"ds64" and size >= 16:
            long_size = struct.unpack("<Q", body[8:16])[0]
    if size == UNKNOWN and long_size and long_size < 1 << 63:
        n_bytes = long_size
    else:
        n_bytes = size if 0 < size < LARGEST_KNOWN else None
    return _format(form, n_bytes)


def _body(read: Callable[[int], bytes], size: int, keep: bool) -> bytes:
    """A chunk, which is padded to an even length; one that is of no use is only passed over."""
    left, found = size + size % 2, b""
    if keep and not 16 <= size <= 1024:
        raise InputError(f"stdin's wav header has a chunk of {size} bytes; expected 16 to 1024. Record it again.")
    while left:
        piece = read(min(left, 1 << 16))
        if not piece:
            raise InputError("stdin ends within its wav header; expected a data chunk. Record it again.")
        left -= len(piece)
        found += piece if keep else b""
    return found[:size]


def _format(form: bytes | None, n_bytes: int | None) -> Pcm:
    """What a "fmt " chunk says."""
    if form is None:
        raise InputError("stdin's wav header has no fmt chunk before its data. Record it again.")
    tag, n_channels, rate, _, width, bits = struct.unpack("<HHIIHH", form[:16])
    if tag == EXTENSIBLE and len(form) >= 26:
        tag = struct.unpack("<H", form[24:26])[0]
    subtype = {(PCM, 16): "PCM_16", (PCM, 24): "PCM_24", (PCM, 32): "PCM_32", (FLOAT, 32): "FLOAT"}.get((tag, bits))
    if subtype is None:
        _refuse(f"holds samples of {bits} bits, format {tag}")
    if not 1000 <= rate <= 384000 or not 1 <= n_channels <= 64 or width != SAMPLE_BYTES[subtype] * n_channels:
        _refuse(f"says {rate} Hz, {n_channels} channels, {width} bytes a frame")
    return Pcm(subtype, rate, n_channels, form, n_bytes)


def _refuse(seen: str) -> NoReturn:
    raise InputError(
        f"stdin's wav {seen}; expected PCM of 16, 24 or 32 bits or float of 32, 1000 to 384000 Hz, 1 to 64 channels. "
        "Put ffmpeg -i - -c:a pcm_s16le -f wav - before it."
    )
