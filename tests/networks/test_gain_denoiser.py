import numpy as np
import pytest
import torch

from clearmel.audio import gains
from clearmel.audio.features import MelFeatures
from clearmel.metrics import spectral_loss
from clearmel.networks import GainDenoiser, LSTMClassifier, LSTMDenoiser
from clearmel.networks.bin_refiner import BinRefiner
from clearmel.networks.gain_denoiser import MEAN, SPREAD
from clearmel.tasks import DenoisingTask

FEATURES = MelFeatures()


def test_the_estimate_lies_between_the_input_and_the_bound() -> None:
    torch.manual_seed(0)
    network, mel = GainDenoiser(bound_db=30.0), torch.randn(2, 50, 80)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(100)  # far beyond what training would leave
        network.hidden2gain.bias.zero_()
        change_db = (network(mel)[0] - mel) * 43.43
    assert -30.01 < float(change_db.min()) < -29
    assert -0.01 < float(change_db.max()) <= 1e-4


def test_a_knee_lets_small_attenuations_vanish_and_large_ones_stay() -> None:
    torch.manual_seed(0)
    straight, bent, mel = GainDenoiser(), GainDenoiser(knee_db=2.0), torch.randn(1, 30, 80)
    bent.load_state_dict(straight.state_dict())
    for bias, least, most in ((6.0, 0.0, 0.05), (-5.0, 0.9, 1.0)):  # about 0.02 dB and 43 dB
        with torch.no_grad():
            for network in (straight, bent):
                network.hidden2gain.bias.fill_(bias)
            before, after = (mel - network(mel)[0] for network in (straight, bent))
        attenuation = before * 43.43
        torch.testing.assert_close(after, before * attenuation / (attenuation + 2), atol=1e-5, rtol=0)
        assert least <= float((after / before).mean()) <= most
    bent.hidden2gain.bias.data.fill_(100.0)  # a gain of exactly 1
    estimate = bent(mel)[0]
    estimate.sum().backward()
    assert torch.equal(estimate, mel)
    assert all(bool(weight.grad.isfinite().all()) for weight in bent.parameters())


def test_a_knee_goes_on_with_the_weights_unless_another_one_is_asked_for() -> None:
    mel, bent = torch.randn(1, 30, 80), GainDenoiser(knee_db=0.5)
    for asked, wanted in ((0.0, 0.5), (1.5, 1.5)):
        for fine_bins in (0, 64):
            begun = GainDenoiser(knee_db=asked, fine_bins=fine_bins).begin_from(bent)
            assert begun.sizes["knee_db"] == wanted
            same = GainDenoiser(**begun.sizes)
            same.load_state_dict(begun.state_dict())
            torch.testing.assert_close(begun(mel)[0], same(mel)[0])


def test_it_is_causal_up_to_its_look_ahead() -> None:
    torch.manual_seed(0)
    mel = torch.randn(1, 40, 80)
    changed = mel.clone()
    changed[:, 25:] += 1
    for look_ahead, ahead_dim in ((0, 0), (4, 0), (4, 16)):
        network = GainDenoiser(look_ahead=look_ahead, ahead_dim=ahead_dim)
        if ahead_dim:
            torch.nn.init.normal_(network.ahead2hidden.weight)
        before, after = network(mel)[0] - mel, network(changed)[0] - changed
        differs = (before - after).abs().amax(dim=(0, 2)) > 1e-5
        assert int(differs.nonzero()[0]) == 25 - look_ahead


def test_a_training_can_begin_from_the_published_kind_of_weights(rng) -> None:
    torch.manual_seed(0)
    old = LSTMDenoiser(hidden_dim=32, num_layers=2, attenuation=True)
    with torch.no_grad():
        old.hidden2spectrogram.weight.mul_(8)  # attenuations from nothing to tens of dB
    new = GainDenoiser(hidden_dim=32, num_layers=2, fine_bins=64).begin_from(old)
    mel = torch.from_numpy(rng.normal(0.2, 0.6, (2, 50, 80)).astype(np.float32))
    with torch.no_grad():
        wanted, found = old(mel)[0] - mel, new(mel)[0] - mel
    torch.testing.assert_close(new.lstm((mel - MEAN) / SPREAD)[0], old.lstm(mel)[0], atol=1e-5, rtol=0)
    assert float((found - wanted).abs().mean()) * 43.4 < 3  # dB
    assert np.corrcoef(wanted.flatten(), found.flatten())[0, 1] > 0.95
    again = GainDenoiser(hidden_dim=32, num_layers=2, fine_bins=64)
    bare = GainDenoiser(hidden_dim=32, num_layers=2)
    torch.testing.assert_close(again.begin_from(bare)(mel)[0], bare(mel)[0])
    causal = GainDenoiser(hidden_dim=32, num_layers=2, fine_bins=64, fine_dim=16)
    ahead = GainDenoiser(hidden_dim=32, num_layers=2, fine_bins=64, fine_dim=16, look_ahead=3, ahead_dim=8)
    begun, fine = ahead.begin_from(causal), torch.from_numpy(rng.normal(0, 0.2, (2, 50, 64)).astype(np.float32))
    assert begun.look_ahead == 3
    for found, wanted in zip(begun(mel, fine)[:2], causal(mel, fine)[:2], strict=True):
        torch.testing.assert_close(found, wanted)
    task = DenoisingTask(sizes=causal.sizes | {"near_dim": 4}, network_name="gain")
    begun = task.network().begin_from(causal)
    for found, wanted in zip(begun(mel, fine)[:2], causal(mel, fine)[:2], strict=True):
        torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(begun.neighbours.place(mel), gains.spread(task.features, mel)[..., :64])
    for other in (LSTMDenoiser(hidden_dim=16), LSTMClassifier()):
        with pytest.raises(ValueError, match="holds a LSTM"):
            again.begin_from(other)


def test_corrections_depend_on_neighbours_and_have_the_same_weights_for_all_bins() -> None:
    torch.manual_seed(0)
    stage = BinRefiner(80, 64, 6)
    torch.nn.init.normal_(stage.out.weight)
    flat, quiet = torch.zeros(1, 40, 80), torch.zeros(1, 40, 64)

    def response(frame: int, k: int) -> torch.Tensor:
        """Change of the corrections (40, 64) of silence by one loud bin."""
        fine = quiet.clone()
        fine[0, frame, k] = 3.0
        with torch.no_grad():
            return (stage(flat, flat, fine, quiet)[0] - stage(flat, flat, quiet, quiet)[0])[0]

    low = response(10, 20)
    torch.testing.assert_close(response(10, 41)[:, 31:51], low[:, 10:30])
    bins, frames = low.abs().amax(dim=0).nonzero()[:, 0], low.abs().amax(dim=1).nonzero()[:, 0]
    assert (int(bins.min()), int(bins.max())) == (17, 23)  # two of the first convolution, one of the last
    assert int(frames.min()) == 10  # causal
    assert int(frames.max()) > 20  # the LSTM remembers it


def test_priming_gives_the_state_of_denoising_except_for_the_third_stage(rng) -> None:
    torch.manual_seed(0)
    network = GainDenoiser(hidden_dim=16, fine_bins=32, fine_dim=8, near_dim=4, look_ahead=2)
    mel = torch.from_numpy(rng.normal(0.2, 0.3, (1, 60, 80)).astype(np.float32))
    fine = torch.from_numpy(rng.normal(0, 0.2, (1, 60, 32)).astype(np.float32))
    with torch.no_grad():
        primed, (*_, denoised) = network.prime(mel, fine), network(mel, fine, None, False)
        for ours, theirs in zip((*primed.bands, *primed.refined), (*denoised.bands, *denoised.refined), strict=True):
            torch.testing.assert_close(ours, theirs)
        assert denoised.mel.shape[1] == 2  # held back for the look-ahead
        assert (primed.mel.shape[1], primed.fine.shape[1], primed.skip, primed.near) == (0, 0, 2, None)
        assert network(mel, fine, primed)[0].shape == mel.shape  # the opening is not part of the output


def test_the_compressed_error_is_that_of_the_gained_spectrum(rng) -> None:
    noisy, clean = (torch.from_numpy(rng.normal(size=(2, 9, 33, 2))).contiguous() for _ in range(2))
    noisy, clean = torch.view_as_complex(noisy), torch.view_as_complex(clean)
    gain = torch.from_numpy(rng.uniform(0.01, 1, (2, 9, 33)))

    def compressed(spectrum: torch.Tensor) -> torch.Tensor:
        return torch.polar(spectrum.abs() ** 0.3, spectrum.angle())

    ours, theirs = compressed(gain * noisy), compressed(clean)
    wanted = 0.3 * (ours - theirs).abs().square() + 0.7 * (ours.abs() - theirs.abs()).square()
    energy = theirs.abs().square().mean(dim=(1, 2)) + 0.1 * compressed(noisy).abs().square().mean(dim=(1, 2))
    found = spectral_loss.CompressedSpectra(noisy, clean, 0.3).error(gain)
    torch.testing.assert_close(found, wanted.mean(dim=(1, 2)) / energy)
    assert float(spectral_loss.CompressedSpectra(clean, clean).error(torch.ones_like(gain)).abs().max()) < 1e-9


def test_the_resolution_error_is_zero_for_the_same_and_grows_with_the_noise(rng) -> None:
    wave, noise = (torch.from_numpy(rng.normal(0, 0.1, (2, 8000)).astype(np.float32)) for _ in range(2))
    errors = [float(spectral_loss.resolution_error(wave + part * noise, wave).mean()) for part in (0, 0.1, 1)]
    assert errors[0] < 1e-6 < errors[1] < errors[2]
