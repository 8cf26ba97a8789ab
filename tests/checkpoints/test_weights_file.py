import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core.errors import InputError
from clearmel.networks import LSTMClassifier, LSTMDenoiser, Network, RecurrentCutter
from clearmel.tasks import CuttingTask


def test_a_file_is_exactly_the_state_dict_and_rebuilds_its_network(save_network: Callable[..., Network]) -> None:
    saved = save_network(LSTMDenoiser(hidden_dim=24, num_layers=2, attenuation=True), "denoising", "d.pth")
    plain = torch.load("models/d.pth", weights_only=True)
    assert set(plain) == set(saved.state_dict())
    assert plain["_extra_state"]["features"] == MelFeatures().card()
    loaded = weights_file.load("models/d.pth", "denoising")
    assert loaded.sizes == saved.sizes
    mel = torch.randn(1, 30, 80)
    torch.testing.assert_close(loaded(mel)[0], saved(mel)[0])


def original(head: str, width: int, n_out: int) -> dict[str, torch.Tensor]:
    """A state dict as the original suite saves it."""
    torch.manual_seed(3)
    lstm = torch.nn.LSTM(80, width)
    linear = torch.nn.Linear(width, n_out)
    state = {f"lstm.{key}": value for key, value in lstm.state_dict().items()}
    return state | {f"{head}.{key}": value for key, value in linear.state_dict().items()}


def test_the_original_denoiser_runs_unchanged() -> None:
    state = original("hidden2spectrogram", 80, 80)
    Path("models").mkdir()
    torch.save(state, "models/old.pth")
    network = weights_file.load("models/old.pth", "denoising")
    assert network.n_parameters() == 58_320
    lstm = torch.nn.LSTM(80, 80)
    lstm.load_state_dict({key[5:]: value for key, value in state.items() if key.startswith("lstm.")})
    mel = torch.randn(40, 80)
    hidden, _ = lstm(mel[:, None])  # the published layout (T, 1, 80)
    wanted = hidden[:, 0] @ state["hidden2spectrogram.weight"].T + state["hidden2spectrogram.bias"]
    torch.testing.assert_close(network(mel[None])[0][0], wanted)


def test_the_original_classifier_runs_unchanged() -> None:
    state = original("hidden2class", 64, 1)
    torch.save(state, "old.pth")
    network = weights_file.load("old.pth", "classification")
    assert isinstance(network, LSTMClassifier)
    assert network.n_parameters() == 37_441
    lstm = torch.nn.LSTM(80, 64)
    lstm.load_state_dict({key[5:]: value for key, value in state.items() if key.startswith("lstm.")})
    mel = torch.randn(40, 80)
    last = lstm(mel[:, None])[0][-1, 0]
    wanted = last @ state["hidden2class.weight"][0] + state["hidden2class.bias"][0]
    padded = torch.cat([mel, torch.full((13, 80), 5.0)])
    torch.testing.assert_close(network(padded[None], torch.tensor([40]))[0, 0], wanted)


def test_weights_whose_card_says_cleaning_load_as_cutting(save_network: Callable[..., Network]) -> None:
    saved = save_network(RecurrentCutter(hidden_dim=4, num_layers=1), "cleaning", "old.pth")
    assert torch.load("models/old.pth", weights_only=True)["_extra_state"]["task"] == "cleaning"
    loaded = weights_file.load("models/old.pth", CuttingTask.name)
    assert loaded.card == saved.card | {"task": "cutting"}
    assert loaded.state_dict()["_extra_state"]["task"] == "cutting"
    with pytest.raises(InputError, match="weights for cutting; expected denoising"):
        weights_file.load("models/old.pth", "denoising")


def test_weights_of_another_task_are_refused(denoiser: Network) -> None:
    with pytest.raises(InputError, match="weights for denoising; expected classification"):
        weights_file.load("models/denoiser.pth", "classification")


def test_weights_that_do_not_fit_their_card_are_refused(denoiser: Network) -> None:
    state = denoiser.state_dict()
    state["hidden2spectrogram.bias"] = torch.zeros(7)
    weights_file.save("bad.pth", state)
    with pytest.raises(InputError, match="does not fit its card"):
        weights_file.load("bad.pth", "denoising")


def test_weights_of_another_network_are_refused() -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), "other.pth")
    with pytest.raises(InputError, match="of no known network"):
        weights_file.load("other.pth", "denoising")


def test_weights_that_are_not_numbers_are_refused(denoiser: Network) -> None:
    with torch.no_grad():
        denoiser.hidden2spectrogram.bias[0] = float("nan")
    weights_file.save("nan.pth", denoiser.state_dict())
    with pytest.raises(InputError, match="NaN"):
        weights_file.load("nan.pth", "denoising")


class Hostile:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return Path.touch, (Path("owned"),)  # type: ignore[return-value]


@pytest.mark.parametrize("write", [lambda f: torch.save({"lstm": Hostile()}, f), lambda f: pickle.dump(Hostile(), f)])
def test_a_hostile_pickle_is_refused_and_not_run(write: Callable[[object], None]) -> None:
    with Path("hostile.pth").open("wb") as file:
        write(file)
    with pytest.raises(InputError, match=r"hostile\.pth"):
        weights_file.load("hostile.pth", "denoising")
    assert not Path("owned").exists()


@pytest.mark.parametrize("size", [0, 10, 1000, 20000])
def test_truncated_weights_are_refused(size: int, denoiser: Network) -> None:
    Path("cut.pth").write_bytes(Path("models/denoiser.pth").read_bytes()[:size])
    with pytest.raises(InputError, match=r"cut\.pth"):
        weights_file.load("cut.pth", "denoising")


@pytest.mark.parametrize("content", [[1, 2], 3.5, {}, {1: torch.zeros(2)}, {"_extra_state": 5}, {"_extra_state": {}}])
def test_files_that_are_no_state_dict_are_refused(content: object) -> None:
    torch.save(content, "odd.pth")
    with pytest.raises(InputError, match=r"odd\.pth"):
        weights_file.load("odd.pth", "denoising")


def test_a_failed_save_keeps_the_old_weights(denoiser: Network, small_disk: Path) -> None:
    path = small_disk / "d.pth"
    small = LSTMDenoiser(hidden_dim=2)
    weights_file.save(path, small.state_dict())
    before = path.read_bytes()
    with pytest.raises(InputError, match="cannot write"):
        weights_file.save(path, denoiser.state_dict())
    assert path.read_bytes() == before
    assert [file.name for file in small_disk.iterdir()] == ["d.pth"]
