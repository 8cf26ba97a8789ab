import math

import numpy as np
import pytest
import torch
from torch import Tensor

from clearmel.core.arrays import with_closing
from clearmel.networks import GainDenoiser, gain_logits
from clearmel.networks.second_pass import SecondPass

SIZES = {"hidden_dim": 12, "num_layers": 2, "fine_bins": 40, "fine_dim": 16, "near_dim": 4, "knee_db": 1.0}
N_CHANGED = 25


def network(*, random: bool) -> GainDenoiser:
    """A denoiser with two passes; `random`: the second one has random weights."""
    torch.manual_seed(0)
    made = GainDenoiser(**SIZES, two_passes=True).eval()
    if random:
        with torch.no_grad():
            for weight in second(made).parameters():
                weight.add_(0.3 * torch.randn_like(weight))
    return made


def second(made: GainDenoiser) -> SecondPass:
    assert made.second is not None
    return made.second


def sound() -> tuple[Tensor, Tensor]:
    return torch.rand(1, 40, 80), 0.15 * torch.randn(1, 40, 40)


def test_a_new_second_pass_changes_nothing() -> None:
    made, given = network(random=False), sound()
    for whole, causal in zip(made(*given)[:2], made.causal(*given)[:2], strict=True):
        torch.testing.assert_close(whole, causal, atol=1e-4, rtol=0)
    assert second(made).lstm.weight_ih_l0.shape == (48, 160)


def test_only_the_second_pass_knows_what_follows() -> None:
    made, (mel, fine) = network(random=True), sound()
    changed = mel.clone()
    changed[:, N_CHANGED:] += 0.5
    for run, first_frame in ((made.causal, N_CHANGED), (made, 0)):
        before, after = (run(given, fine) for given in (mel, changed))
        estimates = [(found[0] - given)[0] for found, given in ((before, mel), (after, changed))]
        for one, other in (estimates, (before[1][0], after[1][0])):
            assert int((one - other).abs().amax(dim=1).gt(1e-6).nonzero()[0]) == first_frame


def test_the_second_pass_depends_on_what_the_first_one_found() -> None:
    made, (mel, fine) = network(random=False), sound()
    for lowered_db in (3.0, 20.0, 40.0):
        given = torch.full_like(mel, -lowered_db / 43.43) + mel
        found, _ = second(made)(mel, fine, given, torch.zeros(1, 40, 40))
        torch.testing.assert_close(found, given, atol=1e-3, rtol=0)


def test_frames_of_a_stream_are_causal() -> None:
    made, (mel, fine) = network(random=True), sound()
    wanted, state = made.causal(mel, fine)[0], None
    for start, end in ((0, 13), (13, 40)):
        found, _, state = made(mel[:, start:end], fine[:, start:end], state, False)
        torch.testing.assert_close(found, wanted[:, start:end])


def test_a_training_can_begin_from_weights_with_one_pass() -> None:
    torch.manual_seed(1)
    one = GainDenoiser(**SIZES)
    begun = GainDenoiser(**(SIZES | {"knee_db": 0.0}), two_passes=True).begin_from(one)
    assert begun.sizes["knee_db"] == 1
    assert isinstance(begun, GainDenoiser)
    given = sound()
    torch.testing.assert_close(begun(*given)[0], one(*given)[0], atol=1e-4, rtol=0)
    assert begun.begin_from(network(random=True)).sizes["two_passes"]
    begun.train_only("second")
    begun(*given)[0].sum().backward()
    assert {name.split(".")[0] for name, weight in begun.named_parameters() if weight.grad is not None} == {"second"}


def test_padded_recordings_get_what_they_get_alone() -> None:
    made, (mel, _) = network(random=True), sound()
    lengths = torch.tensor([40, 17, 2])
    together = made.estimate(mel.expand(3, -1, -1), lengths, 20)
    for item, length in enumerate(lengths.tolist()):
        alone = made.estimate(mel[:, :length], lengths[item : item + 1], 20)
        torch.testing.assert_close(together[item, :length], alone[0])


def test_a_recording_is_followed_by_its_end() -> None:
    assert with_closing(5, 2).tolist() == [0, 1, 2, 3, 4, 3, 4]
    assert with_closing(2, 5).tolist() == [0, 1, 1, 0, 1, 0, 1]
    assert with_closing(3, 0).tolist() == [0, 1, 2]


@pytest.mark.parametrize("knee_db", [0.0, 1.0])
def test_the_logits_are_those_of_the_attenuation(knee_db: float) -> None:
    least, knee = 0.001, knee_db * math.log(10) / 20
    logits = torch.tensor([-6.0, -1.0, 0.0, 4.0])
    lowered = gain_logits.lowered(logits, least, knee)
    straight = -20 * np.log10(0.001 + 0.999 / (1 + np.exp(-logits.numpy())))  # dB
    np.testing.assert_allclose(lowered.numpy() * 20 / math.log(10), straight**2 / (straight + knee_db), rtol=1e-4)
    torch.testing.assert_close(gain_logits.logit_of_lowered(lowered, least, knee), logits, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(gain_logits.logit_of_factor(gain_logits.factor(logits)), logits, atol=1e-3, rtol=1e-3)
    ends = gain_logits.factor(torch.tensor([-50.0, 50.0])).tolist()
    assert ends == pytest.approx([0.7, -3.0])


def test_a_look_ahead_has_no_use() -> None:
    with pytest.raises(ValueError, match="look-ahead"):
        GainDenoiser(look_ahead=2, two_passes=True)
