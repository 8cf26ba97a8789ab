"""Tiles of the waveform and the mel spectrogram of a recording of any length, at every zoom level.

One pass over the recording in blocks fills a pyramid of arrays on disk, each 16 times coarser than the last. Tiles
are made from the nearest array. Memory use does not depend on the duration; a three-hour recording takes about 110 MB
of disk.
"""

import shutil
import struct
import tempfile
import threading
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clearmel.audio import sound_file
from clearmel.audio.channels import downmix
from clearmel.core import temp_files
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray

if TYPE_CHECKING:
    from clearmel.audio.features import MelFeatures

N_MELS = 64
BINS = 10
"""Bins of the waveform per column of the spectrogram."""
TILE_COLUMNS = 512
TILE_BINS = 2048
RANGE_DB = 70
"""Range of the spectrogram below its loudest point."""
COARSER = 16
N_CACHED = 4
"""Recordings whose tiles stay on disk."""
BLOCK_S = 20.0
LOUDEST_DB = 30.0
"""Mel level of the value 255; each step below is half a dB."""
MAGMA = (
    (0, 0, 4), (9, 7, 32), (26, 16, 66), (49, 17, 101), (74, 16, 121), (98, 25, 128), (121, 34, 130), (145, 43,
    129), (170, 51, 125), (194, 59, 117), (217, 70, 107), (236, 88, 96), (247, 114, 92), (252, 142, 100), (254, 170,
    116), (254, 198, 138), (253, 226, 163), (252, 253, 191),
)  # fmt: skip
"""Colours from quiet to loud, evenly spaced: red, green, blue. Source: magma by Smith and van der Walt (CC0)."""


class Tiles:
    """The tiles of one recording, which become available while a thread reads it.

    Attributes:
        bin_s: seconds of one bin of the waveform, about a millisecond.
        column_s: seconds of one column of the spectrogram, about ten milliseconds.
        band_hz: lowest and highest frequency of the spectrogram, on the mel scale of Slaney.
        share: fraction of the recording read so far, 0 to 1.
        peak: largest magnitude of a sample so far.
        failure: error message if reading failed, else "".

    Args:
        path: the recording.
        folder: an empty folder for the arrays.

    Raises:
        InputError: the recording cannot be read.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.info = path, sound_file.inspect(path)
        self._step = max(1, round(self.info.sample_rate / 1000))  # samples of a bin
        self.bin_s = self._step / self.info.sample_rate
        self.column_s = BINS * self.bin_s
        self.band_hz = min(40.0, self.info.sample_rate / 8), min(8000.0, self.info.sample_rate / 2)
        n_columns = -(-self.info.n_samples // (BINS * self._step))
        self._levels: list[npt.NDArray[np.uint8]] = []  # (T, M)
        self._waves: list[npt.NDArray[np.int16]] = []  # (BINS * T, 2)
        while not self._levels or len(self._levels[-1]) > TILE_COLUMNS:
            count = -(-n_columns // COARSER ** len(self._levels))
            name = folder / str(len(self._levels))
            self._levels.append(np.memmap(name.with_suffix(".mel"), np.uint8, "w+", shape=(count, N_MELS)))
            self._waves.append(np.memmap(name.with_suffix(".wave"), np.int16, "w+", shape=(count * BINS, 2)))
        self._done = 0  # columns
        self._loudest = 0
        self.share, self.peak, self.failure = 0.0, 0.0, ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Waits until the complete recording has been read."""
        self._thread.join()

    def stop(self, timeout_s: float = 0.0) -> None:
        """Stops reading, and waits for the thread so long."""
        self._stop.set()
        self._thread.join(timeout_s)

    def mel(self, level: int, index: int) -> bytes | None:
        """PNG of tile `index`, one pixel per 2**level columns, lowest band at the bottom; None if not available yet."""
        made = self._tile(self._levels, level, index, TILE_COLUMNS, 1)
        if made is None:
            return None
        array, starts = made
        shown = np.maximum.reduceat(array, starts).astype(np.int16)  # (T, M)
        shade = (shown - self._loudest + 2 * RANGE_DB).clip(0, 2 * RANGE_DB) * 255 // (2 * RANGE_DB)
        return _png(shade.astype(np.uint8).T[::-1])

    def wave(self, level: int, index: int) -> bytes | None:
        """Tile `index`: (lowest, highest) sample per 2**level bins, int16 little-endian; None if not available yet."""
        made = self._tile(self._waves, level, index, TILE_BINS, BINS)
        if made is None:
            return None
        array, starts = made
        low, high = np.minimum.reduceat(array[:, 0], starts), np.maximum.reduceat(array[:, 1], starts)
        return np.stack([low, high], axis=1).astype("<i2").tobytes()

    def _tile(
        self, arrays: Sequence[npt.NDArray[np.integer]], level: int, index: int, size: int, per_column: int
    ) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.int64]] | None:
        """The section of the nearest array for a tile, and the start of each column in it."""
        nearest = min(level // 4, len(arrays) - 1)
        step = 1 << (level - 4 * nearest)
        array, done = arrays[nearest], -(-self._done // COARSER**nearest) * per_column
        start, end = index * size * step, min((index + 1) * size * step, len(array), done)
        if start >= end:
            return None
        return array[start:end], np.arange(0, end - start, step)

    def _run(self) -> None:
        try:
            self._read()
        except InputError as error:
            self.failure = error.line()
        except OSError as error:
            self.failure = f"the tiles cannot be stored: {error.strerror}. Free space in the temporary folder."

    def _read(self) -> None:
        from clearmel.audio.features import MelFeatures

        rate, hop = self.info.sample_rate, BINS * self._step
        n_fft = 1 << max(6, round(np.log2(rate * 0.04)))
        features = MelFeatures(rate, n_fft, min(hop, n_fft), N_MELS, *self.band_hz)
        context = -(-n_fft // (2 * hop))  # columns that a window covers on each side
        # This offset centres the window of a frame on the middle of its column.
        buffer = np.zeros(context * hop - hop // 2, np.float32)
        for block in sound_file.blocks(self.path, BLOCK_S):
            mono = downmix(block)
            self.peak = max(self.peak, float(np.abs(mono).max()))
            buffer = self._columns(np.concatenate([buffer, mono]), features, context)
            self.share = min(0.999, self._done / len(self._levels[0]))
            if self._stop.is_set():
                return
        left = len(self._levels[0]) - self._done
        if left:
            silence = np.zeros(max(0, (left + 2 * context) * hop - len(buffer)), np.float32)
            self._columns(np.concatenate([buffer, silence]), features, context)
        self.share = 1.0

    def _columns(self, buffer: FloatArray, features: "MelFeatures", context: int) -> FloatArray:
        """Fills the columns whose windows lie in the buffer; returns the samples that the next ones need."""
        hop = BINS * self._step
        count = (len(buffer) - features.n_fft // 2) // hop - context + 1
        count = min(count, len(self._levels[0]) - self._done)
        if count < 1:
            return buffer
        mel = features.mel(buffer[: (2 * context + count) * hop])[context : context + count]
        level = (2 * ((mel - 1) * 10 * 10 / np.log(10) - LOUDEST_DB) + 255).clip(0, 255).astype(np.uint8)
        start = context * hop - hop // 2
        bins = buffer[start : start + count * hop].reshape(count * BINS, self._step)
        pairs = np.stack([bins.min(axis=1), bins.max(axis=1)], axis=1).clip(-1, 1) * 32767
        first, end = self._done, self._done + count
        self._levels[0][first:end] = level
        self._waves[0][first * BINS : end * BINS] = pairs
        for number in range(1, len(self._levels)):
            self._coarsen(number, first // COARSER**number, -(-end // COARSER**number))
        self._done, self._loudest = end, max(self._loudest, int(level.max()))
        return buffer[count * hop :]

    def _coarsen(self, number: int, first: int, end: int) -> None:
        finer = self._levels[number - 1][first * COARSER : end * COARSER]
        self._levels[number][first:end] = np.maximum.reduceat(finer, np.arange(0, len(finer), COARSER))
        pairs = self._waves[number - 1][first * BINS * COARSER : end * BINS * COARSER]
        starts = np.arange(0, len(pairs), COARSER)
        coarse = self._waves[number][first * BINS : first * BINS + len(starts)]
        coarse[:, 0] = np.minimum.reduceat(pairs[:, 0], starts)
        coarse[:, 1] = np.maximum.reduceat(pairs[:, 1], starts)


class TileCache:
    """The tiles of the recordings used last, in a temporary folder that is removed with the cache.

    Args:
        n_cached: number of recordings.
    """

    def __init__(self, n_cached: int = N_CACHED) -> None:
        self._n_cached = n_cached
        self._folder = temp_files.temporary_folder()
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # at exit at the latest
        self._cached: OrderedDict[tuple[Path, int, int], tuple[Tiles, Path]] = OrderedDict()
        self._lock = threading.Lock()

    def stop(self, timeout_s: float) -> None:
        """Stops reading all recordings, and waits for each so long."""
        with self._lock:
            for tiles, _ in self._cached.values():
                tiles.stop(timeout_s)

    def get(self, path: Path) -> Tiles:
        """The tiles of a recording in its present version on disk.

        Raises:
            InputError: it cannot be read.
        """
        found = path.stat()
        key = path, found.st_mtime_ns, found.st_size
        with self._lock:
            if key not in self._cached:
                place = Path(tempfile.mkdtemp(dir=self._folder))
                self._cached[key] = Tiles(path, place), place
                while len(self._cached) > self._n_cached:
                    old, place = self._cached.popitem(last=False)[1]
                    old.stop()
                    shutil.rmtree(place, ignore_errors=True)  # mapped files stay readable until they are closed
            self._cached.move_to_end(key)
            return self._cached[key][0]


def _png(shade: npt.NDArray[np.uint8]) -> bytes:
    """Colour indices (H, W) as a PNG with a palette.

    Source: Portable Network Graphics, W3C Recommendation, third edition, sections 5 and 11.
    """
    colours = np.stack(
        [np.interp(np.arange(256), np.linspace(0, 255, len(MAGMA)), side) for side in zip(*MAGMA, strict=True)], axis=1
    )
    rows = np.concatenate([np.zeros((len(shade), 1), np.uint8), shade], axis=1)  # column 0: filter type none
    header = struct.pack(">IIBBBBB", shade.shape[1], shade.shape[0], 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", colours.astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 3)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
