"""The time stamp of Broadcast Wave files."""

import os
import struct
from pathlib import Path

TIME_REFERENCE = 338
"""Place in the bext chunk: after description, originator, its reference, date and time (EBU Tech 3285)."""


def time_reference(path: str | Path) -> int:
    """Samples from midnight to the first one, as a wav's bext chunk states; 0 for files without one."""
    with Path(path).open("rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
            return 0
        long_size = 0
        while len(chunk := file.read(8)) == 8:
            name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
            if name == b"bext" and size >= TIME_REFERENCE + 8:
                file.seek(TIME_REFERENCE, os.SEEK_CUR)
                stated = file.read(8)
                return int.from_bytes(stated, "little") if len(stated) == 8 else 0
            if name == b"ds64" and size >= 16:
                long_size = int.from_bytes(file.read(16)[8:], "little")
                size -= 16
            if name == b"data" and size == 0xFFFFFFFF:
                size = long_size
            file.seek(size + size % 2, os.SEEK_CUR)
    return 0
