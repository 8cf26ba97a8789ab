import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clearmel.audio import levels, sound_file
from clearmel.audio.features import MelFeatures
from clearmel.augmentation import mix
from clearmel.augmentation.mix import Recipe
from clearmel.augmentation.recording_chain import Chain
from clearmel.augmentation.synthetic_noise import synthetic_noise
from clearmel.core.errors import InputError
from clearmel.data.noisy_speech import NoisySpeech
from clearmel.data.splits import Pool, split_pools
from clearmel.data.waveform_cache import WaveformCache
from clearmel.options import FitOptions, LossOptions, MixOptions
from clearmel.options.source import Source
from clearmel.tasks import DenoisingTask
from clearmel.training import trainer
from tests.conftest import ROOT, refused, run_script

SPEECH, NOISE = str(ROOT / "data/speech"), str(ROOT / "data/noise")
OPTIONS = MixOptions(clean_path=SPEECH, noise_path=NOISE, clip_s=1.0, epoch_items=8, val_items=3, min_range_db=15)


def mixtures(split: str = "train", seed: int = 0, **changes: float) -> NoisySpeech:
    options = replace(OPTIONS, **changes)  # type: ignore[arg-type]
    return NoisySpeech(split, split_pools(options, seed)[split], options, MelFeatures(), seed)


def waves(data: NoisySpeech, epoch: int = 0) -> np.ndarray:
    data.epoch = epoch
    return np.stack([torch.stack(list(data[k].waves.values())).numpy() for k in range(len(data))])  # (items, 2, N)


def test_recordings_are_what_the_files_hold_and_the_temporary_copy_goes() -> None:
    names = ["rain.flac", "wind.flac"]
    kept = WaveformCache(Path(NOISE), names, 8000)
    for index, name in enumerate(names):
        wanted = sound_file.read(Path(NOISE, name), 8000)[0]
        np.testing.assert_allclose(kept[index], wanted, atol=np.abs(wanted).max() / 60000)
    folder = kept.path.parent
    del kept
    assert not folder.exists()


def test_recordings_are_decoded_once_into_the_cache(workplace: Path) -> None:
    sound_file.write("sounds/a.wav", np.ones(100, np.float32) / 2, 16000)
    first = WaveformCache(Path("sounds"), ["a.wav"], 16000, Path("cache"))
    stamps = {path: path.stat().st_mtime_ns for path in Path("cache").iterdir()}
    again = WaveformCache(Path("sounds"), ["a.wav"], 16000, Path("cache"))
    np.testing.assert_array_equal(first[0], again[0])
    assert {path: path.stat().st_mtime_ns for path in Path("cache").iterdir()} == stamps
    sound_file.write("sounds/a.wav", np.ones(50, np.float32) / 4, 16000)
    assert len(WaveformCache(Path("sounds"), ["a.wav"], 16000, Path("cache"))[0]) == 50


def test_a_bad_recording_is_named_and_leaves_nothing_behind(workplace: Path) -> None:
    Path("cache").mkdir()
    Path("bad.wav").write_bytes(b"no sound")
    with pytest.raises(InputError, match=r"bad\.wav"):
        WaveformCache(workplace, ["bad.wav"], 16000, Path("cache"))
    assert not list(Path("cache").iterdir())


def test_a_mixture_follows_from_seed_epoch_and_number_alone() -> None:
    first = waves(mixtures(), epoch=3)
    np.testing.assert_array_equal(first, waves(mixtures(), epoch=3))
    assert first.shape == (8, 2, 16000)
    for other in (waves(mixtures(), epoch=4), waves(mixtures(seed=1), epoch=3)):
        assert all(np.abs(first[k] - other[k]).max() > 1e-3 for k in range(8))


def test_validation_is_the_same_in_every_epoch_and_of_other_recordings() -> None:
    data = mixtures("val")
    np.testing.assert_array_equal(waves(data, 0), waves(data, 5))
    pools = split_pools(OPTIONS, 0)
    for side in ("clean", "noise"):
        assert not set(getattr(pools["train"], side)) & set(getattr(pools["val"], side))


def test_without_augmentation_the_clean_side_is_speech_and_the_noise_has_the_drawn_snr() -> None:
    data = mixtures(augment=0.0, reverb=0.0, snr_min=6.0, snr_max=6.0, epoch_items=20)
    for noisy, clean in waves(data):
        assert levels.active_level_db(clean) - levels.active_level_db(noisy - clean) == pytest.approx(6, abs=0.05)


def test_some_items_are_speech_without_noise_and_the_rest_are_not() -> None:
    same = [np.allclose(noisy, clean, atol=1e-4) for noisy, clean in waves(mixtures(augment=1.0, epoch_items=120))]
    assert 1 <= sum(same) <= 24


@pytest.mark.parametrize(("balance", "wanted"), [(0.0, 0.9), (0.5, 0.75), (1.0, 0.5)])
def test_a_speaker_of_little_speech_is_drawn_as_often_as_asked_for(balance: float, wanted: float, rng) -> None:
    for name, seconds in (("a/1", 5), ("a/2", 4), ("b/1", 1)):
        tone = np.sin(np.arange(16000 * seconds) / 9) * (np.arange(16000 * seconds) // 4000 % 2)
        sound_file.write(f"speech/{name}.wav", tone.astype(np.float32) / 2, 16000)
    sound_file.write("noise/n.wav", rng.normal(0, 0.1, 16000).astype(np.float32), 16000)
    pool = Pool("speech", "noise", ("a/1.wav", "a/2.wav", "b/1.wav"), ("n.wav",))
    data = NoisySpeech("train", pool, replace(OPTIONS, speaker_balance=balance, reverb=0.0), MelFeatures(), 0)
    assert data.speech.share[:2].sum() == pytest.approx(wanted)


def test_made_noises_are_finite_bounded_and_unlike_each_other() -> None:
    made = [synthetic_noise(16000, 16000, np.random.default_rng(seed)) for seed in range(30)]
    assert all(np.abs(wave).max() == pytest.approx(1, abs=1e-5) for wave in made)
    spectra = np.stack([np.log(np.abs(np.fft.rfft(wave)).reshape(-1)[:8000].reshape(50, -1).mean(1)) for wave in made])
    alike = np.corrcoef(spectra - spectra.mean(axis=0))
    assert np.median(np.abs(alike[np.triu_indices(30, 1)])) < 0.5


def test_the_target_in_a_room_is_the_early_part() -> None:
    click = np.zeros(16000, np.float32)
    click[4000] = 1.0
    click[8000:12000] = np.sin(np.arange(4000))  # so that an active level exists
    room = Chain(room=(6.0, 5.0, 3.0, 0.5, 1.5), early=True)
    noisy, clean = mix.mix(click, Recipe((), 0.0, seed=1, chain=room), lambda _: click)
    np.testing.assert_allclose(noisy[3990:4600], clean[3990:4600], atol=1e-6)
    assert np.abs(clean[4820:7000]).max() < 1e-5 < 1e-3 < np.abs(noisy[4820:7000]).max()


def test_only_the_noisy_side_is_clipped() -> None:
    speech = sound_file.read(Path(SPEECH, "en/vm-sorry.flac"))[0]
    noisy, clean = mix.mix(speech, Recipe((), 0.0, seed=1, clip_db=6.0), lambda _: speech)
    np.testing.assert_array_equal(clean, speech)
    assert np.abs(noisy).max() == pytest.approx(np.abs(speech).max() / 10 ** (6 / 20), rel=1e-5)


def test_speech_that_is_not_clean_enough_is_left_out(workplace: Path, rng) -> None:
    hiss = rng.normal(0, 0.1, 32000).astype(np.float32)
    sound_file.write("speech/a/hiss.wav", hiss, 16000)
    sound_file.write("noise/b.wav", hiss, 16000)
    pool = Pool("speech", "noise", ("a/hiss.wav",), ("b.wav",))
    with pytest.raises(InputError, match="in no recording do the pauses lie 30 dB below"):
        NoisySpeech("train", pool, replace(OPTIONS, min_range_db=30.0), MelFeatures(), 0)


@pytest.mark.parametrize("losses", [{}, {"sdr_weight": 1.0}, {"resolution_weight": 1.0}])
def test_every_error_teaches(losses: dict[str, float]) -> None:
    only = {"mel_weight": 0.0, "spectrum_weight": 0.0} if losses else {}
    options = replace(OPTIONS, augment=0.0, reverb=0.0, snr_min=0.0, snr_max=0.0)
    job = DenoisingTask(
        Source(mixing=options), sizes={"hidden_dim": 24, "fine_bins": 32, "fine_dim": 16, "near_dim": 4},
        losses=LossOptions(**only | losses), network_name="gain",
    )  # fmt: skip
    fit = FitOptions(epochs=12, batch_size=4, learning_rate=0.01, device="cpu")
    history = trainer.fit(job, fit, Path("m.pth"))
    assert history[-1]["loss"] < history[0]["loss"] - 0.02
    assert history[-1]["si_sdr_denoised"] > history[-1]["si_sdr_noisy"] + 1


def test_a_run_on_mixtures_goes_on_as_if_it_had_not_ended(workplace: Path) -> None:
    flags = (
        "--clean_path", SPEECH, "--noise_path", NOISE, "--min_range_db", 15, "--clip_s", 1, "--epoch_items", 6,
        "--val_items", 2, "--batch_size", 3, "--hidden_dim", 8, "--fine_bins", 16, "--fine_dim", 8, "--near_dim", 3,
        "--no_plots", "--cache_path", "cache",
    )  # fmt: skip
    assert run_script("train_denoising", *flags, "--epochs", 3, "--model_filename", "a.pth").status == 0
    assert run_script("train_denoising", *flags, "--epochs", 1, "--model_filename", "b.pth").status == 0
    ran = run_script("train_denoising", *flags, "--epochs", 3, "--model_filename", "b.pth", "--resume", "--workers", 1)
    assert ran.status == 0, ran
    one, two = (json.loads(Path(f"models/{name}.history.json").read_text()) for name in "ab")
    assert one == two
    ran = run_script(
        "train_denoising", *flags, "--epochs", 4, "--model_filename", "b.pth", "--resume", "--mel_weight", 3
    )
    refused(ran, "of another run: mel_weight 0.5 (now 3.0)")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--noise_path", NOISE), ("--noise_path goes with --clean_path",)),
        (("--noise_path", NOISE, "--clean_path", SPEECH, "--noisy_path", SPEECH), ("without --noisy_path",)),
        (("--val_noise_path", NOISE), ("needs --noise_path",)),
        (("--noise_path", "none", "--clean_path", SPEECH), ("none does not exist",)),
        (("--noise_path", NOISE, "--clean_path", SPEECH, "--clip_s", 0, "--augment", 2), ("--clip_s 0", "--augment 2")),
        (("--fine_bins", 8), ("--fine_bins needs waves",)),
        (("--near_dim", 8), ("--near_dim is about the bins of the second stage", "--fine_bins")),
        (("--ahead_dim", 8), ("--ahead_dim is about the frames ahead", "--look_ahead")),
        (("--mel_weight", 0, "--spectrum_weight", 0), ("all 0",)),
    ],
)
def test_wrong_flags_of_mixing_get_one_line(flags: tuple[object, ...], words: tuple[str, ...]) -> None:
    refused(run_script("train_denoising", *flags, "--no_plots"), *words)


def test_a_card_tells_no_folder_of_this_computer() -> None:
    folders = {name: "/home/me" for name in vars(MixOptions()) if name.endswith("_path")}
    settings = DenoisingTask(Source(mixing=MixOptions(**folders, snr_min=-3.0))).settings()
    assert {"rir_path", "clean_path"} <= set(folders)
    assert "/home/me" not in settings.values()
    assert settings["snr_min"] == -3.0
