"""Recordings that are several files in one: mp3s joined byte for byte, and chained ogg (RFC 3533).

libsndfile reads the first of them only. Each is read on its own, so that its encoder's delay and padding are left out.
"""

import bisect
import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf

from clearmel.audio.channels import downmix
from clearmel.audio.media_file import MediaFile
from clearmel.audio.owned_file import OwnedFile
from clearmel.audio.resampling import Resampler
from clearmel.audio.streamed_file import StreamedFile
from clearmel.audio.window import Part, Window
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted

BLOCK = 1 << 18
LONGEST_TAG = 1 << 28
MP3_TAILS = (b"TAG", b"APET", b"LYRI", b"3DI")
"""Beginnings of the tags that follow the sound of an mp3."""


def windows(path: str | Path) -> list[Window]:
    """The parts of an mp3 or ogg in order; a single plain one for what libsndfile reads whole, and for other files."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        start = file.read(4)
        if start == b"OggS":
            edges = [*_ogg_links(file, size), size]
            return [Window(a, b, True) for a, b in itertools.pairwise(edges)] or [Window(0, size, True)]
        if start[:3] == b"ID3" or (start[:1] == b"\xff" and len(start) > 1 and _is_mpeg(start[1])):
            return list(_mp3_parts(file, size))
    return [Window(0, size, True)]


def _is_mpeg(second: int) -> bool:
    """Whether the second byte of a frame is that of layer I to III; AAC states the layer 0 there."""
    return second & 0xE0 == 0xE0 and second & 0x06 != 0


def _ogg_links(file: io.BufferedReader, size: int) -> Iterator[int]:
    """Where the links of a chain begin: a first page that follows another kind of page."""
    place, before = 0, False
    while place + 27 <= size:
        file.seek(place)
        head = file.read(27)
        if head[:4] != b"OggS":
            return
        first = bool(head[5] & 2)
        if first and not before:
            yield place
        before = first
        place += 27 + head[26] + sum(file.read(head[26]))


def _mp3_parts(file: io.BufferedReader, size: int) -> Iterator[Window]:
    """Parts that state their size in a Xing, Info or VBRI header, and a last part that does not."""
    place = 0
    while place < size:
        stated = _stated_bytes(file, place)
        end = place + stated if stated else size
        file.seek(min(end, size))
        tail = file.read(4)
        if not stated:
            yield Window(place, size, False)
            return
        if end >= size - 4 or tail.startswith(MP3_TAILS) or not tail.strip(b"\0"):
            yield Window(place, size, end <= size)  # a tag at most follows; a file that ends before is not plain
            return
        if not (tail.startswith(b"ID3") or (tail[0] == 0xFF and tail[1] & 0xE0 == 0xE0)):  # no mp3 begins there
            stated, end = 0, size
        yield Window(place, end, bool(stated))
        place = end


def _stated_bytes(file: io.BufferedReader, place: int) -> int:
    """Bytes from `place` to the end of the mp3 that begins there, by its header; 0 if that does not say."""
    file.seek(place)
    start, head = place, file.read(10)
    while head[:3] == b"ID3" and len(head) == 10:  # an ID3v2 tag; its size has 7 bits a byte
        length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        if length > LONGEST_TAG:
            return 0
        start += 10 + length + (10 if head[5] & 0x10 else 0)
        file.seek(start)
        head = file.read(10)
    if head[:1] == b"\0":  # some encoders fill up with zeros
        return 0
    frame = head + file.read(190)
    for name, flags_at, count_at in ((b"Xing", 4, 12), (b"Info", 4, 12), (b"VBRI", None, 10)):
        at = frame.find(name, 4, 60)
        if at < 0 or frame[:1] != b"\xff":
            continue
        if flags_at is not None:
            flags = int.from_bytes(frame[at + 4 : at + 8], "big")
            if flags & 3 != 3:
                return 0
        return start - place + int.from_bytes(frame[at + count_at : at + count_at + 4], "big")
    return 0


class Joined(StreamedFile):
    """The parts one after the other, at the rate and with the channels of the first.

    Args:
        path: an mp3 or ogg.
        parts: its windows.

    Raises:
        InputError: a part cannot be read.
    """

    def __init__(self, path: str | Path, parts: list[Window]) -> None:
        self._path, self._windows, self.format = path, parts, "JOINED"
        self._starts = [0]
        for number in range(len(parts)):
            with self._opened(number) as file:
                if not number:
                    self.samplerate, self.channels, self.subtype = file.samplerate, file.channels, file.subtype
                self._starts.append(self._starts[-1] + -(-file.frames * self.samplerate // file.samplerate))
        self.frames = self._starts[-1]
        self._restart()

    def _opened(self, number: int) -> sf.SoundFile | MediaFile:
        if not self._windows[number].plain:
            return MediaFile(self._path, self._windows[number])
        part = Part(self._path, self._windows[number])
        try:
            return OwnedFile(part)
        except (sf.LibsndfileError, RuntimeError) as error:
            part.close()
            where = f"the part at byte {self._windows[number].start}"
            raise InputError(f"{quoted(self._path)} is damaged: {where} cannot be read ({error}).") from error

    def _start(self, place: int) -> int:
        return self._starts[bisect.bisect_right(self._starts[:-1], place) - 1]

    def _decoded(self, first: int) -> Iterator[tuple[int, FloatArray]]:
        for number in range(self._starts.index(first), len(self._windows)):
            place = self._starts[number]
            with self._opened(number) as file:
                resampler = Resampler(file.samplerate, self.samplerate, self.channels)
                while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                    wave = block.T  # (C, N)
                    if len(wave) != self.channels:
                        wave = np.repeat(downmix(wave)[None], self.channels, axis=0)
                    made = resampler.push(wave)
                    yield place, made.T
                    place += made.shape[1]
                yield place, resampler.finish().T
