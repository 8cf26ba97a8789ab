"""What a wav holds beside its samples (bext, iXML, cue, LIST ...), and wav files beyond 4 GiB (RF64).

Sources: EBU Tech 3285 (BWF) and 3306 (RF64); Microsoft Multimedia Programming Interface 1.0 (RIFF).
"""

import io
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LEFT_OUT = (b"fmt ", b"data", b"fact", b"PEAK", b"ds64", b"JUNK", b"junk", b"FLLR", b"PAD ", b"LEVL", b"levl", b"chna")
"""Chunks that describe the samples themselves, and empty space."""
LONGEST = 1 << 26
"""Longer chunks beside the samples are left out."""
RESERVE = struct.pack("<4sI28x", b"JUNK", 28)
"""Space for the 64-bit sizes of a file that may exceed 4 GiB."""
FULL = 0xFFFFFFFF
TIME_REFERENCE = 338
"""Place in the bext chunk: after description, originator, its reference, date and time."""
INFO = {
    "title": "INAM", "artist": "IART", "album": "IPRD", "date": "ICRD", "year": "ICRD", "genre": "IGNR",
    "comment": "ICMT", "copyright": "ICOP", "track": "IPRT", "tracknumber": "IPRT",
    "software": "ISFT", "language": "ILNG",
}  # fmt: skip
"""Tags that a LIST INFO chunk has a name for."""


class Chunk(NamedTuple):
    """A chunk of a RIFF file. `name`: four bytes."""

    name: bytes
    body: bytes


def read(path: str | Path) -> list[Chunk]:
    """The chunks of a wav beside its samples; none for other files."""
    found, size = list[Chunk](), Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
            return []
        data_size = 0
        while len(head := file.read(8)) == 8:
            name, length = head[:4], int.from_bytes(head[4:], "little")
            if name == b"ds64":
                data_size = int.from_bytes(file.read(length + length % 2)[8:16], "little")
                continue
            if name == b"data" and length == FULL:
                length = data_size
            if name in LEFT_OUT or length > min(LONGEST, size - file.tell()):
                file.seek(length + length % 2, os.SEEK_CUR)
            else:
                found.append(Chunk(name, file.read(length)))
                file.seek(length % 2, os.SEEK_CUR)
    return found


def time_reference(path: str | Path) -> int:
    """Samples from midnight to the first one, as a wav's bext chunk states; 0 for files without one."""
    bodies = [chunk.body for chunk in read(path) if chunk.name == b"bext" and len(chunk.body) >= TIME_REFERENCE + 8]
    return int.from_bytes(bodies[0][TIME_REFERENCE : TIME_REFERENCE + 8], "little") if bodies else 0


def info(tags: Mapping[str, str]) -> list[Chunk]:
    """A LIST INFO chunk of tags, if it has names for any."""
    found = {INFO[key.lower()]: text for key, text in tags.items() if key.lower() in INFO and text}
    body = b"".join(_packed(Chunk(name.encode(), text.encode() + b"\0")) for name, text in found.items())
    return [Chunk(b"LIST", b"INFO" + body)] if body else []


def moved(chunks: Sequence[Chunk], time_s: Callable[[float], float | None], sample_rate: int) -> list[Chunk]:
    """The chunks with their cue points at new places.

    Args:
        chunks: of the source.
        time_s: gives the new time of a time in seconds; None for a time that is gone.
        sample_rate: in Hz.
    """
    return [_moved_cues(c, time_s, sample_rate) if c.name == b"cue " else c for c in chunks]


def _moved_cues(chunk: Chunk, time_s: Callable[[float], float | None], sample_rate: int) -> Chunk:
    points = []
    for at in range(4, len(chunk.body) - 23, 24):  # name, position, "data", two starts, offset in samples
        name, _, kind, start, block, offset = struct.unpack("<II4sIII", chunk.body[at : at + 24])
        new_s = time_s(offset / sample_rate)
        if new_s is not None:
            place = round(new_s * sample_rate)
            points.append(struct.pack("<II4sIII", name, place, kind, start, block, place))
    return Chunk(chunk.name, struct.pack("<I", len(points)) + b"".join(points))


def _packed(chunk: Chunk) -> bytes:
    return chunk.name + struct.pack("<I", len(chunk.body)) + chunk.body + b"\0" * (len(chunk.body) % 2)


def finish(path: str | Path, chunks: Sequence[Chunk] = (), mask: int = 0) -> None:
    """Appends chunks to a wav, and states its sizes with 64 bits if it exceeds 4 GiB and has `RESERVE`.

    The data chunk must be the last one before. `mask`: the speakers of an extensible wav, 0 to leave them.
    """
    with Path(path).open("r+b") as file:
        place, reserved, frame = 12, 0, 1
        while True:
            file.seek(place)
            head = file.read(8)
            if len(head) < 8:
                return
            name, length = head[:4], int.from_bytes(head[4:], "little")
            if name == b"data":
                break
            if name == b"JUNK" and length == 28:
                reserved = place
            if name == b"fmt ":
                form = file.read(length)
                frame = int.from_bytes(form[12:14], "little")
                if mask and length >= 40:
                    _patch(file, place + 8 + 20, struct.pack("<I", mask))
            place += 8 + length + length % 2
        data = file.seek(0, os.SEEK_END) - place - 8
        if not reserved or data < FULL - (1 << 20):
            data = length
        file.seek(place + 8 + data)
        file.truncate()
        file.write(b"\0" * (data % 2) + b"".join(map(_packed, chunks)))
        whole = file.tell() - 8
        if whole < FULL:
            _patch(file, 4, struct.pack("<I", whole))
        elif reserved:
            _patch(file, place + 4, struct.pack("<I", FULL))
            _patch(file, reserved, struct.pack("<4sIQQQI", b"ds64", 28, whole, data, data // max(1, frame), 0))
            _patch(file, 0, b"RF64" + struct.pack("<I", FULL))


def _patch(file: Any, place: int, data: bytes) -> None:
    file.seek(place)
    file.write(data)


class ReservingFile(io.FileIO):
    """A new file that libsndfile sees without the `RESERVE` behind its first 12 bytes."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "w+")
        super().write(b"\0" * 12 + RESERVE)
        super().seek(0)
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves; see `io.IOBase.seek`."""
        end = os.fstat(self.fileno()).st_size - len(RESERVE)
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: end}[whence]
        return self._at

    def tell(self) -> int:
        """The position that libsndfile sees."""
        return self._at

    def write(self, data: Any) -> int:
        """Writes bytes; see `io.RawIOBase.write`."""
        view = memoryview(data).cast("B")
        for part in (view[: max(0, 12 - self._at)], view[max(0, 12 - self._at) :]):
            if len(part):
                super().seek(self._at + (len(RESERVE) if self._at >= 12 else 0))
                super().write(part)
                self._at += len(part)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Reads bytes; see `io.RawIOBase.readinto`."""
        super().seek(self._at + (len(RESERVE) if self._at >= 12 else 0))
        view = memoryview(buffer).cast("B")
        count = super().readinto(view[: 12 - self._at] if self._at < 12 else view) or 0
        self._at += count
        return count

    def read(self, size: int | None = -1) -> bytes:
        """Reads bytes; see `io.RawIOBase.read`."""
        buffer = bytearray(os.fstat(self.fileno()).st_size if size is None or size < 0 else size)
        return bytes(buffer[: self.readinto(buffer)])
