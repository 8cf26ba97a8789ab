"""Builds the paired noisy/clean mel dataset from recordings by a plan, in a process pool.

The bytes of files and shards depend on the plan alone, never on the number of workers or their order.
"""

import json
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from clearmel.core import temp_files
from clearmel.core.errors import InputError
from clearmel.core.file_io import claiming, quoted, write_text
from clearmel.data.splits import split_pools
from clearmel.options import BuildOptions
from clearmel.prepare import plan
from clearmel.prepare.worker import ExcludedFile, PortionWriter, portions_of
from clearmel.reporting import tables


@dataclass(frozen=True)
class BuildResult:
    """Result of a build: mixtures per split, and a line for each clean file that was excluded or failed."""

    counts: dict[str, int]
    left_out: list[str]
    failed: list[str]


def build(options: BuildOptions, output: Path, workers: int, overwrite: bool) -> BuildResult:
    """Builds `output`/{train,val}/{noisy,clean}/<speaker>/*.npy, or shards of the same mels, and `output`/mix.csv.

    A run resumes an interrupted one: finished files or shards are not built again.

    Args:
        options: options of the dataset.
        output: the dataset's folder.
        workers: number of processes.
        overwrite: replace a dataset that was built with other options.

    Raises:
        InputError: there are no recordings, a split is empty, `output` holds a dataset of other options, or another run
            is building it.
    """
    with claiming(output / "build.json"):
        temp_files.sweep(output, deep=True)
        return _build(options, output, workers, overwrite)


def _build(options: BuildOptions, output: Path, workers: int, overwrite: bool) -> BuildResult:
    pools = split_pools(options, options.seed)
    jobs = [job for split, pool in pools.items() for job in plan.draw_jobs(split, pool, options)]
    settings = json.dumps({k: v for k, v in asdict(options).items() if v or k != "shard_items"}, indent=1)
    stamp, fresh = output / "build.json", True
    if stamp.exists():
        fresh = stamp.read_text(encoding="utf-8", errors="replace") != settings
        if fresh and not overwrite:
            raise InputError(
                f"{quoted(output)} was built with other options (see build.json). "
                "Choose another --output_path, or give --overwrite."
            )
    _clear(output, list(pools), options.shard_items > 0, fresh and overwrite)
    write_text(stamp, settings)
    write_portion = PortionWriter(pools, options, output, fresh and overwrite)
    portions = portions_of(jobs, options.shard_items)
    unit = "shard" if options.shard_items else "clip"
    if workers <= 1:
        failures = _collect(map(write_portion, portions), len(portions), unit)
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_initialise_worker) as executor:
            futures = [executor.submit(write_portion, portion) for portion in portions]
            try:
                failures = _collect((done.result() for done in as_completed(futures)), len(portions), unit)
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise
    write_text(output / "mix.csv", tables.csv_table(plan.rows([job for job in jobs if job.name not in failures])))
    counts = {
        split: sum(len(j.recipes) for j in jobs if j.split == split and j.name not in failures) for split in pools
    }
    lines = [failures[name] for name in sorted(failures)]
    return BuildResult(
        counts,
        [line for line in lines if isinstance(line, ExcludedFile)],
        [line for line in lines if not isinstance(line, ExcludedFile)],
    )


def _clear(output: Path, splits: Sequence[str], sharded: bool, overwrite: bool) -> None:
    """Removes the files of an overwritten build, and refuses to mix files and shards in one split."""
    if overwrite:  # before build.json: an interrupted run would accept the old files as its own
        for root in (output, output / "audio"):
            for side in ("train/noisy", "train/clean", "val/noisy", "val/clean"):
                for path in (root / side).rglob("*.npy" if root == output else "*.wav"):
                    path.unlink()
    for split in splits:
        if sharded and (output / split / "noisy").exists():
            raise InputError(
                f"{quoted(output / split)} holds noisy/ and clean/ of a build without --shard_items. "
                "Choose another --output_path, or remove them."
            )
        for path in (output / split).glob("shard-*.tar") if overwrite else ():
            path.unlink()


def _collect(results: Iterable[dict[str, str]], n_portions: int, unit: str) -> dict[str, str]:
    """Waits for all portions; returns the reasons for the clean files that failed, by name."""
    failures: dict[str, str] = {}
    for reasons in tqdm(results, total=n_portions, unit=unit, disable=None):
        failures |= reasons
    return failures


def _initialise_worker() -> None:
    """Limits a worker to one thread, and leaves Ctrl-C to the parent process."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
