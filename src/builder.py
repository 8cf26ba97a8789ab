"""Builds the paired noisy/clean mel dataset from recordings, as planned, in a process pool.

The bytes depend on the plan alone, never on the order or number of workers.
"""

import functools
import json
import signal
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from src import audio, mixing, planning, results
from src.errors import InputError
from src.features import MelFeatures
from src.files import FloatArray, quoted, sweep, write_array, write_text
from src.options import BuildOptions
from src.planning import Job, Pool


class LeftOut(str):
    """Why a clean file was left out as asked, rather than failed."""

    __slots__ = ()


@dataclass(frozen=True)
class Built:
    """What came of it: mixtures by split, and a line for each clean file that was left out or failed."""

    counts: dict[str, int]
    left_out: list[str]
    failed: list[str]


def build(options: BuildOptions, output: Path, workers: int, overwrite: bool) -> Built:
    """Builds `output`/{train,val}/{noisy,clean}/<speaker>/*.npy and `output`/mix.csv.

    Mixtures that an interrupted run has finished are kept.

    Args:
        options: what to build.
        output: the dataset's folder.
        workers: processes.
        overwrite: build over a dataset that other options made.

    Raises:
        InputError: nothing to read, a split would be empty, or `output` holds a dataset of other options.
    """
    pools = planning.split_pools(options, options.seed)
    jobs = [job for split, pool in pools.items() for job in planning.plan(split, pool, options)]
    settings = json.dumps(asdict(options), indent=1)
    stamp, fresh = output / "build.json", True
    if stamp.exists():
        fresh = stamp.read_text(encoding="utf-8", errors="replace") != settings
        if fresh and not overwrite:
            raise InputError(
                f"{quoted(output)} was built with other options (see build.json). "
                "Choose another --output_path, or give --overwrite."
            )
    sweep(output)
    write_text(stamp, settings)
    cook = functools.partial(_cook, pools=pools, options=options, output=output, fresh=fresh and overwrite)
    if workers <= 1:
        unmade = _collect(((job, cook(job)) for job in jobs), len(jobs))
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_work_alone) as executor:
            futures = {executor.submit(cook, job): job for job in jobs}
            try:
                unmade = _collect(((futures[done], done.result()) for done in as_completed(futures)), len(jobs))
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise
    write_text(output / "mix.csv", results.table(planning.rows([job for job in jobs if job.name not in unmade])))
    counts = {split: sum(len(j.recipes) for j in jobs if j.split == split and j.name not in unmade) for split in pools}
    lines = [unmade[name] for name in sorted(unmade)]
    return Built(
        counts,
        [line for line in lines if isinstance(line, LeftOut)],
        [line for line in lines if not isinstance(line, LeftOut)],
    )


def _collect(results: Iterable[tuple[Job, str | None]], n_jobs: int) -> dict[str, str]:
    """Waits for all jobs; gives the reason by name for those that were not made."""
    bar = tqdm(results, total=n_jobs, unit="clip", disable=None)
    return {job.name: reason for job, reason in bar if reason is not None}


def _work_alone() -> None:
    """One thread a process: the pool is the parallelism. Ctrl-C is the parent's to handle."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@functools.lru_cache(maxsize=1024)
def _load(path: str) -> FloatArray:
    return audio.read(path, MelFeatures().sample_rate)[0]


def _cook(job: Job, pools: dict[str, Pool], options: BuildOptions, output: Path, fresh: bool) -> str | None:
    """Makes all mixtures of a clean file; gives the reason if it cannot."""
    pool, features = pools[job.split], MelFeatures()
    targets = [(job.target("noisy", k), job.target("clean", k)) for k in range(len(job.recipes))]
    if not fresh and all(_finished(output, target, options.save_audio) for target in targets):
        return None
    roots = {"noise": pool.noise_root, "clean": pool.clean_root}

    def load(name: str) -> FloatArray:
        side, relative = name.split("/", 1)
        return _load(str(Path(roots[side], relative)))

    try:
        speech, _ = audio.read(Path(pool.clean_root, job.clean), features.sample_rate)
        found = mixing.dynamic_range_db(speech, features.sample_rate)
        if found < options.min_range_db:
            return LeftOut(f"{job.clean}: its pauses lie only {found:.0f} dB below its speech")
        for recipe, (noisy_path, clean_path) in zip(job.recipes, targets, strict=True):
            piece = _piece(speech, int(options.clip_s * features.sample_rate), recipe.seed)
            noisy, clean = mixing.mix(piece, recipe, load, features.sample_rate)
            mels = features.mel(torch.from_numpy(np.stack([noisy, clean]))).numpy()  # (2, T, M)
            # The clean side last: its presence says that the pair is whole.
            for wave, mel, path in ((noisy, mels[0], noisy_path), (clean, mels[1], clean_path)):
                if options.save_audio:
                    audio.write(output / _audio_path(path), wave, features.sample_rate)
                write_array(output / path, np.ascontiguousarray(mel))
    except InputError as error:
        return f"{job.clean}: {error.line()}"
    return None


def _audio_path(mel_path: Path) -> Path:
    return Path("audio") / mel_path.with_suffix(".wav")


def _finished(output: Path, targets: tuple[Path, Path], with_audio: bool) -> bool:
    wanted = [output / path for path in targets]
    wanted += [output / _audio_path(path) for path in targets] if with_audio else []
    return all(path.exists() for path in wanted)


def _piece(speech: FloatArray, n_samples: int, seed: int) -> FloatArray:
    """A piece of n_samples (0: all) in which speech is heard: the loudest of four drawn places."""
    if n_samples <= 0 or len(speech) <= n_samples:
        return speech
    starts = np.random.default_rng(seed).integers(len(speech) - n_samples + 1, size=4)
    pieces = [speech[start : start + n_samples] for start in starts]
    return max(pieces, key=lambda piece: float(np.square(piece).mean()))
