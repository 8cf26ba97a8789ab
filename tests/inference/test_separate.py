"""Voices apart: masks, mixtures, networks, training, tracks that keep their voice."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from clearmel.audio import levels, sound_file
from clearmel.audio.complex_masks import (
    K,
    compress,
    compress_sigmoid,
    expand,
    expand_sigmoid,
    ideal_complex,
    ideal_ratio,
)
from clearmel.audio.features import MelFeatures
from clearmel.augmentation.policy import AugmentationPolicy
from clearmel.checkpoints import weights_file
from clearmel.data.multi_speaker import MultiSpeakerMixtures, role
from clearmel.data.separation_folder import SeparationFolder
from clearmel.data.splits import split_pools
from clearmel.inference.separate import separate_file
from clearmel.inference.voice_separator import VoiceSeparator
from clearmel.metrics import signal
from clearmel.metrics.permutation import best_order
from clearmel.networks import SEPARATORS, BandSplitSeparator, LookingToListen, LookingToListenFaces, Separator
from clearmel.options import MultiSpeakerOptions
from tests.conftest import ROOT, refused, run_script

RATE = 16000
STFT = MelFeatures(n_fft=512, hop_length=256)
SPEECH = str(ROOT / "data/speech")
SMALL = ("--hidden_dim", 16, "--num_layers", 1, "--no_plots")


def band(low_hz: float, high_hz: float, seconds: float, rng: np.random.Generator, rate: int = RATE) -> np.ndarray:
    """Noise of a range of frequencies, at a level that wavers as speech does."""
    n_samples = int(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequency = np.fft.rfftfreq(n_samples, 1 / rate)
    spectrum[(frequency < low_hz) | (frequency > high_hz)] = 0
    wave = np.fft.irfft(spectrum, n_samples)
    knots = np.arange(0, n_samples + rate, rate // 4)
    level = np.interp(np.arange(n_samples), knots, rng.uniform(0.2, 1, len(knots)))
    return (0.1 * wave / wave.std() * level).astype(np.float32)


@pytest.fixture
def bands(workplace: Path, rng: np.random.Generator) -> Path:
    """Two "speakers" that differ plainly: one below 1 kHz, one from 2 to 5 kHz."""
    for speaker, limits in (("low", (100, 1000)), ("high", (2000, 5000))):
        for number in range(3):
            sound_file.write(workplace / f"bands/{speaker}/{number}.wav", band(*limits, 3.0, rng), RATE)
    return workplace / "bands"


@pytest.fixture
def trained(bands: Path) -> VoiceSeparator:
    ran = run_script(
        "train_separation", "--clean_path", bands, "--val_clean_path", bands, "--epochs", 8, "--epoch_items", 24,
        "--val_items", 4, "--clip_s", 1, "--batch_size", 4, "--learning_rate", 0.01, "--augment", 0, *SMALL,
    )  # fmt: skip
    assert ran.status == 0, ran
    return VoiceSeparator.load("separator.pth")


class Flipping(Separator):
    """Splits at 1.5 kHz, and calls the lower part first or second in turn, in every call and for every item."""

    def __init__(self) -> None:
        super().__init__()
        self.card = {"features": STFT.card()}
        self.calls = 0

    def forward(self, spectrum: torch.Tensor, faces: torch.Tensor | None = None) -> torch.Tensor:
        low = (torch.arange(spectrum.shape[2]) < 48).to(spectrum).expand(spectrum.shape)
        self.calls += 1
        flipped = ((torch.arange(len(spectrum)) + self.calls) % 2).to(spectrum)[:, None, None]
        first = low * flipped + (1 - low) * (1 - flipped)
        return torch.stack([first, 1 - first], dim=1)


def save(network: Separator, features: MelFeatures = STFT) -> None:
    network.card = weights_file.make_card(network, "separation", features)
    weights_file.save(Path("models/separator.pth"), network.state_dict())


# Masks and figures


@pytest.mark.parametrize(("there", "back"), [(compress, expand), (compress_sigmoid, expand_sigmoid)])
def test_masks_come_back_from_their_compression(there: Callable, back: Callable) -> None:
    values = torch.linspace(-15, 15, 301, dtype=torch.float64)
    mask = torch.complex(values, values.flip(0))
    torch.testing.assert_close(back(there(mask)), mask, atol=1e-6, rtol=1e-6)
    assert float(there(mask).real.abs().max()) < K


def test_the_compression_is_the_published_formula() -> None:
    x = torch.tensor([-30.0, -1.0, 0.0, 2.0, 50.0], dtype=torch.float64)
    wanted = 10 * (1 - torch.exp(-0.1 * x)) / (1 + torch.exp(-0.1 * x))
    torch.testing.assert_close(compress(torch.complex(x, x)).imag, wanted)


def test_the_ideal_complex_mask_gives_the_voices_back_and_shares_add_up(rng: np.random.Generator) -> None:
    voices = torch.from_numpy(rng.normal(0, 0.1, (2, RATE)).astype(np.float32))
    spectra, spectrum = STFT.stft(voices), STFT.stft(voices.sum(dim=0))
    back = STFT.istft(spectrum * ideal_complex(spectra, spectrum), RATE)
    assert (signal.si_sdr(back, voices) > 40).all()
    ratio = ideal_ratio(spectra[None])
    torch.testing.assert_close(ratio.sum(dim=1), torch.ones_like(ratio[:, 0]), atol=1e-4, rtol=0)


def test_the_best_of_all_orders_counts(rng: np.random.Generator) -> None:
    voices = torch.from_numpy(rng.normal(size=(2, 3, 4000)).astype(np.float32))
    orders = torch.tensor([[2, 0, 1], [1, 0, 2]])
    estimates = torch.stack([voice[order] for voice, order in zip(voices, orders, strict=True)])
    ratios, found = best_order(estimates + 0.1 * torch.randn(2, 3, 4000), voices)
    assert ((ratios > 18) & (ratios < 22)).all()
    for item in range(2):
        torch.testing.assert_close(estimates[item][found[item]], voices[item])


def test_sdr_forgives_a_filter_but_no_noise(rng: np.random.Generator) -> None:
    target = torch.from_numpy(rng.normal(size=8000))
    target[-100:] = 0  # or the filter's end would be cut off
    filtered = torch.from_numpy(np.convolve(target, rng.normal(size=40))[:8000])
    noise = torch.from_numpy(rng.normal(size=8000))
    assert signal.sdr(filtered, target) > 40
    assert float(signal.si_sdr(filtered[None], target[None])) < 0
    noisy = filtered + noise * filtered.std() * 10 ** (-10 / 20)
    assert signal.sdr(noisy, target) == pytest.approx(10, abs=0.7)  # 512 taps explain a little of the noise


# Networks


def test_looking_to_listen_has_the_published_streams() -> None:
    network = LookingToListenFaces()
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert counts["audio"] == 2_835_480
    assert counts["visual"] == 2_560_512
    assert network.n_parameters() - LookingToListen().n_parameters() == 2_560_512 + 2 * 4 * 400 * 512


@pytest.mark.parametrize("n_frames", [7, 38])
@pytest.mark.parametrize("name", SEPARATORS)
def test_masks_fit_the_spectrum_and_do_not_hang_on_its_level(name: str, n_frames: int) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_dim": 12, "num_layers": 2} if name == "band_split" else {"hidden_dim": 12, "channels": 4}
    network = SEPARATORS[name](n_bins=129, n_voices=3, **sizes).eval()
    spectrum = torch.randn(2, n_frames, 129, dtype=torch.complex64)
    faces = torch.randn(2, 3, 11, 512) if network.faces else None
    found = network(spectrum, faces)
    assert found.shape == (2, 3, n_frames, 129)
    torch.testing.assert_close(network(spectrum * 0.01, faces), found, atol=1e-4, rtol=1e-3)


def test_shares_leave_nothing_twice_and_follow_the_magnitudes_alone() -> None:
    torch.manual_seed(0)
    spectrum = torch.randn(2, 9, 129, dtype=torch.complex64)
    turned = spectrum * torch.exp(1j * torch.rand(2, 9, 129) * 6.28)
    shares, complex_masks = (
        BandSplitSeparator(n_bins=129, hidden_dim=8, num_layers=1, phase=phase).eval() for phase in (False, True)
    )
    with torch.no_grad():
        found, same = shares(spectrum), shares(turned)
        first, second = complex_masks(spectrum), complex_masks(turned)
    assert not found.imag.any()
    assert float(found.real.min()) > 0
    assert float(found.real.sum(dim=1).max()) < 1
    torch.testing.assert_close(same, found, atol=1e-4, rtol=1e-3)
    assert float(first.imag.abs().mean()) > 1e-3
    assert float((second - first).abs().mean()) > 1e-3


def test_every_bin_lies_in_a_band() -> None:
    for n_bins in (65, 129, 257, 513, 1025):
        network = BandSplitSeparator(n_bins=n_bins, hidden_dim=4, num_layers=1)
        covered = sum(count * width for count, width in network.groups)
        assert n_bins <= covered < n_bins + 38 * (n_bins - 1) / 256


# Mixtures


def mixtures(split: str = "train", **changes: object) -> MultiSpeakerMixtures:
    usual = {"clean_path": SPEECH, "clip_s": 2.0, "epoch_items": 12, "val_items": 6, "val_fraction": 0.5}
    options = MultiSpeakerOptions(**usual | changes)  # type: ignore[arg-type]
    return MultiSpeakerMixtures(split, split_pools(options, 0)[split], options, STFT, 0)


def test_a_mixture_is_the_sum_of_voices_of_different_speakers_at_drawn_levels() -> None:
    data = mixtures(level_db=5.0)
    for index in range(12):
        drawn, waves = data.drawn(index), data[index].waves
        assert len(set(drawn.speakers)) == 2
        torch.testing.assert_close(waves["mixture"], waves["voice_1"] + waves["voice_2"], atol=1e-6, rtol=0)
        loud = [levels.active_level_db(voice) for voice in drawn.voices]
        assert abs(loud[0] - loud[1]) <= 5.01
    assert {split: sorted({s for k in range(6) for s in mixtures(split).drawn(k).speakers}) for split in ("val",)}[
        "val"
    ]


def test_validation_is_the_same_in_every_epoch_and_training_is_not() -> None:
    for split, alike in (("val", True), ("train", False)):
        data = mixtures(split)
        first = data[3].waves["mixture"]
        data.epoch = 4
        assert torch.equal(first, data[3].waves["mixture"]) == alike


def test_noise_lies_under_three_voices_at_the_drawn_snr() -> None:
    noise = {"noise_path": str(ROOT / "data/noise"), "noise_share": 1.0, "snr_min": 9.0, "snr_max": 9.0}
    data = mixtures(n_voices=3, val_fraction=0.0, augment=0.0, **noise)
    waves = data[0].waves
    voices = sum(waves[role(number)] for number in (1, 2, 3)).numpy()
    noise = waves["mixture"].numpy() - voices
    assert levels.active_level_db(voices) - levels.active_level_db(noise) == pytest.approx(9, abs=0.05)


def test_an_estimate_of_a_silent_voice_is_rated_by_its_level_below_the_mixture(rng: np.random.Generator) -> None:
    voice = torch.from_numpy(band(100, 1000, 1, rng))
    silent, faint = torch.zeros_like(voice), torch.from_numpy(band(2000, 4000, 1, rng))
    faint *= 0.1 * voice.norm() / faint.norm()
    voices, estimates = torch.stack([voice, silent])[None], torch.stack([faint, voice + faint])[None]
    ratios, order = best_order(estimates, voices, voice[None])
    assert order.tolist() == [[1, 0]]
    torch.testing.assert_close(ratios, torch.tensor([[20.0, 20.0]]), atol=0.1, rtol=0)


def test_some_training_mixtures_have_one_voice_and_validation_has_none() -> None:
    counts = {
        split: [sum(voice.any() for voice in mixtures(split, one_voice=0.5).drawn(index).voices) for index in range(6)]
        for split in ("train", "val")
    }
    assert set(counts["val"]) == {2}
    assert set(counts["train"]) == {1, 2}
    assert mixtures("train", one_voice=0.5)[0].waves.keys() == {"mixture", "voice_1", "voice_2"}


def test_in_a_room_the_target_is_the_early_part_of_each_voice() -> None:
    data = mixtures(augment=0.0, reverb=1.0)
    for index in range(4):
        drawn = data.drawn(index)
        late = drawn.mixture - np.sum(drawn.voices, axis=0)
        assert -40 < levels.active_level_db(late) - levels.active_level_db(drawn.mixture) < -1


def test_a_recording_chain_limits_the_band_of_voices_and_adds_hiss_to_the_mixture() -> None:
    noise = {"noise_path": str(ROOT / "data/noise"), "noise_share": 0.0, "augment": 1.0}
    data = mixtures(**noise)
    data.policy = AugmentationPolicy(
        lowpass_probability=1.0, lowpass_range_hz=(3000.0, 3000.0), hiss_probability=1.0, hiss_range_db=(20.0, 20.0)
    )
    for index in range(3):
        drawn = data.drawn(index)
        for voice in drawn.voices:
            power = np.square(np.abs(np.fft.rfft(voice)))
            assert power[4000 * len(voice) // RATE :].sum() < 1e-4 * power.sum()
        hiss = drawn.mixture - np.sum(drawn.voices, axis=0)
        below = levels.active_level_db(np.sum(drawn.voices, axis=0)) - levels.active_level_db(hiss)
        assert below == pytest.approx(20, abs=0.1)


def test_a_built_dataset_holds_each_mixtures_own_voices_and_masks(workplace: Path) -> None:
    flags = (
        "--clean_path", SPEECH, "--val_fraction", 0.5, "--epoch_items", 3, "--val_items", 2, "--clip_s", 1.5,
        "--output_path", "ds",
    )  # fmt: skip
    assert "3 train, 2 val" in run_script("build_separation_dataset", *flags).out
    for split, count in (("train", 3), ("val", 2)):
        for index in range(count):
            mixture, _rate = sf.read(f"ds/{split}/mix/{index:06d}.wav")
            voices = [sf.read(f"ds/{split}/clean/{index:06d}_{number}.wav")[0] for number in (1, 2)]
            np.testing.assert_allclose(sum(voices), mixture, atol=1e-5)
            stft = MelFeatures(n_fft=512, hop_length=160, win_length=400)
            mask = expand(torch.view_as_complex(torch.from_numpy(np.load(f"ds/{split}/crm/{index:06d}.npy"))))
            back = stft.istft(stft.stft(torch.from_numpy(mixture).float()) * mask, len(mixture))
            assert (signal.si_sdr(back, torch.from_numpy(np.stack(voices)).float()) > 15).all()
    before = {path: path.stat().st_mtime_ns for path in Path("ds").rglob("*.wav")}
    Path("ds/train/mix/000001.wav").unlink()
    run_script("build_separation_dataset", *flags)
    after = {path: path.stat().st_mtime_ns for path in Path("ds").rglob("*.wav")}
    assert before.keys() == after.keys()
    assert sum(before[path] != after[path] for path in before) == 3
    assert len(SeparationFolder(Path("ds/train"), STFT)) == 3


def test_librimix_folders_are_read_as_they_are(workplace: Path, rng: np.random.Generator) -> None:
    low, high = band(100, 900, 1, rng), band(2000, 4000, 1, rng)
    for folder, wave in (("mix_clean", low + high), ("s1", low), ("s2", high)):
        sound_file.write(workplace / f"libri/train-100/{folder}/a_b.wav", wave, RATE, "FLOAT")
    waves = SeparationFolder(Path("libri/train-100"), STFT)[0].waves
    torch.testing.assert_close(waves["voice_2"], torch.from_numpy(high), atol=1e-4, rtol=0)


def test_a_deeper_separator_begins_as_the_one_that_it_continues() -> None:
    torch.manual_seed(0)
    small = BandSplitSeparator(n_bins=257, hidden_dim=8, num_layers=2).eval()
    spectrum = torch.randn(1, 20, 257, dtype=torch.complex64)
    deep = BandSplitSeparator(n_bins=257, hidden_dim=8, num_layers=5).begin_from(small).eval()
    assert deep.sizes["num_layers"] == 5
    torch.testing.assert_close(deep(spectrum), small(spectrum), rtol=0, atol=0)
    deep(spectrum).abs().sum().backward()
    assert all(deep.along_time[layer].linear.weight.grad.abs().sum() > 0 for layer in range(5))  # all of it can learn
    assert BandSplitSeparator(hidden_dim=8, num_layers=1).begin_from(small) is small


# Training, separating, evaluating


def test_voices_are_told_apart_and_no_output_is_nearly_the_mixture(
    trained: VoiceSeparator, rng: np.random.Generator
) -> None:
    assert trained.network.card["scores"]["si_sdr_improvement"] > 8
    for number in range(2):
        pair = [band(100, 1000, 2, rng), band(2000, 5000, 2, rng)]
        voices = torch.from_numpy(np.stack(pair))
        found = torch.from_numpy(trained.separate(sum(pair)[None])[:, 0])
        assert (best_order(found[None], voices[None])[0] > 8).all()
        correlation = [float(torch.corrcoef(torch.stack([track, voices.sum(dim=0)]))[0, 1]) for track in found]
        assert max(correlation) < 0.95, number


def test_training_goes_without_validation_if_there_are_no_items(bands: Path) -> None:
    flags = ("--clean_path", bands, "--val_clean_path", bands, "--val_items", 0, "--epochs", 1, "--epoch_items", 4)
    ran = run_script("train_separation", *flags, "--clip_s", 1, *SMALL)
    assert ran.status == 0, ran
    assert "no validation set" in ran.out
    assert weights_file.load("models/separator.pth", "separation").card["scores"] == {}


def test_hearing_a_recording_again_between_its_frames_brings_the_voices_nearer(
    trained: VoiceSeparator, rng: np.random.Generator
) -> None:
    ratios = dict[int, list[float]]()
    for _number in range(4):
        pair = [band(100, 1000, 1.03, rng), band(2000, 5000, 1.03, rng)]
        for passes in (1, 2, 3):
            found = VoiceSeparator(trained.network, passes=passes).separate(sum(pair)[None])
            assert found.shape == (2, 1, len(pair[0]))
            wanted = torch.from_numpy(np.stack(pair))
            ratio = best_order(torch.from_numpy(found[:, 0])[None], wanted[None])[0]
            ratios.setdefault(passes, []).append(float(ratio.mean()))
    for passes in (2, 3):
        assert np.mean(ratios[passes]) > np.mean(ratios[1]) + 0.05


def test_evaluation_stands_between_the_mixture_and_ideal_masks(trained: VoiceSeparator, bands: Path) -> None:
    ran = run_script(
        "eval_separation", "--clean_path", bands, "--clip_s", 1, "--val_items", 3, "--json", "--csv_path", "r.csv"
    )
    table = {row["system"]: row for row in json.loads(ran.out)}
    assert table["mixture"]["si_sdr_improvement"] == pytest.approx(0, abs=1e-3)
    assert 5 < table["voices"]["si_sdr_improvement"] < table["ideal complex mask"]["si_sdr_improvement"]
    assert table["voices"]["sdr"] > table["mixture"]["sdr"] + 5
    assert len(Path("r.csv").read_text().splitlines()) == 1 + 3 * 4


@pytest.mark.parametrize(("rate", "n_channels", "seconds"), [(RATE, 1, 1.3), (44100, 2, 2.2), (8000, 1, 0.01)])
def test_tracks_have_the_recordings_rate_length_and_channels(
    trained: VoiceSeparator, rng: np.random.Generator, rate: int, n_channels: int, seconds: float
) -> None:
    wave = band(100, 1000, max(seconds, 1), rng, rate)[: int(seconds * rate)]
    sound_file.write("mix.wav", np.stack([wave] * n_channels), rate)
    ran = run_script("inference_separation", "--input_path", "mix.wav", "--output_path", "out", "--plot_dir", "p")
    assert ran.status == 0, ran
    for number in (1, 2):
        info = sf.info(f"out/voice_{number}.wav")
        assert (info.samplerate, info.channels, info.frames) == (rate, n_channels, len(wave))
    assert Path("p/mix_voices.png").exists()


def test_a_recording_of_one_voice_is_the_only_track_if_voices_are_counted(
    trained: VoiceSeparator, rng: np.random.Generator
) -> None:
    low, high = band(100, 1000, 4, rng), band(2000, 5000, 4, rng)
    pauses = np.repeat([0, 1, 1, 0, 1, 0, 1, 1], len(low) // 8)
    for name, wave in (("one.wav", low * pauses), ("two.wav", low * pauses + high * pauses[::-1])):
        sound_file.write(name, wave, RATE, "FLOAT")
    for name, flags, count, words in (
        ("one.wav", ["--n_voices", "auto"], 1, "found one voice only, so the track is the recording: 00:04"),
        ("one.wav", [], 2, "into 2 voices"),
        ("two.wav", ["--n_voices", "auto"], 2, "into 2 voices"),
    ):
        ran = run_script("inference_separation", "--input_path", name, "--output_path", "out", *flags)
        assert words in ran.err
        assert sorted(path.name for path in Path("out").glob("*.wav")) == ["voice_1.wav", "voice_2.wav"][:count]
        named = {line.split()[7] for line in Path("out/voices.rttm").read_text().splitlines()}
        assert len(named) == 2 or name == "one.wav"
        if count == 1:
            np.testing.assert_array_equal(sf.read("out/voice_1.wav")[0], sf.read("one.wav")[0])


class Passing(Separator):
    """Puts everything into the first track."""

    def __init__(self) -> None:
        super().__init__()
        self.card = {"features": STFT.card()}

    def forward(self, spectrum: torch.Tensor, faces: torch.Tensor | None = None) -> torch.Tensor:
        return torch.stack([torch.ones_like(spectrum), torch.zeros_like(spectrum)], dim=1)


def test_the_denoiser_brings_a_track_nearer_to_its_voice_in_noise(rng: np.random.Generator) -> None:
    speech = np.concatenate([sf.read(path)[0] for path in sorted((ROOT / "data/speech/it").glob("*.flac"))])[: 6 * RATE]
    recording = (speech + rng.normal(0, 0.3 * speech.std(), len(speech))).astype(np.float32)
    ratios = []
    for strength in (0.0, 0.3):
        separator = VoiceSeparator(Passing(), strength=strength)
        found = np.concatenate(list(separator.tracks(iter([recording[None]]))), axis=2)[:, 0]
        assert not found[1].any()
        ratios.append(float(signal.si_sdr(torch.from_numpy(found[0])[None], torch.from_numpy(speech)[None])))
    assert ratios[0] == pytest.approx(10.5, abs=0.5)  # noise of 0.3
    assert ratios[1] > ratios[0] + 1


def test_a_voice_stays_in_its_track_for_ten_minutes(workplace: Path, rng: np.random.Generator) -> None:
    low, high = band(100, 1000, 10, rng), band(2000, 5000, 10, rng)
    time = np.arange(600 * RATE) // (25 * RATE)
    low, high = np.tile(low, 60) * (time % 3 != 1), np.tile(high, 60) * (time % 4 != 2)  # one alone for 25 s at times
    sound_file.write("long.wav", low + high, RATE, "FLOAT")
    network = Flipping()
    separate_file(VoiceSeparator(network, passes=2), Path("long.wav"), Path("out"))
    assert network.calls > 60
    for number, wanted in ((1, low), (2, high)):
        track, _ = sf.read(f"out/voice_{number}.wav", dtype="float32")
        minutes = zip(np.split(track, 10), np.split(wanted.astype(np.float32), 10), strict=True)
        for ours, theirs in minutes:
            assert float(signal.si_sdr(torch.from_numpy(ours)[None], torch.from_numpy(theirs)[None])) > 15
    rows = [line.split() for line in Path("out/voices.rttm").read_text().splitlines()]
    assert {len(row) for row in rows} == {10}
    for name, silent in (("voice_1", lambda k: k % 3 == 1), ("voice_2", lambda k: k % 4 == 2)):
        spans = [(float(row[3]), float(row[3]) + float(row[4])) for row in rows if row[7] == name]
        wanted = [k for k in range(24) if not silent(k)]
        starts = [25 * k for k in wanted if k - 1 not in wanted]
        ends = [25 * (k + 1) for k in wanted if k + 1 not in wanted]
        assert spans == [pytest.approx(pair, abs=0.1) for pair in zip(starts, ends, strict=True)]
    labels = [line.split("\t") for line in Path("out/voices.txt").read_text().splitlines()]
    assert [(float(a), label) for a, _, label in labels] == [
        (pytest.approx(float(row[3]), abs=1e-3), row[7].replace("_", " ")) for row in rows
    ]


def test_a_folder_goes_on_after_a_bad_file(trained: VoiceSeparator, rng: np.random.Generator) -> None:
    for name in ("a/one.wav", "two.flac"):
        sound_file.write(f"many/{name}", band(100, 5000, 1, rng), RATE)
    Path("many/bad.wav").write_bytes(b"no sound")
    sound_file.write("many/silent.wav", np.zeros(RATE, np.float32), RATE)
    ran = run_script("inference_separation", "--input_path", "many", "--output_path", "out")
    assert ran.status == 1
    failed = [line for line in ran.err.splitlines() if line.startswith("failed:")]
    assert len(failed) == 2
    assert sorted(path.as_posix() for path in Path("out").rglob("*.wav")) == [
        "out/a/one/voice_1.wav", "out/a/one/voice_2.wav", "out/two/voice_1.wav", "out/two/voice_2.wav",
    ]  # fmt: skip


# Faces


@pytest.fixture
def faced(bands: Path, rng: np.random.Generator) -> Path:
    """A dataset whose faces tell who is who, on disk."""
    faces = {"low": rng.normal(size=512), "high": rng.normal(size=512)}
    for path in bands.rglob("*.wav"):
        face = np.tile(faces[path.parent.name] / 22.6, (75, 1, 1)).astype(np.float32)
        target = Path("faces") / path.relative_to(bands).with_suffix(".npy")
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, face)
    ran = run_script(
        "build_separation_dataset", "--clean_path", bands, "--val_clean_path", bands, "--faces_path", "faces",
        "--epoch_items", 12, "--val_items", 4, "--clip_s", 1, "--no_masks", "--output_path", "faced",
    )  # fmt: skip
    assert ran.status == 0, ran
    return Path("faced")


def test_faces_decide_which_voice_is_which(faced: Path) -> None:
    item = SeparationFolder(faced / "train", STFT, faces=True)[0]
    assert item.waves["faces"].shape == (2, 25, 512)
    ran = run_script(
        "train_separation", "--dataset_path", faced, "--network", "looking_to_listen_faces", "--channels", 8,
        "--hidden_dim", 24, "--linear_dim", 32, "--epochs", 24, "--batch_size", 3, "--clip_s", 1, "--learning_rate",
        0.003, "--hop_length", 256, "--no_plots",
    )  # fmt: skip
    assert ran.status == 0, ran
    network = weights_file.load("models/separator.pth", "separation")
    assert network.card["scores"]["si_sdr_improvement"] > 1  # a wrong order would be far below
    item = SeparationFolder(faced / "val", STFT, faces=True)[0]
    faces = item.waves["faces"].numpy()
    np.save("f.npy", faces)
    np.save("swapped.npy", faces[::-1])
    sound_file.write("mix.wav", item.waves["mixture"].numpy(), RATE, "FLOAT")
    for name in ("f", "swapped"):
        ran = run_script(
            "inference_separation", "--input_path", "mix.wav", "--faces_path", f"{name}.npy", "--output_path", name
        )
        assert ran.status == 0, ran
    voices = torch.stack([item.waves["voice_1"], item.waves["voice_2"]])
    for name, first in (("f", 0), ("swapped", 1)):
        track = torch.from_numpy(sf.read(f"{name}/voice_1.wav", dtype="float32")[0])
        ratios = signal.si_sdr(track.expand(2, -1), voices)
        assert ratios[first] > ratios[1 - first]


# Mistakes


def test_mistakes_are_one_line(bands: Path, workplace: Path, rng: np.random.Generator) -> None:
    save(BandSplitSeparator(n_bins=257, hidden_dim=4, num_layers=1))
    train = ("train_separation", "--epochs", 1, *SMALL)
    one = workplace / "one"
    sound_file.write(one / "me/a.wav", band(100, 900, 1, rng), RATE)
    refused(run_script(*train, "--clean_path", one, "--val_fraction", 0), "1 speaker(s)", "each of 2")
    refused(run_script(*train, "--clean_path", bands, "--n_voices", 4), "--n_voices 4", "2 / 3")
    refused(run_script(*train, "--network", "looking_to_listen_faces", "--clean_path", bands), "--dataset_path")
    refused(run_script("eval_separation", "--clean_path", SPEECH, "--n_voices", 3), "3 voices", "separate 2")
    sound_file.write("mix.wav", band(100, 900, 1, rng), RATE)
    np.save("f.npy", np.zeros((2, 25, 100), np.float32))
    refused(run_script("inference_separation", "--input_path", "mix.wav", "--faces_path", "f.npy"), "f.npy", "512")
    np.save("f.npy", np.zeros((2, 25, 512), np.float32))
    refused(run_script("inference_separation", "--input_path", "mix.wav", "--faces_path", "f.npy"), "need no faces")
    save(LookingToListenFaces(channels=2, hidden_dim=4, linear_dim=4))
    refused(run_script("inference_separation", "--input_path", "mix.wav"), "need the speakers' faces")
    ran = run_script("inference_separation", "--input_path", "mix.wav", "--passes", 17)
    assert (ran.status, "--passes: 17; expected 1 to 16" in ran.err) == (2, True)
    sound_file.write("silent.wav", np.zeros(RATE, np.float32), RATE)
    save(BandSplitSeparator(n_bins=257, hidden_dim=4, num_layers=1))
    refused(run_script("inference_separation", "--input_path", "silent.wav", "--output_path", "o"), "silent")
    assert not list(Path().glob("o/*"))


@pytest.mark.parametrize("fault", ["partner", "length", "silent", "short"])
def test_a_folder_of_mixtures_that_do_not_fit(workplace: Path, rng: np.random.Generator, fault: str) -> None:
    low, high = band(100, 900, 1, rng), band(2000, 4000, 1, rng)
    waves = {"mix/a": low + high, "clean/a_1": low, "clean/a_2": high}
    if fault == "partner":
        del waves["clean/a_2"]
    if fault == "length":
        waves["clean/a_2"] = high[:-100]
    if fault == "silent":
        waves["clean/a_2"] = high * 0
    for name, wave in waves.items():
        sound_file.write(f"ds/train/{name}.wav", wave, RATE, "FLOAT")
    words = {
        "partner": ("has 1 voice(s)", "expected 2"), "length": ("differ from the mixture",), "silent": ("is silent",),
        "short": ("lasts 1.00 s", "--clip_s 4"),
    }[fault]  # fmt: skip
    clip = 4 if fault == "short" else 0.5
    refused(run_script("train_separation", "--dataset_path", "ds", "--clip_s", clip, *SMALL), *words)
