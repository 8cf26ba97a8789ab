"""Recordings at one sample rate, decoded once into a file of 16-bit samples that all processes map into memory."""

import hashlib
import os
import shutil
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from clearmel.audio import sound_file
from clearmel.core import temp_files
from clearmel.core.errors import InputError, raise_all
from clearmel.core.file_io import FloatArray, replacing
from clearmel.core.npy import open_array, write_array

MAX_SCALE = 1e30
"""Largest plausible scale of a 16-bit sample; a larger one means a damaged cache."""


class WaveformCache:
    """Waves (N,) by index. Memory does not grow with their length; an hour at 16 kHz takes 115 MB on disk.

    Args:
        root: folder of the files.
        names: their paths below the root.
        sample_rate: sample rate of all waves in Hz.
        cache: folder that caches the decoded samples for later runs; None: a temporary folder, removed at the end.

    Raises:
        InputError: files cannot be read; one message lists all of them.
    """

    def __init__(self, root: Path, names: Sequence[str], sample_rate: int, cache: Path | None = None) -> None:
        self.root, self.names, self.sample_rate = root, list(names), sample_rate
        if cache is None:
            cache = temp_files.temporary_folder()
            weakref.finalize(self, _remove, cache, os.getpid())
        stem = cache / self._key()
        self.path, index = stem.with_suffix(".pcm"), stem.with_suffix(".npy")
        table = _index(index, self.path, len(self.names))
        if table is None:
            self._decode(index)
            table = open_array(index, "(recordings + 1, 2)")
        self.starts, self.scales = table[:, 0].astype(np.int64), table[:, 1].astype(np.float32)
        self._samples: Any = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> FloatArray:
        if self._samples is None:
            self._samples = np.memmap(self.path, np.int16, "r")
        piece = self._samples[self.starts[index] : self.starts[index + 1]]
        return np.asarray(piece * self.scales[index], dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """State for worker processes, which map the file themselves."""
        return vars(self) | {"_samples": None}

    def seconds(self) -> FloatArray:
        """Length of each recording in seconds."""
        return np.asarray(np.diff(self.starts) / self.sample_rate, dtype=np.float32)

    def _key(self) -> str:
        stats = [(name, (status := Path(self.root, name).stat()).st_size, status.st_mtime_ns) for name in self.names]
        text = f"{self.root.resolve()} {self.sample_rate} {stats}"
        return f"recordings_{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def _decode(self, index: Path) -> None:
        problems: list[str] = []
        rows = [(0.0, 0.0)]

        def decoded(name: str) -> FloatArray | str:
            try:
                return sound_file.read(Path(self.root, name), self.sample_rate)[0]
            except InputError as error:
                return error.line()

        with replacing(self.path) as temporary, temporary.open("wb") as file:
            with ThreadPoolExecutor(os.cpu_count()) as pool:  # libsndfile and soxr release Python's lock
                waves = pool.map(decoded, self.names)
                for wave in tqdm(waves, total=len(self.names), unit="file", desc="reading", leave=False, disable=None):
                    if isinstance(wave, str):
                        problems.append(wave)
                        continue
                    scale = max(1e-9, float(np.abs(wave).max())) / 32767
                    np.rint(wave / scale).astype(np.int16).tofile(file)
                    rows[-1] = (rows[-1][0], scale)
                    rows.append((rows[-1][0] + len(wave), 0.0))
            raise_all(problems)
        write_array(index, np.array(rows))


def _index(index: Path, samples: Path, count: int) -> npt.NDArray[np.float64] | None:
    """The table (n + 1, 2) of decoded recordings: first sample, and scale of the samples.

    None if there is no table, or if it does not match the samples, as after a full disk or an incomplete copy.
    """
    try:
        table = open_array(index, "(recordings + 1, 2)")
        n_samples = samples.stat().st_size / 2
    except (InputError, OSError):
        return None
    if table.shape != (count + 1, 2) or table.dtype != np.float64 or not np.isfinite(table).all():
        return None
    starts, scales = table[:, 0], table[:, 1]  # the last scale is unused
    fits = starts[0] == 0 and starts[-1] == n_samples and (starts == np.rint(starts)).all()
    return (
        table
        if fits and (np.diff(starts) > 0).all() and (scales[:-1] > 0).all() and (np.abs(scales) <= MAX_SCALE).all()
        else None
    )


def _remove(folder: Path, owner: int) -> None:
    """Removes a temporary folder in the process that created it, not in workers forked from it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
