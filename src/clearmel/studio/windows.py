"""Windows of samples for the player: of files, of edited recordings, and of sound that is denoised while it plays.

Shapes: C channels, N samples.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clearmel.audio.channels import downmix
from clearmel.audio.splice import Spliced
from clearmel.core.file_io import FloatArray

if TYPE_CHECKING:
    from clearmel.api.denoising import Denoiser, Stream

MOST_SAMPLES = 1 << 21
"""Of all channels together, in one window."""
N_OPEN = 8
PRIMING_S = 4.0
"""Sound before the first sample that initialises the denoiser."""
BLOCK_S = 2.0


class Source:
    """Samples of a recording, or of its edit, from any place; a `read` that follows the last is cheap."""

    def __init__(self, path: Path, remove: tuple[tuple[float, float], ...] = ()) -> None:
        self._spliced = Spliced(path, remove)
        self.n_samples, self.sample_rate = self._spliced.n_samples, self._spliced.sample_rate
        self.n_channels = self._spliced.n_channels
        self._lock = threading.Lock()

    def read(self, start: int, count: int) -> FloatArray:
        """Samples (C, N) from `start` on, fewer than `count` at the end."""
        with self._lock:
            return self._spliced.read(start, max(0, min(count, self.n_samples - start)))


class Live:
    """A recording that is denoised from any place on; a `read` that follows the last continues the same stream."""

    def __init__(self, source: Source, denoiser: "Denoiser") -> None:
        self._source, self._denoiser = source, denoiser
        self._lock, self._at = threading.Lock(), -1
        self._stream: Stream | None = None
        self._place = self._skip = 0  # next sample of the source; samples of the result that belong to the opening
        self._ready: FloatArray = np.zeros((source.n_channels, 0), np.float32)

    def read(self, start: int, count: int) -> FloatArray:
        """As `Source.read`, denoised."""
        count = max(0, min(count, self._source.n_samples - start))
        if not count:
            return np.zeros((self._source.n_channels, 0), np.float32)
        with self._lock:
            if start != self._at:
                self._begin(start)
            while self._ready.shape[1] < count:
                self._advance()
            self._at, found = start + count, self._ready[:, :count]
            self._ready = self._ready[:, count:]
            return found

    def _begin(self, start: int) -> None:
        source = self._source
        self._stream = self._denoiser.stream(source.sample_rate, source.n_channels)
        size = min(int(PRIMING_S * source.sample_rate), source.n_samples)
        opening = source.read(max(0, start - size), size)
        self._place, self._ready = start, opening[:, :0]
        self._skip = opening.shape[1]
        self._push(opening)

    def _advance(self) -> None:
        block = self._source.read(self._place, int(BLOCK_S * self._source.sample_rate))
        self._place += block.shape[1]
        if block.shape[1]:
            self._push(block)
        elif self._stream is not None:
            self._take(self._stream.finish())

    def _push(self, block: FloatArray) -> None:
        assert self._stream is not None
        self._take(self._stream.push(block.T))

    def _take(self, rows: FloatArray) -> None:
        made = rows.reshape(-1, self._source.n_channels).T
        skipped = min(self._skip, made.shape[1])
        self._skip -= skipped
        self._ready = np.concatenate([self._ready, made[:, skipped:]], axis=1)


class Windows:
    """The sources used last, by a key."""

    def __init__(self) -> None:
        self._open: OrderedDict[Hashable, Source | Live] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, key: Hashable, make: Callable[[], Source | Live], start: int, count: int) -> FloatArray:
        """Samples (C, N) with C of 1 or 2: more channels become one, as in the labelling page."""
        with self._lock:
            if key not in self._open:
                self._open[key] = make()
                while len(self._open) > N_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(key)
            source = self._open[key]
        wave = source.read(start, min(count, MOST_SAMPLES))
        return wave if len(wave) <= 2 else downmix(wave)[None]
