"""Encoders of speakers: pairs, loss and figures."""

import json
import math
from pathlib import Path

import pytest
import torch

from clearmel.audio.features import MelFeatures
from clearmel.data.batching import Batch, Item, collate
from clearmel.data.speaker_pairs import SpeakerPairs
from clearmel.data.splits import split_pools
from clearmel.networks import Network
from clearmel.options import SpeakerOptions
from clearmel.tasks import SpeakersTask
from clearmel.tasks.speakers import SCALE
from tests.conftest import ROOT, run_script

SPEECH = str(ROOT / "data/speech")


def pairs(split: str, **options: float) -> SpeakerPairs:
    settings = SpeakerOptions(clean_path=SPEECH, val_fraction=0.5, clip_s=1.0, **options)  # type: ignore[arg-type]
    return SpeakerPairs(split, split_pools(settings, 0)[split], settings, MelFeatures(), 0)


def test_both_recordings_of_a_pair_are_of_one_speaker() -> None:
    data = pairs("train", augment=0.0, reverb=0.0)
    speakers = sorted(data.speech.speakers)
    for index in range(6):
        item = data[index]
        assert item.waves["first"].shape == item.waves["second"].shape == (16000,)
        assert not torch.equal(item.waves["first"], item.waves["second"])
        assert {data.drawn(2 * index + k).speakers[0] for k in (0, 1)} == {speakers[int(item.label)]}


def test_validation_is_equal_in_every_epoch_and_training_is_not() -> None:
    for split, same in (("val", True), ("train", False)):
        data = pairs(split)
        first = data[0].waves["first"]
        data.epoch = 1
        assert torch.equal(first, data[0].waves["first"]) == same


class Fixed(SpeakersTask):
    """Embeddings that are the waves themselves."""

    def embeddings(self, network: Network, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        return batch.waves["first"], batch.waves["second"]


def item(label: float, first_degrees: float, second_degrees: float) -> Item:
    """A pair whose embeddings (2,) have these angles."""
    angles = [math.radians(degrees) for degrees in (first_degrees, second_degrees)]
    first, second = (torch.tensor([math.cos(angle), math.sin(angle)]) for angle in angles)
    return Item("x", {}, label, {"first": first, "second": second})


def test_the_loss_is_that_of_the_formula() -> None:
    def product(degrees: float) -> float:
        return math.exp(SCALE * math.cos(math.radians(degrees)))

    loss = Fixed().loss(Network(), collate([item(0, 0, 20), item(1, 30, 45)]))
    rows = [(20, 30, 45), (15, 30, 10), (20, 10, 25), (15, 45, 25)]  # angles from the partner and from both others
    wanted = [-math.log(product(own) / (product(own) + product(one) + product(two))) for own, one, two in rows]
    assert float(loss) == pytest.approx(sum(wanted) / 4, rel=1e-4)


def test_other_recordings_of_the_same_speaker_do_not_count() -> None:
    more = float(Fixed().loss(Network(), collate([item(0, 0, 20), item(0, 5, 25), item(0, 10, 30)])))
    assert more == pytest.approx(0, abs=1e-6)


def test_the_error_rate_is_that_over_all_recordings() -> None:
    task = Fixed()
    assert task.report(task.records(Network(), collate([item(0, 0, 20), item(1, 90, 100)]))) == {"eer": 0.0, "n": 2}
    mixed = task.report(task.records(Network(), collate([item(0, 0, 90), item(1, 0, 90)])))
    # Same speaker: two products of 0. Other speakers: 1, 0, 0, 1.
    assert mixed["eer"] >= 0.5


def test_the_encoder_that_ships_knows_speakers_whom_no_training_had() -> None:
    ran = run_script(
        "eval_speakers", "--clean_path", SPEECH, "--val_items", 24, "--clip_s", 3, "--reverb", 0, "--json",
        "--model_filename", ROOT / "models/speakers.pth", "--csv_path", "pairs.csv",
    )  # fmt: skip
    assert json.loads(ran.out)["eer"] < 0.2
    assert len(Path("pairs.csv").read_text().splitlines()) == 25
