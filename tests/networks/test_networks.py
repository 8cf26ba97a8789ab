import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from clearmel.metrics import classification
from clearmel.networks import NETWORKS, GainDenoiser, MaskSNR, Network, Statistics
from clearmel.networks.attention import positions
from clearmel.networks.lstm_step import lstm_step
from clearmel.networks.statistics import LAGS, MODULATION, N_GROUPS, modulation, repetition
from clearmel.networks.vgg import pool_frames

M = 40
SMALL: dict[str, dict[str, Any]] = {
    "bcresnet": {"dropout": 0.0},
    "vgg11": {"width": 4, "hidden_dim": 16, "dropout": 0.0},
    "resnet18": {"width": 4},
    "resnet34": {"width": 4},
    "resnet50": {"width": 4},
    "mhatt": {"hidden_dim": 8, "dropout": 0.0},
    "kwt": {"hidden_dim": 16, "num_layers": 2, "num_heads": 2, "patch_frames": 3},
    "fully_connected": {"hidden_dim": 16, "window": 10},
    "statistics": {"hidden_dim": 16, "members": 3, "dropout": 0.0, "input_dropout": 0.0},
    "mask_snr": {"hidden_dim": 16, "num_layers": 2, "head_dim": 16, "dropout": 0.0},
}
every_network = pytest.mark.parametrize("name", SMALL)


def build(name: str, **sizes: Any) -> Network:
    torch.manual_seed(0)
    return NETWORKS[name](**{"input_dim": M, "n_classes": 3} | SMALL[name] | sizes)


def settled(name: str, **sizes: Any) -> Network:
    """In evaluation mode, with statistics and biases as after training, so that padding could change the output."""
    network = build(name, **sizes)
    with torch.no_grad():
        for key, weight in network.named_parameters():
            if key.endswith("bias"):
                weight.add_(0.3)
        for _ in range(20):
            network(torch.randn(4, 30, network.sizes["input_dim"]), torch.full((4,), 30))
    return network.eval()


@pytest.mark.parametrize(
    ("name", "sizes", "count"),
    [
        ("bcresnet", {"input_dim": 40}, 8_808),
        ("bcresnet", {"input_dim": 80}, 8_808),
        ("bcresnet", {"input_dim": 40, "scale": 8}, 317_760),
        ("bcresnet", {"input_dim": 40, "scale": 16}, 1_200_768),
        # The usual figures are for 3 channels: 128,770,433 and, with 1000 classes, 11,689,512, 21,797,672, 25,557,032.
        ("vgg11", {}, 128_770_433 - 2 * 9 * 64),
        ("resnet18", {"n_classes": 1000}, 11_689_512 - 2 * 49 * 64),
        ("resnet34", {"n_classes": 1000}, 21_797_672 - 2 * 49 * 64),
        ("resnet50", {"n_classes": 1000}, 25_557_032 - 2 * 49 * 64),
        ("resnet18", {"n_classes": 50}, 11_195_890),
        # The original's first LSTM layer had 1 number per step, here it has 16.
        ("mhatt", {"input_dim": 40}, 860_422 + 2 * 4 * 128 * 15),
        # Patches, summary, 12 layers (attention, its output, two linear layers, two norms), norm and head.
        ("kwt", {"input_dim": 40}, 41 * 64 + 64 + 12 * (65 * 192 + 65 * 64 + 65 * 256 + 257 * 64 + 4 * 64) + 128 + 65),
        ("fully_connected", {"input_dim": 128, "n_classes": 2, "window": 300}, 9_863_810),
    ],
)
def test_sizes_are_the_known_ones(name: str, sizes: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        assert NETWORKS[name](**sizes).n_parameters() == count


def test_every_name_has_a_type_of_its_own() -> None:
    assert len(set(NETWORKS.values())) == len(NETWORKS)
    assert set(SMALL) <= set(NETWORKS)


@every_network
def test_any_length_gives_one_row_of_logits_per_item(name: str) -> None:
    network, single = settled(name), settled(name, n_classes=1)
    for n_frames in (1, 2, 7, 101):
        mel, lengths = torch.randn(2, n_frames, M), torch.tensor([n_frames, 1])
        with torch.no_grad():
            assert network(mel, lengths).shape == (2, 3)
            assert network(mel, lengths).isfinite().all()
            assert single(mel, lengths).shape == (2, 1)


@every_network
@pytest.mark.parametrize("n_mels", [64, 80, 96, 256])
def test_any_usual_number_of_bands_will_do(name: str, n_mels: int) -> None:
    network = settled(name, input_dim=n_mels)
    assert network(torch.randn(2, 9, n_mels), torch.tensor([9, 4])).isfinite().all()


@every_network
def test_what_lies_behind_an_item_changes_nothing(name: str) -> None:
    network = settled(name)
    items = [torch.randn(n, M) * 2 for n in (1, 2, 3, 7, 16, 31, 33, 50, 64, 101)]
    lengths = torch.tensor([len(item) for item in items])
    with torch.no_grad():
        alone = torch.cat([network(item[None], torch.tensor([len(item)])) for item in items])
        for padding in (0.0, -1.763, 1e4, math.nan):
            # Some columns more than the longest item needs, as a window or another process's batch may have.
            mel = functional.pad(
                pad_sequence(items, batch_first=True, padding_value=padding), (0, 0, 0, 9), value=padding
            )
            torch.testing.assert_close(network(mel, lengths), alone, atol=1e-4, rtol=1e-4)
        last = torch.cat([items[-2], -items[-2][-1:]])
        change = network(last[None], torch.tensor([65])) - network(last[None], torch.tensor([64]))
    assert float(change.abs().max()) > 1e-5  # but the last real frame does count
    assert float(alone.std(dim=0).max()) > 5e-3  # and 1e-4 is little


@every_network
def test_every_parameter_learns(name: str) -> None:
    network = build(name)
    network(torch.randn(4, 50, M), torch.tensor([50, 41, 33, 20])).square().sum().backward()
    still = [key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still == []


@every_network
def test_sizes_and_state_rebuild_it(name: str) -> None:
    network, mel, lengths = settled(name), torch.randn(3, 20, M), torch.tensor([20, 9, 4])
    torch.manual_seed(1)
    again = type(network)(**network.sizes).eval()
    assert not torch.equal(again(mel, lengths), network(mel, lengths))
    again.load_state_dict(network.state_dict(), strict=True)
    assert torch.equal(again(mel, lengths), network(mel, lengths))


@every_network
def test_it_can_learn_eight_items_by_heart(name: str) -> None:
    network = build(name)
    mel, lengths, labels = torch.randn(8, 24, M), torch.tensor([24, 20, 17, 24, 9, 12, 24, 16]), torch.arange(8) % 3
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(120):
        loss = classification.cross_entropy(network(mel, lengths), labels).mean()
        if loss < 0.1:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_frames_are_pooled_as_torch_pools_an_item_alone() -> None:
    x, lengths = torch.randn(6, 3, 2, 20), torch.tensor([1, 2, 6, 7, 13, 20])
    pooled = pool_frames(x, lengths)
    for item, result, n_frames in zip(x, pooled, lengths.tolist(), strict=True):
        wanted = functional.adaptive_avg_pool1d(item[..., :n_frames], 7)
        torch.testing.assert_close(result, wanted, atol=1e-6, rtol=1e-5)


def test_positions_are_unlike_at_any_distance() -> None:
    table = positions(3000, 64)
    assert table.shape == (3000, 64)
    torch.testing.assert_close(table.square().sum(1), torch.full((3000,), 32.0))
    assert all(float((a - b).norm()) > 1 for a, b in pairwise(table[::10]))
    torch.testing.assert_close(table[5, :2], torch.tensor([math.sin(5), math.sin(5 * 10000 ** (-1 / 32))]))


def test_statistics_tell_the_rate_of_modulation_and_the_period() -> None:
    network = build("statistics").eval()
    time = torch.arange(400.0)
    names = {}
    for period in (5, 40):
        wave = torch.sin(2 * math.pi * time / period)
        groups = wave[None, :, None].expand(1, -1, N_GROUPS) * 3.0
        ranges = modulation(groups, torch.tensor([[400.0]])).reshape(len(MODULATION) - 1, N_GROUPS)
        names[period] = int(ranges.mean(dim=1).argmax())
        low, high = MODULATION[names[period]], MODULATION[names[period] + 1]
        assert low <= 1024 / period < high
        alike = repetition(groups).reshape(2, len(LAGS) - 1, N_GROUPS)
        best = next(k for k, (low, high) in enumerate(pairwise(LAGS)) if low <= period < high)
        assert float(alike[0, best].min()) > 0.85
        half = next(k for k, (low, high) in enumerate(pairwise(LAGS)) if low <= period // 2 < high)
        assert float(alike[1, half].max()) < -0.75
    assert names[5] > names[40]
    assert network(torch.randn(2, 3000, M), torch.tensor([3000, 1])).isfinite().all()  # any length, even one frame


def test_members_answer_for_themselves_in_training_and_together_after_it() -> None:
    network = build("statistics", n_classes=4)
    mel, lengths = torch.randn(5, 60, M), torch.full((5,), 60)
    assert network(mel, lengths).shape == (5, 3, 4)
    logits = network.eval()(mel, lengths)
    assert logits.shape == (5, 4)
    each, target = network.train()(mel, lengths), torch.tensor([0, 1, 2, 3, 0])
    wanted = functional.cross_entropy(each.transpose(1, 2), target[:, None].expand(-1, 3), reduction="none").mean(dim=1)
    torch.testing.assert_close(classification.cross_entropy(each, target), wanted)


@every_network
def test_a_network_of_other_classes_begins_with_all_layers_but_the_last(name: str) -> None:
    trained, mel, lengths = settled(name, n_classes=7), torch.randn(3, 20, M), torch.tensor([20, 9, 4])
    begun = build(name, n_classes=2).begin_from(trained)
    assert begun.eval()(mel, lengths).shape == (3, 2)
    old, new = trained.state_dict(), begun.state_dict()
    changed = [key for key in old if key != "_extra_state" and not torch.equal(old[key], new[key])]
    assert changed
    assert all(7 in old[key].shape for key in changed)
    same = build(name, n_classes=7).begin_from(trained)
    assert torch.equal(same.eval()(mel, lengths), trained(mel, lengths))


def test_a_trained_resnet_joins_the_statistics_and_stays_as_it_is_if_frozen() -> None:
    trained, mel, lengths = settled("resnet18"), torch.randn(4, 30, M), torch.tensor([30, 30, 9, 4])
    network = build("statistics", width=4).begin_from(trained)
    assert isinstance(network, Statistics)
    with torch.no_grad():
        wanted = trained(mel, lengths)
        torch.testing.assert_close(trained.head(network.eval().resnet(mel, lengths)), wanted)  # type: ignore[operator]
    network.train_only("first,second,norm,bias")
    network.train()(mel, lengths).square().sum().backward()
    assert all(weight.grad is None for weight in network.body.parameters())
    assert network.first.grad is not None
    with torch.no_grad():
        torch.testing.assert_close(trained.head(network.resnet(mel, lengths)), wanted)  # type: ignore[operator]
    alone = [network.eval()(item[None, :n], torch.tensor([n])) for item, n in zip(mel, lengths.tolist(), strict=True)]
    torch.testing.assert_close(network(mel, lengths), torch.cat(alone), atol=1e-4, rtol=1e-4)
    for wrong in ({"width": 8}, {}):
        with pytest.raises(ValueError, match=r"width 4; expected 8|holds a ResNet18"):
            build("statistics", **wrong).begin_from(trained)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_a_few_frames_at_a_time_are_what_the_lstm_gives_of_all(n_layers: int) -> None:
    torch.manual_seed(0)
    lstm, frames = torch.nn.LSTM(12, 16, n_layers, batch_first=True).eval(), torch.randn(1, 60, 12)
    with torch.inference_mode():
        wanted, (hidden, cell) = lstm(frames)
        for size in (1, 3, 8, 20):
            pieces, state = [], None
            for piece in frames.split(size, dim=1):
                output, state = lstm_step(lstm, piece, state)
                pieces.append(output)
            torch.testing.assert_close(torch.cat(pieces, dim=1), wanted, atol=1e-6, rtol=0)
            torch.testing.assert_close(state, (hidden, cell), atol=1e-6, rtol=0)


def test_an_untrained_mask_tells_the_snr_of_what_it_splits() -> None:
    """Two bands, one of speech alone and one of noise alone: the logit is the SNR between their active levels."""
    network = MaskSNR(input_dim=2, hidden_dim=4, num_layers=1).eval()
    network.begin_at(27.5, 2.0)
    with torch.no_grad():
        network.hidden2gain.weight.zero_()
        network.hidden2gain.bias.copy_(torch.tensor([30.0, -30.0]))
    level_db = torch.tensor([[0.0, -20.0], [-80.0, -20.0]]).repeat(50, 1)  # speech is active half of the time
    mel = 1 + level_db[None] * math.log(10) / 100
    logit = network(mel, torch.tensor([100])).item()
    assert logit == pytest.approx((20 - 27.5) / 2, abs=0.01)


def test_it_begins_from_a_denoiser_of_its_sizes() -> None:
    denoiser, network = GainDenoiser(input_dim=M, hidden_dim=16, num_layers=2), build("mask_snr")
    begun = network.begin_from(denoiser)
    for name, weight in begun.state_dict().items():
        if name.startswith(("lstm.", "hidden2gain.")):
            assert torch.equal(weight, denoiser.state_dict()[name])
    for other in (GainDenoiser(input_dim=M, hidden_dim=8, num_layers=2), build("bcresnet")):
        with pytest.raises(ValueError, match="expected"):
            network.begin_from(other)
