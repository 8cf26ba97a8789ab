"""Averages of weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from clearmel.checkpoints import weights_file
from clearmel.networks import BandSplitSeparator, LSTMDenoiser, Network
from clearmel.runtime import load
from tests.conftest import refused, run_script

Save = Callable[[Network, str, str], Network]


@pytest.fixture
def three(save_network: Save) -> list[Network]:
    """models/a.pth, b.pth, c.pth of one size with other weights."""
    made = []
    for seed, name in enumerate("abc"):
        torch.manual_seed(seed)
        made.append(save_network(LSTMDenoiser(), "denoising", f"{name}.pth"))
    return made


def averaged(*flags: object) -> Network:
    ran = run_script("average", "--input_filenames", *flags, "--model_filename", "mean.pth")
    assert ran.status == 0, ran
    return weights_file.load(Path("models/mean.pth"), "denoising")


def test_every_weight_is_the_mean_by_the_shares(three: list[Network]) -> None:
    mean = averaged("a.pth", "b.pth", "c.pth", "--shares", 1, 2, 1)
    weights = [dict(network.named_parameters()) for network in three]
    for name, value in mean.named_parameters():
        wanted = 0.25 * weights[0][name] + 0.5 * weights[1][name] + 0.25 * weights[2][name]
        torch.testing.assert_close(value, wanted)
    assert mean.card["training"]["averaged"] == {"a.pth": 0.25, "b.pth": 0.5, "c.pth": 0.25}
    assert mean.card["scores"] == {}


def test_a_file_with_itself_stays_and_a_share_of_0_counts_nothing(three: list[Network]) -> None:
    mel = torch.randn(1, 50, 80)
    for flags in (("b.pth", "b.pth"), ("a.pth", "b.pth", "--shares", 0, 3)):
        torch.testing.assert_close(averaged(*flags)(mel)[0], three[1](mel)[0])


def test_half_the_size_differs_by_less_than_60_db_in_both_libraries(three: list[Network]) -> None:
    half = averaged("b.pth", "--half")
    assert Path("models/mean.pth").stat().st_size < 0.52 * Path("models/b.pth").stat().st_size
    assert {value.dtype for value in half.parameters()} == {torch.float32}
    mel = torch.randn(1, 50, 80)
    for estimate in (
        half(mel)[0].detach().numpy(),
        load.load(Path("models/mean.pth"), "denoising").denoised(mel.numpy())[0],
    ):
        wanted = three[1](mel)[0].detach().numpy()
        assert 0 < np.square(estimate - wanted).mean() < 1e-6 * np.square(wanted).mean()
    three[0].lstm.weight_ih_l0.data[0, 0] = 1e5
    weights_file.save("models/a.pth", three[0].state_dict())
    refused(run_script("average", "--input_filenames", "a.pth", "--half"), "lstm.weight_ih_l0", "--half")


def test_a_separator_with_fewer_blocks_is_averaged_as_a_deeper_one_that_does_the_same(save_network: Save) -> None:
    sizes = {"n_bins": 513, "hidden_dim": 8}
    small = save_network(BandSplitSeparator(num_layers=1, **sizes), "separation", "small.pth")
    deep = save_network(BandSplitSeparator(num_layers=3, **sizes), "separation", "deep.pth")
    spectrum = torch.randn(1, 20, 513, dtype=torch.complex64)
    for share, wanted in ((0, small), (1, deep)):
        ran = run_script(
            "average", "--input_filenames", "small.pth", "deep.pth", "--shares", 1 - share, share,
            "--model_filename", "mean.pth",
        )  # fmt: skip
        assert ran.status == 0, ran
        mean = weights_file.load(Path("models/mean.pth"), "separation")
        assert mean.sizes["num_layers"] == 3
        torch.testing.assert_close(mean(spectrum), wanted(spectrum))
    refused(run_script("average", "--input_filenames", "deep.pth", "small.pth"), "different sizes")


def test_what_does_not_go_together_is_refused(three: list[Network], classifier: Network, save_network: Save) -> None:
    save_network(LSTMDenoiser(hidden_dim=16), "denoising", "small.pth")
    refused(run_script("average", "--input_filenames", "a.pth", "small.pth"), "different sizes")
    refused(run_script("average", "--input_filenames", "a.pth", "classifier.pth"), "different task")
    refused(run_script("average", "--input_filenames", "a.pth"), "two or more")
    refused(run_script("average", "--input_filenames", "a.pth", "b.pth", "--shares", 1), "a share for each")
    refused(run_script("average", "--input_filenames", "a.pth", "b.pth", "--shares", -1, 2), "0 or more")
    refused(run_script("average", "--input_filenames", "a.pth", "none.pth"), "does not exist")
    assert not Path("models/averaged.pth").exists()


def test_weights_of_an_older_version_whose_card_lacks_a_size_go_with_new_ones(three: list[Network]) -> None:
    state = torch.load("models/a.pth", weights_only=True)
    del state["_extra_state"]["sizes"]["num_layers"]
    weights_file.save(Path("models/old.pth"), state)
    mean = averaged("old.pth", "b.pth", "--shares", 1, 0)
    assert mean.card["sizes"] == three[0].card["sizes"]
    torch.testing.assert_close(mean(torch.ones(1, 5, 80))[0], three[0](torch.ones(1, 5, 80))[0])
