"""A recording, with or without cuts, as a 16-bit .wav that is computed while it is sent.

Browsers request byte ranges, so they can seek in long recordings of any format that libsndfile reads.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from clearmel.audio.channels import downmix
from clearmel.audio.splice import Spliced

HEADER = 44
BLOCK = 1 << 16
"""Samples computed at once."""
LARGEST = (1 << 32) - 1024


class WavStream:
    """The bytes of a .wav with one or two channels; stereo that exceeds the 4 GB of a .wav becomes mono.

    Args:
        path: the recording.
        remove: spans [start_s, end_s] to cut.
    """

    def __init__(self, path: Path, remove: Sequence[tuple[float, float]] = ()) -> None:
        self._path, self._remove = path, tuple(remove)
        with Spliced(path, remove) as spliced:
            self._rate, n_samples = spliced.sample_rate, spliced.n_samples
            self._stereo = spliced.n_channels == 2 and HEADER + 4 * n_samples <= LARGEST
        self._frame = 4 if self._stereo else 2  # bytes
        self._n_samples = min(n_samples, (LARGEST - HEADER) // self._frame)
        self.duration_s = self._n_samples / self._rate
        self.size = HEADER + self._frame * self._n_samples

    def range(self, text: str | None) -> tuple[int, int] | None:
        """Start and end (exclusive) of the value of a Range header; None if the range is not satisfiable."""
        found = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", text or "bytes=0-")
        if not found or not any(found.groups()):
            return None
        if not found[1]:
            return (max(0, self.size - int(found[2])), self.size) if int(found[2]) else None
        start, end = int(found[1]), min(self.size, int(found[2]) + 1) if found[2] else self.size
        return (start, end) if start < end else None

    def data(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end)."""
        if start < HEADER:
            yield self._header()[start:end]
        first, last = max(0, start - HEADER), end - HEADER
        if first >= last:
            return
        with Spliced(self._path, self._remove) as spliced:
            for sample in range(first // self._frame, -(-last // self._frame), BLOCK):
                count = min(BLOCK, -(-last // self._frame) - sample)
                wave = spliced.read(sample, count)
                wave = wave if self._stereo else downmix(wave)[None]
                data = (wave.T.clip(-1, 1) * 32767).round().astype("<i2").tobytes()
                begin = sample * self._frame
                yield data[max(0, first - begin) : last - begin]

    def _header(self) -> bytes:
        channels, data = self._frame // 2, self.size - HEADER
        form = struct.pack(
            "<4sIHHIIHH", b"fmt ", 16, 1, channels, self._rate, self._rate * self._frame, self._frame, 16
        )
        return struct.pack("<4sI4s", b"RIFF", self.size - 8, b"WAVE") + form + struct.pack("<4sI", b"data", data)
