"""One unit of work of a dataset build: the mixtures of one clean file, or those of one shard."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from clearmel.audio import levels, sound_file
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix
from clearmel.core.errors import FullDiskError, InputError
from clearmel.core.file_io import FloatArray
from clearmel.core.npy import write_array
from clearmel.data import shards
from clearmel.data.splits import Pool
from clearmel.options import BuildOptions
from clearmel.prepare.plan import Job


class ExcludedFile(str):
    """The reason why a clean file was excluded by the options; any other string is a failure."""

    __slots__ = ()


@dataclass(frozen=True)
class Portion:
    """The mixtures of one unit of work.

    parts: clean files and the indices of their mixtures. shard: path below the output folder; None: separate files.
    """

    parts: tuple[tuple[Job, range], ...]
    shard: Path | None = None


def portions_of(jobs: Sequence[Job], shard_items: int) -> list[Portion]:
    """Divides the jobs into one portion per clean file, or per shard of `shard_items` mixtures."""
    if not shard_items:
        return [Portion(((job, range(len(job.recipes))),)) for job in jobs]
    found = []
    for split, own in itertools.groupby(jobs, key=lambda job: job.split):
        mixtures = [(job, k) for job in own for k in range(len(job.recipes))]
        for number, start in enumerate(range(0, len(mixtures), shard_items)):
            by_job = itertools.groupby(mixtures[start : start + shard_items], key=lambda mixture: mixture[0].name)
            numbers = [list(group) for _, group in by_job]
            parts = tuple((group[0][0], range(group[0][1], group[-1][1] + 1)) for group in numbers)
            found.append(Portion(parts, Path(split, f"shard-{number:06}.tar")))
    return found


@functools.lru_cache(maxsize=1024)
def _load(path: str) -> FloatArray:
    return sound_file.read(path, MelFeatures().sample_rate)[0]


class _TooLoudPauses(InputError):
    """The clean file is excluded by `min_range_db`."""


@dataclass(frozen=True)
class PortionWriter:
    """Computes and writes portions; returns the reasons for the clean files that failed, by name.

    Args:
        pools: the recordings, by split.
        options: options of the dataset.
        output: the dataset's folder.
        fresh: rebuild existing files.
    """

    pools: dict[str, Pool]
    options: BuildOptions
    output: Path
    fresh: bool

    def __call__(self, portion: Portion) -> dict[str, str]:
        """Writes a portion, or the missing part of it."""
        return self._files(*portion.parts[0]) if portion.shard is None else self._shard(portion, portion.shard)

    def _files(self, job: Job, numbers: range) -> dict[str, str]:
        if not self.fresh and all(self._finished(job, k) for k in numbers):
            return {}
        try:
            for k, waves, mels in self._mixtures(job, numbers):
                # The clean side is written last: if it exists, the pair is complete.
                for side, wave, mel in zip(shards.SIDES, waves, mels, strict=True):
                    self._save_audio(job.target(side, k), wave)
                    write_array(self.output / job.target(side, k), np.ascontiguousarray(mel))
        except FullDiskError:
            raise
        except InputError as error:
            return {job.name: _reason(job, error)}
        return {}

    def _shard(self, portion: Portion, path: Path) -> dict[str, str]:
        """Writes a shard. An existing one is only rebuilt if a missing clean file has become readable."""
        failures: dict[str, str] = {}
        present = self._names_in_shard(path)
        lacking = [
            (job, numbers)
            for job, numbers in portion.parts
            if not all(job.mixture(k) in present and self._has_audio(job, k) for k in numbers)
        ]
        if present and all(self._fails(job, numbers, failures) for job, numbers in lacking):
            return failures
        failures.clear()
        pairs = self._pairs(portion, failures)
        first = next(pairs, None)
        if first is not None:
            shards.write(self.output / path, itertools.chain([first], pairs))
        return failures

    def _pairs(self, portion: Portion, failures: dict[str, str]) -> Iterator[tuple[str, FloatArray]]:
        for job, numbers in portion.parts:
            try:
                for k, waves, mels in self._mixtures(job, numbers):
                    for side, wave in zip(shards.SIDES, waves, strict=True):
                        self._save_audio(job.target(side, k), wave)
                    yield job.mixture(k), mels
            except FullDiskError:
                raise
            except InputError as error:
                failures[job.name] = _reason(job, error)

    def _fails(self, job: Job, numbers: range, failures: dict[str, str]) -> bool:
        try:
            for _ in self._mixtures(job, numbers):
                pass
        except InputError as error:
            failures[job.name] = _reason(job, error)
            return True
        return False

    def _names_in_shard(self, path: Path) -> set[str]:
        try:
            return shards.names_in(self.output / path) if not self.fresh else set()
        except (InputError, OSError):  # missing or damaged: build it
            return set()

    def _mixtures(self, job: Job, numbers: range) -> Iterator[tuple[int, list[FloatArray], FloatArray]]:
        """Index, waves (N,) and mels (2, T, M), noisy and clean, of some mixtures of a clean file."""
        pool, options, features = self.pools[job.split], self.options, MelFeatures()
        roots = {"noise": pool.noise_root, "clean": pool.clean_root}

        def load(name: str) -> FloatArray:
            side, relative = name.split("/", 1)
            return _load(str(Path(roots[side], relative)))

        speech, _ = sound_file.read(Path(pool.clean_root, job.clean), features.sample_rate)
        found = levels.dynamic_range_db(speech, features.sample_rate)
        if found < options.min_range_db:
            raise _TooLoudPauses(f"its pauses lie only {found:.0f} dB below its speech")
        for k in numbers:
            recipe = job.recipes[k]
            piece = _segment(speech, int(options.clip_s * features.sample_rate), recipe.seed)
            noisy, clean = mix.mix(piece, recipe, load, features.sample_rate)
            yield k, [noisy, clean], features.mel(torch.from_numpy(np.stack([noisy, clean]))).numpy()

    def _save_audio(self, mel_path: Path, wave: FloatArray) -> None:
        if self.options.save_audio:
            sound_file.write(self.output / _audio_path(mel_path), wave, MelFeatures().sample_rate)

    def _has_audio(self, job: Job, k: int) -> bool:
        paths = [self.output / _audio_path(job.target(side, k)) for side in shards.SIDES]
        return not self.options.save_audio or all(path.exists() for path in paths)

    def _finished(self, job: Job, k: int) -> bool:
        return all((self.output / job.target(side, k)).exists() for side in shards.SIDES) and self._has_audio(job, k)


def _reason(job: Job, error: InputError) -> str:
    text = f"{job.clean}: {error.line()}"
    return ExcludedFile(text) if isinstance(error, _TooLoudPauses) else text


def _audio_path(mel_path: Path) -> Path:
    return Path("audio") / mel_path.with_suffix(".wav")


def _segment(speech: FloatArray, n_samples: int, seed: int) -> FloatArray:
    """A segment of n_samples (0: all) that contains speech: the loudest of four random segments."""
    if n_samples <= 0 or len(speech) <= n_samples:
        return speech
    starts = np.random.default_rng(seed).integers(len(speech) - n_samples + 1, size=4)
    pieces = [speech[start : start + n_samples] for start in starts]
    return max(pieces, key=lambda piece: float(np.square(piece).mean()))
