"""Shards: the bytes of the files in tars, read as the files are, near each other, and refused when damaged."""

import csv
import hashlib
import io
import itertools
import json
import os
import pickle
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core.errors import InputError
from clearmel.data import shards
from clearmel.data.batching import BucketSampler, Shares, collate
from clearmel.data.index_cache import MIN_FILES
from clearmel.data.labels import of_sides
from clearmel.data.mel_datasets import LabelledMels, PairedMels
from clearmel.data.shard_datasets import ShardedPairs, ShardedSides
from clearmel.networks import Network
from clearmel.options import FitOptions
from clearmel.options.source import Source
from clearmel.tasks import TASKS
from clearmel.training import trainer
from tests.conftest import ROOT, refused, run_script
from tests.prepare.test_noisy_speech import bytes_of

FEATURES = MelFeatures()
BUILD = ("--clean_path", ROOT / "data/speech", "--noise_path", ROOT / "data/noise", "--val_speakers", "ru",
         "--val_noises", "val_market,val_harbour,val_jungle", "--n_mixtures", 2)  # fmt: skip
N = 10


def build(output: object, *flags: object) -> None:
    ran = run_script("build_dataset", *BUILD, "--workers", 1, "--output_path", output, *flags)
    assert ran.status == 0, ran


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `built` holds, in shards of 10. Read only."""
    output = tmp_path_factory.mktemp("packed")
    build(output, "--shard_items", N)
    return output


@pytest.fixture
def tars(tree: Path) -> Path:
    """What `tree` holds in shards of 2, below `tree`.parent."""
    root = tree.parent / "tars"
    for split in ("train", "val"):
        clean = tree / split / "clean"
        names = sorted(path.relative_to(clean).as_posix()[:-4] for path in clean.rglob("*.npy"))
        for number, start in enumerate(range(0, len(names), 2)):
            mels = {
                name: np.stack([np.load(tree / split / side / f"{name}.npy") for side in shards.SIDES])
                for name in names[start : start + 2]
            }
            shards.write(root / split / f"shard-{number:06}.tar", mels.items())
    return root


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_shards_hold_the_bytes_of_the_files(packed: Path, built: Path) -> None:
    for split, counts in (("train", [10, 10, 10, 6]), ("val", [10, 2])):
        paths = sorted((packed / split).iterdir())
        assert [path.name for path in paths] == [f"shard-{number:06}.tar" for number in range(len(counts))]
        held = [members(path) for path in paths]
        assert [len(one) // 2 for one in held] == counts
        for name, content in itertools.chain.from_iterable(one.items() for one in held):
            key, side, suffix = name.split(".")  # no other dots, or WebDataset would cut the key there
            assert content == (built / split / side / f"{key}.{suffix}").read_bytes()
    assert (packed / "mix.csv").read_bytes() == (built / "mix.csv").read_bytes()
    assert "shard_items" not in json.loads((built / "build.json").read_text())


def test_the_bytes_of_shards_follow_from_the_seed_alone(packed: Path, workplace: Path) -> None:
    before = bytes_of(packed)
    build("two", "--shard_items", N, "--workers", 2)
    assert bytes_of(workplace / "two") == before
    with tarfile.open("two/train/shard-000000.tar") as tar:
        kinds = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode, m.type) for m in tar}
    assert kinds == {(315532800, 0, 0, "", "", 0o644, tarfile.REGTYPE)}


def test_a_build_that_was_stopped_makes_what_is_missing_and_no_more(packed: Path, workplace: Path) -> None:
    build("d", "--shard_items", N)
    kept, gone, torn = (Path(f"d/train/shard-00000{number}.tar") for number in (0, 1, 2))
    os.utime(kept, (1e9, 1e9))
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:5000])
    build("d", "--shard_items", N)
    assert bytes_of(workplace / "d") == bytes_of(packed)
    assert kept.stat().st_mtime == 1e9


def test_clean_files_that_fail_are_missing_in_their_shard_until_they_can_be_read(workplace: Path) -> None:
    good = ROOT / "data/speech/en/vm-sorry.flac"
    for speaker in ("a", "b", "c.d"):
        for name in ("x", "y"):
            Path("clean", speaker).mkdir(parents=True, exist_ok=True)
            Path("clean", speaker, f"{name}.flac").write_bytes(good.read_bytes())
    broken = Path("clean/c.d/y.flac")
    broken.write_bytes(b"no sound")
    flags = ("--clean_path", "clean", "--val_fraction", 0, "--shard_items", 4, "--val_speakers", "", "--val_noises", "")
    for _ in range(2):
        ran = run_script("build_dataset", *BUILD, "--workers", 1, "--output_path", "d", *flags)
        assert ran.status == 1
        assert "c.d/y.flac" in ran.err
        counts = [len(members(path)) // 2 for path in sorted(Path("d/train").iterdir())]
        assert counts == [4, 4, 2]
        assert len(list(csv.DictReader(Path("d/mix.csv").read_text().splitlines()))) == 10
    broken.write_bytes(good.read_bytes())
    build("d", *flags)
    last = members(Path("d/train/shard-000002.tar"))
    assert len(last) // 2 == 4
    assert "c%2Ed/y_flac_1.clean.npy" in last
    data = ShardedPairs(Path("d/train"), FEATURES)
    names = {f"{row['name']}" for row in csv.DictReader(Path("d/mix.csv").read_text().splitlines())}
    assert {data[k].name for k in range(len(data))} == names


def test_files_and_shards_are_not_mixed_up(workplace: Path) -> None:
    flags = [*BUILD, "--workers", 1, "--output_path", "d"]
    build("d")
    refused(run_script("build_dataset", *flags, "--shard_items", 5), "built with other options")
    refused(run_script("build_dataset", *flags, "--shard_items", 5, "--overwrite"), "d/train holds noisy/ and clean/")
    build("e", "--shard_items", 5)
    build("e", "--shard_items", 30, "--overwrite")
    assert len(list(Path("e/train").iterdir())) == 2
    build("e", "--overwrite")
    assert sorted(path.name for path in Path("e/train").iterdir()) == ["clean", "noisy"]
    refused(run_script("build_dataset", *flags, "--shard_items", -1), "--shard_items -1; expected 0 or more")


def test_pairs_are_those_of_the_files(packed: Path, built: Path) -> None:
    wanted = PairedMels(built / "train/noisy", built / "train/clean", FEATURES)
    found = ShardedPairs(packed / "train", FEATURES)
    assert found.lengths.tolist() == wanted.lengths.tolist()
    assert sorted(set(found.groups.tolist())) == [0, 1, 2, 3]
    for ours, theirs in zip(map(found.__getitem__, range(36)), map(wanted.__getitem__, range(36)), strict=True):
        assert ours.name == theirs.name
        assert all(torch.equal(ours.mels[side], theirs.mels[side]) for side in shards.SIDES)


def test_labelled_mels_are_those_of_the_files(packed: Path, built: Path) -> None:
    wanted = LabelledMels(of_sides(built / "val/noisy", built / "val/clean"), FEATURES)
    found = ShardedSides(packed / "val", FEATURES)
    assert found.lengths.tolist() == wanted.lengths.tolist()
    for ours, theirs in zip(map(found.__getitem__, range(24)), map(wanted.__getitem__, range(24)), strict=True):
        assert (ours.name, ours.label) == (theirs.name, theirs.label)
        assert torch.equal(ours.mels["mel"], theirs.mels["mel"])


@pytest.mark.parametrize("how", ["forked", "pickled"])
def test_workers_read_the_same(how: str, packed: Path) -> None:
    data = ShardedPairs(packed / "train", FEATURES)
    data[0]
    if how == "pickled":
        copy = pickle.loads(pickle.dumps(data))
        assert all(torch.equal(copy[k].mels["noisy"], data[k].mels["noisy"]) for k in range(36))
        return
    batches = BucketSampler(data.lengths, 5, True, groups=data.groups).batches()
    loader = DataLoader(data, batch_sampler=Shares(batches, 0, 1), collate_fn=collate, num_workers=2)
    for batch, numbers in zip(loader, batches, strict=True):
        assert torch.equal(batch.mels["noisy"], collate([data[k] for k in numbers]).mels["noisy"])


@pytest.mark.parametrize(("n_shards", "items", "batch_size"), [(40, 500, 4), (23, 130, 32), (3, 50, 8), (200, 3, 16)])
def test_an_epoch_goes_from_shard_to_shard(
    n_shards: int, items: int, batch_size: int, rng: np.random.Generator
) -> None:
    groups = rng.permutation(np.repeat(np.arange(n_shards), items))
    lengths = rng.integers(10, 500, len(groups))
    sampler = BucketSampler(lengths, batch_size, shuffle=True, seed=1, groups=groups)
    batches = sampler.batches()
    assert len(batches) == len(sampler)
    assert sorted(itertools.chain.from_iterable(batches)) == list(range(len(groups)))
    assert sum(len(batch) < batch_size for batch in batches) <= 1
    # All of a shard is read within three windows' time: the rest of the epoch does not touch it.
    window = BucketSampler.WINDOW * items / batch_size
    places: dict[int, list[int]] = {}
    for place, batch in enumerate(batches):
        for item in batch:
            places.setdefault(int(groups[item]), []).append(place)
    assert max(max(own) - min(own) for own in places.values()) <= 3 * window + 1
    assert batches == BucketSampler(lengths, batch_size, shuffle=True, seed=1, groups=groups).batches()
    sampler.epoch = 1
    assert batches != sampler.batches()
    if n_shards > BucketSampler.WINDOW:
        first = [int(groups[item]) for item in sampler.batches()[0]]
        assert set(first) != {int(groups[item]) for item in batches[0]}  # the shards come in another order
    if items >= 130:  # long enough windows: batches of like length
        spread = [np.ptp(lengths[batch]) for batch in batches]
        assert np.median(spread) < 100
    unshuffled = BucketSampler(lengths, batch_size, shuffle=False, groups=groups).batches()
    assert sorted(itertools.chain.from_iterable(unshuffled)) == list(range(len(groups)))
    if n_shards <= BucketSampler.WINDOW:
        assert unshuffled == BucketSampler(lengths, batch_size, shuffle=False).batches()


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_the_batches_of_shards(world: int, rng: np.random.Generator) -> None:
    groups, lengths = np.repeat(np.arange(9), 31), rng.integers(5, 50, 279)
    batches = BucketSampler(lengths, 8, True, 2, groups).batches()
    shares = [list(Shares(batches, rank, world, start=3)) for rank in range(world)]
    for batch, *own in zip(batches[3:], *shares, strict=True):
        assert set(batch) == set(itertools.chain.from_iterable(own))


SIZES = {"hidden_dim": 12, "num_layers": 2, "dropout": 0.3}
OPTIONS = FitOptions(epochs=3, batch_size=2, device="cpu")


@pytest.mark.parametrize("name", ["denoising", "classification"])
def test_training_on_shards_learns_and_resumes_bit_for_bit(name: str, tars: Path) -> None:
    def fit(epochs: int, out: str, resume: bool = False) -> list[dict[str, float]]:
        task = TASKS[name](Source(str(tars)), sizes=dict(SIZES))
        return trainer.fit(task, replace(OPTIONS, epochs=epochs, resume=resume), Path(out))

    straight = fit(3, "a.pth")
    fit(1, "b.pth")
    assert fit(3, "b.pth", resume=True) == straight
    wanted, found = (weights_file.load_dict(f"{stem}.resume.pth")["network"] for stem in "ab")
    assert all(torch.equal(wanted[key], found[key]) for key in wanted if key != "_extra_state")
    assert straight[-1]["train_loss"] < straight[0]["train_loss"]


def test_a_run_on_files_does_not_go_on_with_shards_nor_the_other_way(tars: Path, tree: Path) -> None:
    for first, then, words in ((tree, tars, r"shards None \(now 3\)"), (tars, tree, r"shards 3 \(now None\)")):
        trainer.fit(TASKS["denoising"](Source(str(first)), sizes=dict(SIZES)), OPTIONS, Path("m.pth"))
        task = TASKS["denoising"](Source(str(then)), sizes=dict(SIZES))
        with pytest.raises(InputError, match=words):
            trainer.fit(task, replace(OPTIONS, resume=True), Path("m.pth"))


def test_evaluations_of_shards_are_those_of_files(
    packed: Path, built: Path, denoiser: Network, classifier: Network
) -> None:
    for script in ("eval_denoising", "eval_classification"):
        ours, theirs = (
            run_script(script, "--dataset_path", root / "val", "--json", "--csv_path", f"{root.name}.csv",
                       *(("--no_plots",) if script == "eval_denoising" else ()))
            for root in (packed, built)
        )  # fmt: skip
        assert ours.status == 0, ours
        assert ours.out == theirs.out
        assert Path(f"{packed.name}.csv").read_bytes() == Path(f"{built.name}.csv").read_bytes()


def test_every_command_takes_shards_or_says_why_not(packed: Path, denoiser: Network) -> None:
    ran = run_script("inference_from_dataset", "--dataset_path", packed / "val", "--seed", 1, "--clean_path", "c.wav",
                     "--noisy_path", "n.wav", "--predicted_path", "p.wav")  # fmt: skip
    assert ran.status == 0, ran
    assert sound_file.read("p.wav")[0].any()
    ran = run_script("eval_denoising", "--dataset_path", packed / "val", "--report_path", "r.html", "--no_plots")
    refused(ran, "shards hold mels; figures and reports of sound need pairs of sound files")


def test_two_processes_train_on_shards_as_one(tars: Path, workplace: Path) -> None:
    flags = [str(flag) for flag in ("--dataset_path", tars, "--epochs", 2, "--batch_size", 4, "--device", "cpu",
                                    "--no_plots", "--hidden_dim", 12, "--network", "lstm")]  # fmt: skip
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    both = subprocess.run(
        [*command, str(ROOT / "train_denoising.py"), *flags, "--model_filename", "two.pth"],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=workplace, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert both.returncode == 0, both.stderr
    assert run_script("train_denoising", *flags, "--model_filename", "one.pth").status == 0
    one, two = (json.loads(Path(f"models/{name}.history.json").read_text()) for name in ("one", "two"))
    for alone, shared in zip(one, two, strict=True):
        assert shared == pytest.approx(alone, rel=1e-4)


class Tar:
    """A tar of one's own making."""

    def __init__(self, path: str, format: int = tarfile.PAX_FORMAT) -> None:
        self.path, self.format = Path(path), format
        self.members: list[tuple[str, bytes]] = []

    def add(self, name: str, n_frames: int = 5, content: bytes | None = None) -> "Tar":
        buffer = io.BytesIO()
        np.save(buffer, np.full((n_frames, 80), len(self.members), np.float32))
        self.members.append((name, buffer.getvalue() if content is None else content))
        return self

    def pair(self, key: str, n_frames: int = 5) -> "Tar":
        return self.add(f"{key}.noisy.npy", n_frames).add(f"{key}.clean.npy", n_frames)

    def write(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(self.path, "w", format=self.format) as tar:
            for name, content in self.members:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return self.path


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_other_tools_are_read(format: int) -> None:
    long = "speaker/" + "x" * (80 if format == tarfile.USTAR_FORMAT else 200)
    tar = Tar("d/any name.tar", format).add("readme.txt", content=b"hello").pair("./a.b/c").pair(long, 7)
    if format != tarfile.USTAR_FORMAT:
        tar.pair("имя/é", 9)
    tar.write()
    data = ShardedPairs(Path("d"), FEATURES)
    assert {data[k].name: len(data[k].mels["clean"]) for k in range(len(data))} == {
        "a.b/c.npy": 5, f"{long}.npy": 7,
    } | ({} if format == tarfile.USTAR_FORMAT else {"имя/é.npy": 9})  # fmt: skip
    for k in range(len(data)):
        mels = data[k].mels
        assert mels["clean"].unique().item() == mels["noisy"].unique().item() + 1  # each from its own place


def in_tar(content: bytes) -> int:
    """Bytes that a member takes: a header and whole blocks of 512."""
    return 512 + -(-len(content) // 512) * 512


def refusal() -> str:
    with pytest.raises(InputError) as caught:
        ShardedPairs(Path("d"), FEATURES)
    return caught.value.line()


def test_every_truncation_is_told() -> None:
    tar = Tar("d/x.tar").pair("a").pair("b")
    whole, last = tar.write().read_bytes(), sum(in_tar(content) for _, content in tar.members)
    assert not any(whole[last:])
    for size in (0, 100, 511, 700, 3000, last - 700, last - 1):
        Path("d/x.tar").write_bytes(whole[:size])
        assert "d/x.tar is truncated" in refusal(), size
    Path("d/x.tar").write_bytes(whole[:last])  # between two members: only the end mark says that more is to come
    assert "d/x.tar is truncated: it has no end" in refusal()


def test_damage_in_any_header_is_told() -> None:
    path = Tar("d/x.tar").pair("a").pair("b").write()
    whole = path.read_bytes()
    step = in_tar(Tar("d/z.tar").add("a").members[0][1])
    for at in (0, step, 3 * step):
        path.write_bytes(whole[: at + 3] + b"\xff" + whole[at + 4 :])
        assert f"d/x.tar is not a valid tar file: damaged at byte {at}" in refusal()
    path.write_bytes(b"\x1f\x8b" + bytes(2000))
    assert "damaged at byte 0" in refusal()


def test_bad_pairs_are_told_and_gathered() -> None:
    Tar("d/0.tar").pair("good").add("lone.noisy.npy").add("other.clean.npy").write()
    line = refusal()
    assert "d/0.tar: lone.noisy.npy has no partner lone.clean.npy" in line
    assert "d/0.tar: other.clean.npy has no partner other.noisy.npy" in line
    Tar("d/0.tar").add("a.noisy.npy", 5).add("a.clean.npy", 6).write()
    assert "d/0.tar: a.noisy.npy has 5 frames, its clean partner 6; expected equal lengths" in refusal()
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((5, 40), np.float32))
    Tar("d/0.tar").add("a.noisy.npy").add("a.clean.npy", content=buffer.getvalue()).write()
    assert "d/0.tar:a.clean.npy has shape (5, 40); expected (frames, 80)" in refusal()
    Tar("d/0.tar").add("a.noisy.npy").add("a.clean.npy", content=b"cos\nsystem\n(S'touch owned'\ntR.").write()
    assert "a.clean.npy is not a readable .npy array" in refusal()
    assert not Path("owned").exists()
    Tar("d/0.tar").pair("a").pair("a").write()
    assert "holds a.noisy.npy twice" in refusal()
    Tar("d/0.tar").add("readme.txt", content=b"hello").write()
    assert "hold no <key>.noisy.npy and <key>.clean.npy" in refusal()


def test_a_bad_shard_is_one_line_on_the_shell(denoiser: Network, workplace: Path) -> None:
    path = Tar("d/x.tar").pair("a").write()
    path.write_bytes(path.read_bytes()[:1000])
    for script in ("eval_denoising", "inference_from_dataset"):
        refused(run_script(script, "--dataset_path", "d"), "d/x.tar is truncated")


def test_values_that_are_not_finite_are_named() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.full((5, 80), np.nan, np.float32))
    Tar("d/x.tar").add("a.noisy.npy").add("a.clean.npy", content=buffer.getvalue()).write()
    with pytest.raises(InputError, match=r"d/x.tar:a.clean.npy has 400 NaN or infinite"):
        ShardedPairs(Path("d"), FEATURES)[0]


def test_the_index_of_shards_is_kept_and_every_change_noticed(workplace: Path) -> None:
    half = MIN_FILES // 2
    for number in range(2):
        tar = Tar(f"root/d/{number}.tar")
        for item in range(half):
            tar.pair(f"{number}/{item:04}", 5 + item % 3)
        os.utime(tar.write(), (1e9, 1e9))

    def frames() -> dict[str, int]:
        data = ShardedPairs(Path("root/d"), FEATURES)
        assert all(len(data[k].mels["clean"]) == data.lengths[k] for k in (0, len(data) - 1))
        return {data.shards.name(k): int(data.lengths[k]) for k in range(len(data))}

    first = frames()
    assert len(first) == MIN_FILES
    kept = workplace / "root/.clearmel-index-d.npz"
    stamp = kept.stat().st_mtime_ns
    assert frames() == first
    assert kept.stat().st_mtime_ns == stamp
    tar = Tar("root/d/1.tar")
    for item in range(half):
        tar.pair(f"1/{item:04}", 9)
    tar.write()
    assert frames() == {key: 9 if key[0] == "1" else value for key, value in first.items()}
    Tar("root/d/2.tar").pair("new", 11).write()
    assert frames()["new"] == 11
    Path("root/d/0.tar").unlink()
    assert len(frames()) == half + 1
    kept.write_bytes(kept.read_bytes()[:-200])
    assert len(frames()) == half + 1


def test_a_stray_tar_beside_files_changes_nothing(tree: Path) -> None:
    Tar(f"{tree}/train/backup.tar").pair("a").write()
    data = TASKS["denoising"](Source(str(tree))).dataset("train")
    assert isinstance(data, PairedMels)
    assert len(data) == 6


def test_escaped_names_come_back(rng: np.random.Generator) -> None:
    names = ["a.b/c.d", "100%", "%2E", "%25", "%252E.%", "plain/x_flac_0"]
    mels = rng.normal(size=(2, 4, 80)).astype(np.float32)
    shards.write(Path("d/x.tar"), [(name, mels) for name in names])
    assert shards.names_in(Path("d/x.tar")) == set(names)
    assert all(name.count(".") == 2 for name in members(Path("d/x.tar")))
    data = ShardedPairs(Path("d"), FEATURES)
    assert sorted(data[k].name for k in range(len(data))) == sorted(f"{name}.npy" for name in names)


def test_hash_of_a_shard_stays() -> None:
    """The bytes of a shard are a promise: builds are compared by them."""
    shards.write(Path("d/x.tar"), [("a/b", np.zeros((2, 3, 80), np.float32))])
    assert hashlib.sha256(Path("d/x.tar").read_bytes()).hexdigest()[:16] == "e4cd7c46fc12fdca"
