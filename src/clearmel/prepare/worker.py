"""What one process of a build makes in one go: the mixtures of a clean file as files, or those of a shard."""

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
    """Why a clean file was left out as asked, rather than failed."""

    __slots__ = ()


@dataclass(frozen=True)
class Portion:
    """Some mixtures.

    parts: clean files, and the numbers of their mixtures. shard: path below the output folder, None for files.
    """

    parts: tuple[tuple[Job, range], ...]
    shard: Path | None = None


def portions_of(jobs: Sequence[Job], shard_items: int) -> list[Portion]:
    """All mixtures of the jobs: a portion for each clean file, or for each shard of `shard_items` mixtures."""
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
    """The clean file is to be left out."""


@dataclass(frozen=True)
class PortionWriter:
    """Makes portions; gives the reasons by name for the clean files that could not be made.

    Args:
        pools: the recordings, by split.
        options: what to build.
        output: the dataset's folder.
        fresh: make also what is there.
    """

    pools: dict[str, Pool]
    options: BuildOptions
    output: Path
    fresh: bool

    def __call__(self, portion: Portion) -> dict[str, str]:
        """Makes a portion, or what is missing of it."""
        return self._files(*portion.parts[0]) if portion.shard is None else self._shard(portion, portion.shard)

    def _files(self, job: Job, numbers: range) -> dict[str, str]:
        if not self.fresh and all(self._finished(job, k) for k in numbers):
            return {}
        try:
            for k, waves, mels in self._mixtures(job, numbers):
                # The clean side last: its presence says that the pair is whole.
                for side, wave, mel in zip(shards.SIDES, waves, mels, strict=True):
                    self._keep_sound(job.target(side, k), wave)
                    write_array(self.output / job.target(side, k), np.ascontiguousarray(mel))
        except FullDiskError:
            raise
        except InputError as error:
            return {job.name: _reason(job, error)}
        return {}

    def _shard(self, portion: Portion, path: Path) -> dict[str, str]:
        """Fills a shard. One that is there stays, unless a clean file that it lacks can be read by now."""
        unmade: dict[str, str] = {}
        there = self._there(path)
        lacking = [
            (job, numbers)
            for job, numbers in portion.parts
            if not all(job.mixture(k) in there and self._has_sound(job, k) for k in numbers)
        ]
        if there and all(self._fails(job, numbers, unmade) for job, numbers in lacking):
            return unmade
        unmade.clear()
        pairs = self._pairs(portion, unmade)
        first = next(pairs, None)
        if first is not None:
            shards.write(self.output / path, itertools.chain([first], pairs))
        return unmade

    def _pairs(self, portion: Portion, unmade: dict[str, str]) -> Iterator[tuple[str, FloatArray]]:
        for job, numbers in portion.parts:
            try:
                for k, waves, mels in self._mixtures(job, numbers):
                    for side, wave in zip(shards.SIDES, waves, strict=True):
                        self._keep_sound(job.target(side, k), wave)
                    yield job.mixture(k), mels
            except FullDiskError:
                raise
            except InputError as error:
                unmade[job.name] = _reason(job, error)

    def _fails(self, job: Job, numbers: range, unmade: dict[str, str]) -> bool:
        try:
            for _ in self._mixtures(job, numbers):
                pass
        except InputError as error:
            unmade[job.name] = _reason(job, error)
            return True
        return False

    def _there(self, path: Path) -> set[str]:
        try:
            return shards.names_in(self.output / path) if not self.fresh else set()
        except (InputError, OSError):  # not there, or damaged: it is made
            return set()

    def _mixtures(self, job: Job, numbers: range) -> Iterator[tuple[int, list[FloatArray], FloatArray]]:
        """Number, waves (N,) and mels (2, T, M), noisy and clean, of some mixtures of a clean file."""
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
            piece = _piece(speech, int(options.clip_s * features.sample_rate), recipe.seed)
            noisy, clean = mix.mix(piece, recipe, load, features.sample_rate)
            yield k, [noisy, clean], features.mel(torch.from_numpy(np.stack([noisy, clean]))).numpy()

    def _keep_sound(self, mel_path: Path, wave: FloatArray) -> None:
        if self.options.save_audio:
            sound_file.write(self.output / _audio_path(mel_path), wave, MelFeatures().sample_rate)

    def _has_sound(self, job: Job, k: int) -> bool:
        paths = [self.output / _audio_path(job.target(side, k)) for side in shards.SIDES]
        return not self.options.save_audio or all(path.exists() for path in paths)

    def _finished(self, job: Job, k: int) -> bool:
        return all((self.output / job.target(side, k)).exists() for side in shards.SIDES) and self._has_sound(job, k)


def _reason(job: Job, error: InputError) -> str:
    text = f"{job.clean}: {error.line()}"
    return ExcludedFile(text) if isinstance(error, _TooLoudPauses) else text


def _audio_path(mel_path: Path) -> Path:
    return Path("audio") / mel_path.with_suffix(".wav")


def _piece(speech: FloatArray, n_samples: int, seed: int) -> FloatArray:
    """A piece of n_samples (0: all) in which speech is heard: the loudest of four drawn places."""
    if n_samples <= 0 or len(speech) <= n_samples:
        return speech
    starts = np.random.default_rng(seed).integers(len(speech) - n_samples + 1, size=4)
    pieces = [speech[start : start + n_samples] for start in starts]
    return max(pieces, key=lambda piece: float(np.square(piece).mean()))
