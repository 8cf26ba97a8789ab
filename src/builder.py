"""Builds the paired noisy/clean mel dataset from recordings: plans every mixture, then cooks them in a process pool.

The plan depends only on the seed, the options and the names of the files, never on the order or number of workers.
"""

import functools
import json
import signal
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from src import audio, mixing, results
from src.errors import InputError
from src.features import MelFeatures
from src.files import FloatArray, list_files, quoted, write_array, write_text
from src.options import BuildOptions


@dataclass(frozen=True)
class Pool:
    """The recordings of one split; names are relative to the roots."""

    clean_root: str
    noise_root: str
    clean: tuple[str, ...]
    noise: tuple[str, ...]


class LeftOut(str):
    """Why a clean file was left out as asked, rather than failed."""

    __slots__ = ()


@dataclass(frozen=True)
class Job:
    """All mixtures of one clean file."""

    split: str
    clean: str
    recipes: tuple[mixing.Recipe, ...]

    @property
    def name(self) -> str:
        """Unique over the splits."""
        return f"{self.split}/{self.clean}"

    def target(self, side: str, index: int) -> Path:
        """Path of one mixture's mel below the output folder."""
        relative = Path(self.clean)
        speaker = relative.parent if relative.parent != Path() else Path("unknown")
        # The suffix stays in the name where a.wav and a.flac lie side by side.
        stem = f"{relative.stem}_{relative.suffix[1:].lower()}_{index}"
        return Path(self.split) / side / speaker / f"{stem}.npy"


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
    pools = split_pools(options)
    jobs = [job for split, pool in pools.items() for job in plan(split, pool, options)]
    settings = json.dumps(asdict(options), indent=1)
    stamp, fresh = output / "build.json", True
    if stamp.exists():
        fresh = stamp.read_text(encoding="utf-8") != settings
        if fresh and not overwrite:
            raise InputError(
                f"{quoted(output)} was built with other options (see build.json). "
                "Choose another --output_path, or give --overwrite."
            )
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
    write_text(output / "mix.csv", results.table(_rows([job for job in jobs if job.name not in unmade])))
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


def split_pools(options: BuildOptions) -> dict[str, Pool]:
    """Clean and noise files by split. A speaker, and a noise source, is in one split only."""
    clean, noise = _listed(options.clean_path), _listed(options.noise_path)
    held_clean, held_noise = _listed(options.val_clean_path), _listed(options.val_noise_path)
    train_clean, val_clean = (
        (clean, held_clean)
        if options.val_clean_path
        else _held_out(clean, options.val_speakers, options, "--val_speakers")
    )
    train_noise, val_noise = (
        (noise, held_noise) if options.val_noise_path else _held_out(noise, options.val_noises, options, "--val_noises")
    )
    pools = {"train": Pool(options.clean_path, options.noise_path, train_clean, train_noise)}
    if val_clean and val_noise:
        roots = options.val_clean_path or options.clean_path, options.val_noise_path or options.noise_path
        pools["val"] = Pool(*roots, val_clean, val_noise)
    return pools


def _listed(folder: str | None) -> tuple[str, ...]:
    return () if folder is None else tuple(path.as_posix() for path in list_files(folder, audio.SUFFIXES))


def _held_out(
    names: tuple[str, ...], asked: Sequence[str], options: BuildOptions, flag: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Splits names by group: the first sub-folder, or the file itself where it lies at the root."""
    other = {"--val_speakers": "--val_clean_path", "--val_noises": "--val_noise_path"}[flag]
    group = {name: name.split("/")[0] if "/" in name else Path(name).stem for name in names}
    groups = sorted(set(group.values()))
    unknown = sorted(set(asked) - set(groups))
    if unknown:
        raise InputError(f"{flag}: no {', '.join(unknown)}; expected some of {', '.join(groups[:12])}")
    chosen = set(asked)
    if not asked and options.val_fraction > 0:
        if len(groups) < 2:
            raise InputError(
                f"{quoted(names[0])}: a single speaker or noise cannot be split into train and val. "
                f"Add sub-folders or files, give {other} with other ones, or --val_fraction 0."
            )
        wanted = min(len(groups) - 1, max(1, round(options.val_fraction * len(groups))))
        chosen = set(np.random.default_rng(options.seed).permutation(groups)[:wanted].tolist())
    if chosen >= set(groups):
        raise InputError(f"{flag} takes all of {', '.join(groups[:12])}; nothing is left to train on.")
    return tuple(n for n in names if group[n] not in chosen), tuple(n for n in names if group[n] in chosen)


def plan(split: str, pool: Pool, options: BuildOptions) -> list[Job]:
    """Draws every recipe of a split; each clean file has its own generator."""
    count = options.n_mixtures if split == "train" else options.val_mixtures or options.n_mixtures
    jobs = []
    for name in pool.clean:
        rng = np.random.default_rng([options.seed, zlib.crc32(f"{split}/{name}".encode())])
        recipes = tuple(_draw(rng, split, pool, options) for _ in range(count * _n_pieces(pool, name, options)))
        jobs.append(Job(split, name, recipes))
    return jobs


def _n_pieces(pool: Pool, name: str, options: BuildOptions) -> int:
    """How many lengths of --clip_s a clip holds: long recordings give their share of the mixtures."""
    if not options.clip_s:
        return 1
    try:
        info = audio.inspect(Path(pool.clean_root, name))
    except InputError:  # told when it is cooked
        return 1
    return max(1, round(info.n_samples / info.sample_rate / options.clip_s))


def _draw(rng: np.random.Generator, split: str, pool: Pool, options: BuildOptions) -> mixing.Recipe:
    augment = rng.random() < (options.augment if split == "train" else 0.0)
    noises = [f"noise/{rng.choice(pool.noise)}"]
    kind = rng.random() if augment else 1.0
    if kind < 0.08:
        noises = ["coloured"]
    elif kind < 0.16:
        noises = [f"clean/{name}" for name in rng.choice(pool.clean, size=8)]
    elif kind < 0.4:
        noises.append("coloured" if rng.random() < 0.3 else f"noise/{rng.choice(pool.noise)}")
    recipe = mixing.Recipe(
        noises=tuple(noises),
        snr_db=round(rng.uniform(options.snr_min, options.snr_max), 2),
        seed=int(rng.integers(2**31)),
        noise_tilt_db=round(rng.uniform(-12.0, 12.0), 2) if augment and rng.random() < 0.6 else None,
        chain=mixing.draw_chain(rng, augment, options.reverb),
    )
    # A clean recording has a floor of its own, below the noise that the mixtures are made with.
    if split == "train" and options.floor > 0 and rng.random() < options.floor:
        chain = replace(recipe.chain, floor_db=round(rng.uniform(26.0, 50.0), 2))
        recipe = replace(recipe, chain=chain)
    return recipe


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


def _rows(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    return [
        {"split": job.split, "name": job.target("noisy", k).relative_to(Path(job.split, "noisy")).as_posix()}
        | {"clean": job.clean}
        | mixing.describe(recipe)
        for job in jobs
        for k, recipe in enumerate(job.recipes)
    ]
