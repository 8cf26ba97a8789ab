"""The index of a dataset: kept, refreshed, never wrong; and the order of the batches that follows from it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from clearmel.audio.features import MelFeatures
from clearmel.core.errors import InputError
from clearmel.core.file_io import list_files
from clearmel.core.npy import mel_length, open_mel
from clearmel.data.batching import BucketSampler
from clearmel.data.file_index import Index
from clearmel.data.index_cache import MIN_FILES
from clearmel.data.labels import SUFFIXES, of_folder, of_sides
from clearmel.data.mel_datasets import LabelledMels, PairedMels

FEATURES = MelFeatures()
LONG_AGO = 1_000_000_000.0


def write(path: Path, n_frames: int, stamp: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros((n_frames, 80), np.float32))
    if stamp:
        os.utime(path, (stamp, stamp))


def settle(folder: Path) -> None:
    """What a second look at a dataset finds: files that have not been touched for a while."""
    for path in folder.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def many(workplace: Path) -> Path:
    """Enough pairs for an index to be kept, of 5 to 20 frames."""
    root = workplace / "d"
    for side in ("noisy", "clean"):
        for number in range(MIN_FILES):
            target = root / side / f"s{number % 3}" / f"{number}.npy"
            if number < 16:
                write(target, 5 + number)
            else:
                target.hardlink_to(root / side / f"s{number % 16 % 3}" / f"{number % 16}.npy")
    settle(root)
    return root


def pairs(root: Path) -> PairedMels:
    return PairedMels(root / "noisy", root / "clean", FEATURES)


def lengths(data: PairedMels) -> dict[str, int]:
    """By name, from the index."""
    return {data.pair(k)[0].as_posix(): int(data.lengths[k]) for k in range(len(data))}


def true_lengths(root: Path) -> dict[str, int]:
    return {p.relative_to(root / "noisy").as_posix(): len(np.load(p)) for p in (root / "noisy").rglob("*.npy")}


def index_files(root: Path) -> list[Path]:
    return sorted(root.rglob(".clearmel-index-*"))


def test_a_second_start_reads_no_header(many: Path) -> None:
    first = pairs(many)
    assert [path.name for path in index_files(many)] == [
        ".clearmel-index-clean.npz", ".clearmel-index-noisy.npz",
    ]  # fmt: skip
    index, read = Index(many / "noisy", SUFFIXES), list[str]()

    def measure(path: str) -> int:
        read.append(path)
        return 1

    found, problems = index.frames(str(FEATURES), measure)
    assert not read
    assert not problems
    assert dict(zip(index.names, found.tolist(), strict=True)) == lengths(first) == true_lengths(many)
    assert index.frames("other features", measure)[0].tolist() == [1] * MIN_FILES
    assert len(read) == MIN_FILES


def test_items_and_their_order_are_those_of_a_plain_listing(many: Path) -> None:
    for _ in range(2):
        data = pairs(many)
        stems = sorted(p.with_suffix("").as_posix() for p in list_files(many / "noisy", SUFFIXES))
        assert [data.pair(k)[0].with_suffix("").as_posix() for k in range(len(data))] == stems
        labelled = LabelledMels(of_sides(many / "noisy", many / "clean"), FEATURES)
        wanted = [Path(side, name) for side in ("noisy", "clean") for name in list_files(many / side, SUFFIXES)]
        assert list(labelled.listing.names) == wanted
        assert labelled.lengths.tolist() == [len(np.load(many / name)) for name in wanted]
        assert labelled[1500].name == wanted[1500].as_posix()


def test_odd_names_come_in_the_order_of_paths(workplace: Path) -> None:
    names = ["a/b.npy", "a-b/c.npy", "a.b/c.npy", "a.npy", "a-1.npy", "é/ü.npy", "new\nline.npy", "z/𝄞.npy", "z/￰.npy"]
    names += ["x..npy", "UP.NPY", ".hidden.npy", "deep/.in/x.npy"]
    for name in [*names, os.fsdecode(b"bytes\xff.npy")]:
        write(workplace / "d" / name, 3)
    index = Index("d", SUFFIXES)
    assert [Path(name) for name in index.names] == list_files("d", SUFFIXES)
    assert [index.names[k] for k in range(len(index))] == list(index.names)
    stems = [Path(name).with_suffix("").as_posix() for name in index.names]
    assert [stems[k] for k in index.by_stem] == sorted(stems)


def add(root: Path) -> None:
    for side in ("noisy", "clean"):
        write(root / side / "s1/new.npy", 33, LONG_AGO)
        write(root / side / "new folder/deep/x.npy", 34, LONG_AGO)


def delete(root: Path) -> None:
    for side in ("noisy", "clean"):
        (root / side / "s0/0.npy").unlink()
        shutil.rmtree(root / side / "s2")


def rewrite_in_place(root: Path) -> None:
    """All hard links of a file, too."""
    for side in ("noisy", "clean"):
        write(root / side / "s1/1.npy", 77)


def rename_over(root: Path) -> None:
    for side in ("noisy", "clean"):
        write(root / "made.npy", 78, LONG_AGO)
        (root / "made.npy").replace(root / side / "s1/1.npy")


def same_size_in_place(root: Path) -> None:
    """The bytes are as many, the frames half as many."""
    for side in ("noisy", "clean"):
        path = root / side / "s1/1.npy"
        path.unlink()
        write(path, 8, LONG_AGO)
    settle(root)
    pairs(root)
    for side in ("noisy", "clean"):
        with (root / side / "s1/1.npy").open("r+b") as file:
            np.save(file, np.zeros((4, 80), np.float64))


def rename(root: Path) -> None:
    for side in ("noisy", "clean"):
        (root / side / "s1").rename(root / side / "renamed")


def swap(root: Path) -> None:
    """Two files change their names; each name's size and stamp is that of another file now."""
    for side in ("noisy", "clean"):
        a, b = root / side / "s1/1.npy", root / side / "s2/2.npy"
        a.rename(root / "c.npy")
        b.rename(a)
        (root / "c.npy").rename(b)


@pytest.mark.parametrize(
    "change", [add, delete, rewrite_in_place, rename_over, same_size_in_place, rename, swap], ids=lambda f: f.__name__
)
def test_every_change_of_the_files_is_noticed(change, many: Path) -> None:  # type: ignore[no-untyped-def]
    before = lengths(pairs(many))
    change(many)
    after = lengths(pairs(many))
    assert after == true_lengths(many)
    assert after != before
    assert lengths(pairs(many)) == after


def test_a_change_within_the_grain_of_the_clock_is_noticed(workplace: Path) -> None:
    """A file that is as young as its index is not trusted, whatever its stamp and size say the next time."""
    for number in range(MIN_FILES):
        write(workplace / f"d/{number}.npy", 8)
    index = Index("d", SUFFIXES)
    assert set(index.frames("x", mel_length)[0]) == {8}
    path = workplace / "d/5.npy"
    status = path.stat()
    with path.open("r+b") as file:
        np.save(file, np.zeros((4, 80), np.float64))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    again = Index("d", SUFFIXES)
    frames = dict(zip(again.names, again.frames("x", mel_length)[0].tolist(), strict=True))
    assert frames.pop("5.npy") == 4
    assert set(frames.values()) == {8}


@pytest.mark.parametrize("content", [b"", b"PK not a zip", "half", "flipped", "other", "pickled"])
def test_a_damaged_or_foreign_index_is_made_anew(content: bytes | str, many: Path) -> None:
    wanted = lengths(pairs(many))
    for path in index_files(many):
        whole = path.read_bytes()
        if content == "other":
            np.savez(path, key=np.array("of another program"), frames=np.zeros(3))
        elif content == "pickled":
            np.savez(path, key=np.array({"a": 1}, dtype=object))
        else:
            flipped = whole.replace(whole[2000:2100], bytes(100), 1)
            path.write_bytes({"half": whole[: len(whole) // 2], "flipped": flipped}.get(str(content), content))  # type: ignore[arg-type]
    assert lengths(pairs(many)) == wanted
    index = Index(many / "noisy", SUFFIXES)
    assert index.frames(str(FEATURES), lambda path: -5)[0].min() == 5  # it is kept again


def test_the_index_of_another_dataset_does_no_harm(many: Path) -> None:
    pairs(many)
    for side in ("noisy", "clean"):
        for number in range(MIN_FILES):
            write(many.parent / "e" / side / f"s{number % 3}" / f"{number}.npy", 30, LONG_AGO)
    for path in index_files(many):
        shutil.copy(path, many.parent / "e" / path.name)
    assert set(lengths(pairs(many.parent / "e")).values()) == {30}


def test_a_small_dataset_gets_no_hidden_file(tree: Path) -> None:
    pairs(tree / "train")
    assert not index_files(tree)


def test_where_the_place_beside_cannot_be_written_the_users_cache_serves(
    many: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in ("noisy", "clean"):  # a folder of its name: nobody, root neither, can write there
        (many / f".clearmel-index-{side}.npz").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(workplace / "cache"))
    wanted = lengths(pairs(many))
    assert len(list((workplace / "cache/clearmel").glob("index-*.npz"))) == 2
    assert Index(many / "noisy", SUFFIXES).frames(str(FEATURES), lambda path: -5)[0].min() == 5
    (workplace / "file").write_text("x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(workplace / "file"))
    assert lengths(pairs(many)) == wanted


def test_bad_files_are_told_at_every_start(many: Path) -> None:
    pairs(many)
    (many / "noisy/s1/1.npy").unlink()
    write(many / "noisy/s1/1.npy", 3)
    (many / "clean/s2/2.npy").unlink()
    (many / "clean/s2/2.npy").write_bytes(b"no mel")
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            pairs(many)
        assert "1.npy has 3 frames, its clean partner 6; expected equal lengths" in caught.value.line()
        assert "2.npy is not a readable .npy array" in caught.value.line()


def test_all_missing_partners_are_counted(many: Path) -> None:
    for number in range(3, MIN_FILES):
        (many / "clean" / f"s{number % 3}" / f"{number}.npy").unlink()
    with pytest.raises(InputError, match=f"has no partner in .* and {MIN_FILES - 3 - 5} more"):
        pairs(many)


def test_two_files_of_one_name_are_told(many: Path) -> None:
    shutil.copy(many / "noisy/s1/1.npy", many / "noisy/s1/1.wav")
    for _ in range(2):
        with pytest.raises(InputError, match=r"s1/1.wav and .*s1/1.npy share one name; keep one"):
            pairs(many)


def test_folds_of_class_folders_are_those_of_a_plain_listing(many: Path) -> None:
    listing = of_folder(many / "noisy")
    assert listing.labels == ["s0", "s1", "s2"]
    chosen = listing.only([name.stem.endswith("7") for name in listing.names])
    wanted = [p for p in list_files(many / "noisy", SUFFIXES) if p.stem.endswith("7")]
    assert list(chosen.names) == wanted
    data = LabelledMels(chosen, FEATURES)
    assert data.lengths.tolist() == [len(np.load(many / "noisy" / name)) for name in wanted]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_lengths_by_header_are_those_of_the_arrays(dtype: str, order: str, workplace: Path) -> None:
    np.save("m.npy", np.zeros((17, 80), dtype, order=order))  # type: ignore[call-overload]
    assert mel_length("m.npy") == len(open_mel("m.npy")) == 17
    whole = Path("m.npy").read_bytes()
    for size in (0, 5, 60, 128, len(whole) - 1):
        Path("m.npy").write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"m.npy is not a readable .npy array"):
            mel_length("m.npy")


def plain_batches(lengths: list[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The order of the batches, as the runs of all versions have drawn it."""
    rng = np.random.default_rng([seed, epoch])
    order, pool = rng.permutation(len(lengths)), batch_size * 64
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool].tolist(), key=lengths.__getitem__)
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


@pytest.mark.parametrize(("count", "batch_size"), [(1, 4), (63, 4), (5000, 7), (20000, 32)])
def test_the_order_of_the_batches_never_changes(count: int, batch_size: int, rng: np.random.Generator) -> None:
    lengths = rng.integers(10, 60, count).tolist()
    for given in (lengths, np.array(lengths, np.int32)):
        sampler = BucketSampler(given, batch_size, shuffle=True, seed=3)
        for sampler.epoch in (0, 2):
            assert sampler.batches() == plain_batches(lengths, batch_size, 3, sampler.epoch)
        longest = sorted(range(count), key=lambda k: -lengths[k])
        unshuffled = BucketSampler(given, batch_size, shuffle=False).batches()
        assert unshuffled == [longest[i : i + batch_size] for i in range(0, count, batch_size)]
