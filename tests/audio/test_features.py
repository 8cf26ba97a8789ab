import librosa
import numpy as np
import pytest
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.griffin_lim import griffin_lim, magnitude_of_mel
from clearmel.audio.mel_scale import hz_to_mel, mel_to_hz
from clearmel.audio.stft import power_of
from clearmel.core.errors import InputError
from tests.conftest import ROOT

FEATURES = MelFeatures()


def speech() -> torch.Tensor:
    return torch.from_numpy(sound_file.read(ROOT / "data/speech/en/vm-rec-name.flac")[0])


def test_mel_is_the_published_feature() -> None:
    wave = speech()
    mel = librosa.feature.melspectrogram(
        y=wave.numpy(), sr=16000, n_fft=1024, hop_length=256, n_mels=80, fmin=20, fmax=8000
    )
    np.testing.assert_allclose(FEATURES.mel(wave).numpy(), 1 + np.log(1e-12 + mel.T) / 10, atol=2e-4)


def test_a_long_wave_in_pieces_has_the_same_mel(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = torch.stack([speech()[:30001], speech()[10000:40001]])
    whole = FEATURES.mel(wave)
    monkeypatch.setattr("clearmel.audio.features.PIECE_FRAMES", 17)
    torch.testing.assert_close(FEATURES.mel(wave), whole, atol=1e-5, rtol=0)


def test_silence_sits_at_the_floor() -> None:
    assert FEATURES.mel(torch.zeros(4000)).unique().item() == pytest.approx(1 + np.log(1e-12) / 10)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3500.0])
def test_a_pure_tone_lands_in_its_band(frequency: float) -> None:
    tone = torch.sin(2 * torch.pi * frequency * torch.arange(16000) / 16000)
    limits = hz_to_mel(torch.tensor([20.0, 8000.0], dtype=torch.float64))
    centres = mel_to_hz(torch.linspace(*limits.tolist(), 82, dtype=torch.float64))[1:-1]
    band = int(FEATURES.mel(tone)[20].argmax())
    assert band == int((centres - frequency).abs().argmin())


def test_doubling_the_wave_adds_a_tenth_of_its_power_ratio() -> None:
    wave = speech()[8000:24000]
    change = FEATURES.mel(2 * wave) - FEATURES.mel(wave)
    loud = FEATURES.mel(wave) > -0.5
    torch.testing.assert_close(change[loud], torch.full_like(change[loud], np.log(4) / 10), atol=1e-4, rtol=0)


def test_stft_round_trip_returns_the_wave() -> None:
    wave = speech()[:10001]
    torch.testing.assert_close(FEATURES.istft(FEATURES.stft(wave), 10001), wave, atol=1e-5, rtol=0)


def test_the_inverted_magnitude_has_the_mels_it_was_made_from() -> None:
    mel = FEATURES.mel(speech().numpy())
    magnitude = magnitude_of_mel(FEATURES, mel)
    assert magnitude.min() >= 0
    again = FEATURES.mel_of_power(magnitude**2)
    loud = mel > mel.max() - 1.0
    assert np.abs(again - mel)[loud].mean() * 43.4 < 1.0  # dB


def test_griffin_lim_rebuilds_the_spectrogram() -> None:
    mel = FEATURES.mel(speech().numpy())
    wave = griffin_lim(FEATURES, mel)
    assert wave.shape == ((len(mel) - 1) * 256,)
    loud = mel > mel.max() - 1.0
    assert np.abs(FEATURES.mel(wave) - mel)[loud].mean() * 43.4 < 2.0  # dB
    np.testing.assert_array_equal(wave, griffin_lim(FEATURES, mel))


def test_griffin_lim_is_the_same_alone_and_in_a_batch() -> None:
    mels = np.stack([FEATURES.mel(speech().numpy())[k : k + 50] for k in (0, 60)])
    together = griffin_lim(FEATURES, mels)
    for mel, wave in zip(mels, together, strict=True):
        np.testing.assert_allclose(griffin_lim(FEATURES, mel), wave, atol=1e-5)


def test_griffin_lim_of_silence_is_silent_and_of_anything_finite(rng: np.random.Generator) -> None:
    assert np.abs(griffin_lim(FEATURES, np.full((9, 80), -1.7631, np.float32))).max() < 1e-4
    for mel in (np.full((2, 80), 1.9), rng.normal(size=(300, 80))):
        assert np.isfinite(griffin_lim(FEATURES, mel.astype(np.float32))).all()
    with pytest.raises(InputError, match="1 frame; expected two or more"):
        griffin_lim(FEATURES, np.zeros((1, 80), np.float32))


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"n_fft": 512, "hop_length": 160},
        {"top_db": 80.0, "pre_emphasis": 0.97, "exponent": 1},
        {"sample_rate": 44100, "n_fft": 4096, "win_length": 3969, "hop_length": 308, "n_mels": 256, "fmax": 17000.0},
    ],
)
def test_numpy_gives_the_features_and_waves_that_torch_gives(
    numbers: dict[str, float], rng: np.random.Generator
) -> None:
    features = MelFeatures(**numbers)  # type: ignore[arg-type]
    wave = sound_file.read(ROOT / "data/noisy.wav", features.sample_rate)[0][:40001]
    wave += rng.normal(0, 1e-3, len(wave)).astype(np.float32)  # where nothing sounds, rounding decides
    np.testing.assert_allclose(features.mel(wave), features.mel(torch.from_numpy(wave)).numpy(), atol=1e-5)
    spectrum = features.stft(wave)
    wanted = features.stft(torch.from_numpy(wave))
    np.testing.assert_allclose(spectrum, wanted.numpy(), atol=1e-6 * float(wanted.abs().max()))
    np.testing.assert_allclose(features.istft(spectrum, 40001), features.istft(wanted, 40001).numpy(), atol=1e-6)
    np.testing.assert_allclose(
        features.cepstrum(features.mel(wave)),
        features.cepstrum(features.mel(torch.from_numpy(wave))).numpy(),
        atol=2e-3,
    )


@pytest.mark.parametrize(
    "numbers",
    [
        {"fmax": 9000.0},
        {"fmin": 8000.0},
        {"hop_length": 2000},
        {"n_mels": 0},
        {"n_fft": 1023},
        {"win_length": 2000},
        {"top_db": -1.0},
    ],
)
def test_contradicting_numbers_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(InputError):
        MelFeatures(**numbers)  # type: ignore[arg-type]


def test_the_cepstrum_is_an_orthonormal_transform_of_the_bands(rng) -> None:
    mel = torch.from_numpy(rng.normal(0, 0.5, (7, 80)).astype(np.float32))
    whole = FEATURES.cepstrum(mel, 80)
    torch.testing.assert_close(whole.norm(dim=1), ((mel - 1) * 43.4294).norm(dim=1), rtol=1e-4, atol=0)
    flat = FEATURES.cepstrum(torch.full((3, 80), 0.5), 20)
    assert float(flat[:, 1:].abs().max()) < 1e-3
    ripple = 1 + torch.cos(3 * (torch.arange(80) + 0.5) * torch.pi / 80)[None]
    assert int(FEATURES.cepstrum(ripple).abs().argmax()) == 3


def test_a_short_window_sees_only_the_middle_of_the_frame() -> None:
    features = MelFeatures(n_fft=4096, win_length=512, hop_length=300, n_mels=40)
    wave = torch.zeros(16000)
    wave[8000] = 1.0
    active = (features.mel(wave) > -1.7).any(dim=1).nonzero()[:, 0] * 300
    assert 8000 - 256 - 300 < int(active.min()) < 8000 < int(active.max()) < 8000 + 256 + 300
    assert len(features.mel(wave)) == features.n_frames(16000)
    long = torch.randn(300 * 9000)  # made in pieces
    whole = features.relative(features.mel_of_power(power_of(features.stft(long))))
    torch.testing.assert_close(features.mel(long), whole, atol=2e-4, rtol=0)


def test_values_that_count_from_the_loudest_forget_the_level_and_end_at_the_floor() -> None:
    features = MelFeatures(top_db=60.0)
    wave = torch.randn(16000) * torch.linspace(0, 1, 16000) ** 8
    mel = features.mel(wave)
    torch.testing.assert_close(features.mel(0.01 * wave), mel, atol=1e-4, rtol=0)
    assert float(mel.max()) == 1.0
    assert float(mel.min()) == pytest.approx(1 - 60 / 43.43, abs=1e-3)


@pytest.mark.parametrize("numbers", [{"hop_length": 300}, {"win_length": 512}, {"top_db": 80.0}])
def test_features_without_a_way_back_are_no_denoiser_s(numbers: dict[str, float]) -> None:
    with pytest.raises(InputError, match="to invert the mel"):
        MelFeatures(**numbers).check_inverse()  # type: ignore[arg-type]
