"""States in an mp3 how many samples of its end are none of the recording's."""

from pathlib import Path


def state_padding(path: Path, n_samples: int, rate: int) -> None:
    """Corrects the padding in the header of an mp3; FFmpeg writes 1105 samples at most.

    Source: the LAME tag, revision 1: 12 bits each of delay and padding 21 bytes after the encoder's name, and a
    CRC-16 of the first 190 bytes of the frame.
    """
    with path.open("r+b") as file:
        start = file.read(1 << 16)
        tag = max(start.find(b"Info"), start.find(b"Xing"))
        name, frame = start.find(b"Lavf", tag), start.rfind(b"\xff", 0, tag)
        if tag < 0 or name < 0 or frame < 0:
            return
        n_frames = int.from_bytes(start[tag + 8 : tag + 12], "big")
        delay = int.from_bytes(start[name + 21 : name + 24], "big") >> 12
        padding = n_frames * (1152 if rate >= 32000 else 576) - delay - n_samples
        if not 0 <= padding < 1 << 12:
            return
        head = bytearray(start[frame : name + 34])
        head[name + 21 - frame : name + 24 - frame] = (delay << 12 | padding).to_bytes(3, "big")
        head += _crc16(bytes(head)).to_bytes(2, "big")
        file.seek(frame)
        file.write(head)


def _crc16(data: bytes) -> int:
    """CRC-16/ARC."""
    found = 0
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ (0xA001 if found & 1 else 0)
    return found
