from pathlib import Path

import numpy as np
import pytest
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.core.errors import InputError
from clearmel.data.batching import BucketSampler, Shares, collate
from clearmel.data.labels import of_sides
from clearmel.data.mel_datasets import LabelledMels, PairedMels
from clearmel.metrics.spectral_loss import masked_mse
from clearmel.networks import LSTMClassifier, LSTMDenoiser
from clearmel.options.source import Source
from clearmel.tasks import ClassificationTask, DenoisingTask

FEATURES = MelFeatures()


def test_pairs_match_by_path_wherever_the_word_clean_stands(tree: Path) -> None:
    odd = tree.parent / "cleanset clean"
    tree.rename(odd)
    data = PairedMels(odd / "train/noisy", odd / "train/clean", FEATURES)
    assert [item.name for item in map(data.__getitem__, range(6))] == sorted(
        p.relative_to(odd / "train/noisy").as_posix() for p in (odd / "train/noisy").rglob("*.npy")
    )
    for index in range(6):
        item = data[index]
        np.testing.assert_array_equal(item.mels["clean"], np.load(odd / "train/clean" / item.name))
        assert data.lengths[index] == len(item.mels["noisy"])


def test_labels_are_one_for_clean(tree: Path) -> None:
    data = LabelledMels(of_sides(tree / "val/noisy", tree / "val/clean"), FEATURES)
    assert {(item.name.split("/")[0], item.label) for item in map(data.__getitem__, range(6))} == {
        ("noisy", 0.0),
        ("clean", 1.0),
    }


def test_sound_files_give_the_mels_that_the_builder_would(workplace: Path, rng: np.random.Generator) -> None:
    for side in ("noisy", "clean"):
        sound_file.write(workplace / side / "a.wav", rng.normal(0, 0.1, 44100).astype(np.float32), 44100)
    cache = workplace / "cache"
    data = PairedMels(workplace / "noisy", workplace / "clean", FEATURES, cache)
    first = data[0].mels["noisy"]
    wave, _ = sound_file.read(workplace / "noisy/a.wav", 16000)
    torch.testing.assert_close(first, FEATURES.mel(torch.from_numpy(wave)))
    assert data.lengths == [len(first)]
    assert len(list(cache.glob("*.npy"))) == 2
    torch.testing.assert_close(data[0].mels["noisy"], first)
    sound_file.write(
        workplace / "noisy/a.wav", np.zeros(44100, np.float32), 44100
    )  # a changed file is not taken from it
    assert data[0].mels["noisy"].max() < -1.7


def test_every_item_is_drawn_once_in_batches_of_like_length(rng: np.random.Generator) -> None:
    lengths = rng.integers(10, 500, 1000).tolist()
    sampler = BucketSampler(lengths, 16, shuffle=True, seed=1)
    batches = sampler.batches()
    assert sorted(i for batch in batches for i in batch) == list(range(1000))
    assert len(batches) == len(sampler)
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches]
    assert np.median(spread) < 50
    assert batches == BucketSampler(lengths, 16, shuffle=True, seed=1).batches()
    sampler.epoch = 1
    assert batches != sampler.batches()


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_processes_share_each_batch_without_loss(world: int) -> None:
    batches = BucketSampler([5] * 23, 4, shuffle=True).batches()
    shares = [list(Shares(batches, rank, world)) for rank in range(world)]
    assert {len(share) for share in shares} == {len(batches)}
    for index, batch in enumerate(batches):
        assert set(batch) == {item for share in shares for item in share[index]}


@pytest.mark.parametrize("task", [DenoisingTask, ClassificationTask])
def test_padding_and_batch_size_change_no_record(task: type, tree: Path) -> None:
    torch.manual_seed(0)
    job = task(Source(str(tree)))
    data, network = job.dataset("train"), job.network().eval()
    together = job.records(network, collate([data[i] for i in range(len(data))]))
    for index, record in enumerate(together):
        (alone,) = job.records(network, collate([data[index]]))
        assert alone == pytest.approx(record, abs=1e-5)


def test_padding_moves_neither_loss_nor_gradient() -> None:
    network, mel = LSTMClassifier(), torch.randn(2, 30, 80)
    lengths = torch.tensor([30, 12])
    padded = mel.clone()
    padded[1, 12:] = 1e3
    torch.testing.assert_close(network(mel, lengths), network(padded, lengths))
    estimate, *_ = LSTMDenoiser()(mel)
    mask = torch.arange(30) < lengths[:, None]
    errors = masked_mse(estimate, torch.zeros_like(mel), mask)
    torch.testing.assert_close(errors[1], estimate[1, :12].square().mean())


def bad(tree: Path, **arrays: np.ndarray) -> Path:
    for name, array in arrays.items():
        np.save(tree / "train" / name / "speaker0" / "0.npy", array, allow_pickle=True)
    return tree


def pairs(tree: Path) -> PairedMels:
    return PairedMels(tree / "train/noisy", tree / "train/clean", FEATURES)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((80, 31), np.float32), "has shape (80, 31); expected (frames, 80). Transpose it"),
        (np.zeros((31, 40), np.float32), "has shape (31, 40); expected (frames, 80)"),
        (np.zeros((0, 80), np.float32), "has shape (0, 80)"),
        (np.zeros(80, np.float32), "has shape (80,)"),
        (np.array([{"a": 1}], dtype=object), "is not a readable .npy array"),
        (np.zeros((31, 80), np.int16), "holds int16 values"),
    ],
)
def test_wrong_arrays_are_named(tree: Path, array: np.ndarray, words: str) -> None:
    with pytest.raises(InputError) as caught:
        pairs(bad(tree, noisy=array))
    assert words in caught.value.line()
    assert "0.npy" in caught.value.line()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(tree: Path, value: float) -> None:
    mel = np.load(tree / "train/noisy/speaker0/0.npy")
    mel[3, 4] = value
    with pytest.raises(InputError, match=r"0.npy has 1 NaN or infinite"):
        pairs(bad(tree, noisy=mel))[0]


def test_all_missing_partners_are_gathered(tree: Path) -> None:
    for path in (tree / "train/clean").rglob("*.npy"):
        path.unlink()
    (tree / "train/clean/x.npy").write_bytes((tree / "train/noisy/speaker0/0.npy").read_bytes())
    with pytest.raises(InputError, match=r"has no partner in .* and 2 more"):
        pairs(tree)


def test_unequal_lengths_are_refused(tree: Path) -> None:
    with pytest.raises(InputError, match="expected equal lengths"):
        pairs(bad(tree, noisy=np.zeros((7, 80), np.float32)))
