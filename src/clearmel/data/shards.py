"""Shards: tar files with thousands of mel pairs each. Writes them and indexes their members.

A shard is a plain tar of `<key>.noisy.npy` and `<key>.clean.npy`, in the naming scheme of the WebDataset library. A key
is a name without suffix in which "%" is escaped as "%25" and "." as "%2E", because that library starts the suffix at
the first dot. Other members are ignored.
"""

import io
import os
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from tqdm import tqdm

from clearmel.core.errors import InputError, raise_all, reason
from clearmel.core.file_io import FloatArray, quoted, replacing
from clearmel.core.npy import HEAD, length_of_head, mel_of_bytes
from clearmel.data import tar_index
from clearmel.data.index_cache import MIN_FILES, UNSURE_NS, ArrayCache, Arrays, Ints, NameTable

SIDES = ("noisy", "clean")
MEMBER_TIME = 315532800
"""Time stamp of all members, 1 January 1980, so that equal mels give equal bytes."""


def write(path: Path, pairs: Iterable[tuple[str, FloatArray]]) -> None:
    """Writes a shard.

    Args:
        path: path of the tar.
        pairs: names without suffix, and mels (2, T, M), noisy and clean.
    """
    with replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, mels in pairs:
            for side, mel in zip(SIDES, mels, strict=True):
                content = io.BytesIO()
                np.save(content, np.ascontiguousarray(mel), allow_pickle=False)
                member = tarfile.TarInfo(member_of(name, side))
                member.size, member.mtime, member.mode = content.tell(), MEMBER_TIME, 0o644
                content.seek(0)
                tar.addfile(member, content)


def member_of(name: str, side: str) -> str:
    """Member name of a mel in a shard."""
    return f"{name.replace('%', '%25').replace('.', '%2E')}.{side}.npy"


def names_in(path: Path) -> set[str]:
    """Names of the pairs in a shard.

    Raises:
        InputError: the shard is damaged.
    """
    with path.open("rb") as file:
        members = {member.name for member in tar_index.members(file, path)}
    noisy, clean = (f".{side}.npy" for side in SIDES)
    keys = (member.removesuffix(noisy) for member in members if member.endswith(noisy))
    return {_unescaped(key) for key in keys if key + clean in members}


def in_folder(folder: Path) -> list[Path]:
    """The sorted shards in a folder; none if the folder has noisy/ and clean/."""
    if not folder.is_dir() or all((folder / side).is_dir() for side in SIDES):
        return []
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if entry.name.endswith(".tar") and entry.name[0] != ".")


class Shards:
    """Index of the pairs in a folder of shards, sorted by name and cached like a `file_index.Index`.

    Args:
        folder: folder of shards.
        n_mels: number of mel bands.

    Attributes:
        paths: paths of the shards.
        shard: index of the shard of each pair, (n,).
        frames: frames of each pair, (n,).

    Raises:
        InputError: a shard is damaged, a mel is invalid or has no partner, or a pair differs in length; lists all.
    """

    def __init__(self, folder: Path, n_mels: int) -> None:
        self.paths = in_folder(folder)
        store, scanned_ns = ArrayCache(folder, f"shards, {n_mels} bands"), time.time_ns()
        states = np.array([_state(path) for path in self.paths], np.int64)
        files = NameTable.of(path.name for path in self.paths).block
        found = store.read() or {}
        if not (found and np.array_equal(found["files"], files) and np.array_equal(found["states"], states)):
            found = _listed(self.paths, n_mels, _tables(found))
            if not len(found["order"]):
                raise InputError(f"{quoted(folder)}: its .tar files hold no <key>.noisy.npy and <key>.clean.npy.")
            if len(found["order"]) >= MIN_FILES:
                settled = states[:, 1:] < scanned_ns - UNSURE_NS
                store.write(found | {"files": files, "states": np.where(settled, states, -2)})
        order = found["order"]
        self._names, self._order = NameTable(found["names"]), order
        self.shard, self.frames = found["shard"][order], found["frames"][order]
        self._places = found["places"][order]

    def __len__(self) -> int:
        return len(self.shard)

    def name(self, index: int) -> str:
        """Name of a pair, without suffix."""
        return self._names[int(self._order[index])]

    def place(self, index: int, side: str) -> tuple[int, int]:
        """Offset and size in bytes of a mel in its shard."""
        offset, size = self._places[index, SIDES.index(side)].tolist()
        return offset, size


class _Table(NamedTuple):
    """The pairs of one shard in order: names without suffix, offset and size by side (n, 2, 2), frames (n,)."""

    names: Sequence[str]
    places: Ints
    frames: Ints


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{quoted(path)} cannot be read: {reason(error)}.") from error
    return status.st_size, status.st_mtime_ns


def _tables(cached: Arrays) -> dict[tuple[str, int, int], _Table]:
    """The cached table of each shard, by name, size and time stamp."""
    if not cached:
        return {}
    names, files = NameTable(cached["names"]), NameTable(cached["files"])
    starts = np.searchsorted(cached["shard"], np.arange(len(files) + 1)).tolist()
    return {
        (name, *state): _Table(names[start:stop], cached["places"][start:stop], cached["frames"][start:stop])
        for name, state, start, stop in zip(files, cached["states"].tolist(), starts, starts[1:], strict=False)
    }


def _listed(paths: Sequence[Path], n_mels: int, known: Mapping[tuple[str, int, int], _Table]) -> Arrays:
    """All pairs in the order of the shards, and the indices that sort them by name."""
    tables, problems = list[_Table](), list[str]()
    for path in tqdm(paths, unit="shard", desc="reading headers", leave=False, disable=None):
        try:
            tables.append(known.get((path.name, *_state(path))) or _table(path, n_mels, problems))
        except InputError as error:
            problems.append(error.line())
    raise_all(problems)
    names = [name for table in tables for name in table.names]
    return {
        "names": NameTable.of(names).block,
        "shard": np.repeat(np.arange(len(tables), dtype=np.int32), [len(table.names) for table in tables]),
        "places": np.concatenate([table.places for table in tables]),
        "frames": np.concatenate([table.frames for table in tables]),
        "order": np.array(sorted(range(len(names)), key=names.__getitem__), np.int32),
    }


def _table(path: Path, n_mels: int, problems: list[str]) -> _Table:
    """The pairs of a shard; adds a line to `problems` for each bad one."""
    sides: dict[str, dict[str, tuple[int, int, int]]] = {side: {} for side in SIDES}
    with path.open("rb") as file:
        for member in tar_index.members(file, path):
            side = next((side for side in SIDES if member.name.endswith(f".{side}.npy")), None)
            if side is None:
                continue
            try:
                entry = member.offset, member.size, _frames(file, member, path, n_mels)
            except InputError as error:
                problems.append(error.line())
                entry = member.offset, member.size, -1
            key = member.name.removesuffix(f".{side}.npy")
            if sides[side].setdefault(key, entry) is not entry:
                problems.append(f"{quoted(path)} holds {quoted(member.name)} twice; keep one")
    noisy, clean = sides["noisy"], sides["clean"]
    for side, (own, others) in zip(SIDES, ((noisy, clean), (clean, noisy)), strict=True):
        other = SIDES[1 - SIDES.index(side)]
        problems += [
            f"{quoted(path)}: {quoted(f'{key}.{side}.npy')} has no partner {quoted(f'{key}.{other}.npy')}"
            for key in own
            if key not in others
        ]
    keys = [key for key in noisy if key in clean]
    for key in keys:
        frames = noisy[key][2], clean[key][2]
        if frames[0] != frames[1] and min(frames) >= 0:
            problems.append(
                f"{quoted(path)}: {quoted(f'{key}.noisy.npy')} has {frames[0]} frames, its clean partner {frames[1]}; "
                "expected equal lengths"
            )
    places = np.array([[side[key][:2] for side in (noisy, clean)] for key in keys], np.int64)
    lengths = np.array([noisy[key][2] for key in keys], np.int32)
    return _Table([_unescaped(key) for key in keys], places.reshape(-1, 2, 2), lengths)


def _frames(file: BinaryIO, member: tar_index.Member, path: Path, n_mels: int) -> int:
    file.seek(member.offset)
    found = length_of_head(file.read(min(HEAD, member.size)), member.size, n_mels)
    if found is not None:
        return found
    file.seek(member.offset)
    return len(mel_of_bytes(file.read(member.size), f"{path}:{member.name}", n_mels))


def _unescaped(key: str) -> str:
    return key.replace("%2E", ".").replace("%25", "%")
