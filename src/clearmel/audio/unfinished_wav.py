"""Reads a wav whose recorder crashed before it wrote the length of the sound."""

import io
import os
from pathlib import Path
from typing import Any

import soundfile as sf

from clearmel.audio.owned_file import OwnedFile


def opened(path: str | Path) -> sf.SoundFile | None:
    """The file, read to its end if its stated data size is 0 and sound follows; else None."""
    place = _unfinished(path)
    return OwnedFile(_UnfinishedWav(path, place)) if place else None


def _unfinished(path: str | Path) -> int:
    """Place of the data size of a wav whose recorder crashed before it wrote that size, else 0."""
    with Path(path).open("rb") as file:
        if file.read(4) != b"RIFF" or file.seek(8) != 8 or file.read(4) != b"WAVE":
            return 0
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                place, following = file.tell(), file.read(8)
                left = os.fstat(file.fileno()).st_size - place
                chunk = following[:4].isascii() and following[:4].isalnum()
                known = chunk and 8 + int.from_bytes(following[4:], "little") <= left  # an empty recording with tags
                return place - 4 if size == 0 and left > 0 and not known else 0
            file.seek(size + size % 2, os.SEEK_CUR)
    return 0


class _UnfinishedWav(io.FileIO):
    """A wav file that reads as if it stated the largest data size, so that libsndfile reads it to its end."""

    def __init__(self, path: str | Path, place: int) -> None:
        super().__init__(path)
        self.place = place

    def readinto(self, buffer: Any) -> int:
        """Reads bytes into a buffer; see `io.RawIOBase.readinto`."""
        start = self.tell()
        count = super().readinto(buffer) or 0
        for at in range(max(start, self.place), min(start + count, self.place + 4)):
            memoryview(buffer).cast("B")[at - start] = 0xFF
        return count

    def read(self, size: int | None = -1) -> bytes:
        """Reads bytes; see `io.RawIOBase.read`."""
        buffer = bytearray(os.fstat(self.fileno()).st_size - self.tell() if size is None or size < 0 else size)
        return bytes(buffer[: self.readinto(buffer)])
