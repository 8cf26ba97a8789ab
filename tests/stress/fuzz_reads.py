"""Reads and uses a file of each kind, as the commands do; AssertionError if its content is inconsistent."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.splice import Spliced
from clearmel.checkpoints import weights_file
from clearmel.core.npy import read_mel
from clearmel.data import cut_clips, labels
from clearmel.data.separation_folder import read_embeddings
from clearmel.data.splits import split_pools
from clearmel.data.waveform_cache import WaveformCache
from clearmel.inference import denoise, live
from clearmel.inference.classify import WindowClassifier
from clearmel.inference.cut import Editor
from clearmel.inference.separate import separate_file
from clearmel.inference.voice_separator import VoiceSeparator
from clearmel.options import BuildOptions, DenoiseOptions, FitOptions, PoolOptions, RawOptions
from clearmel.options.source import Source
from clearmel.prepare import noisy_speech
from clearmel.prepare.download import clip_lists, run
from clearmel.prepare.faces import build, read_image
from clearmel.runtime import load
from clearmel.segments.label_file import LabelFile
from clearmel.tasks import DenoisingTask
from clearmel.training import trainer
from tests.stress.fuzz_samples import DURATION_S, N_SAMPLES, NAMES, RATE


def read_a_mel(path: Path) -> None:
    mel = read_mel(path)
    assert mel.dtype == np.float32
    assert mel.ndim == 2
    assert mel.shape[1] == 80
    assert np.isfinite(mel).all()


def read_sound(path: Path) -> None:
    info = sound_file.inspect(path)
    pieces = list(sound_file.blocks(path, 0.1))
    assert all(piece.shape[0] == info.n_channels and np.isfinite(piece).all() for piece in pieces)
    n_samples = sum(piece.shape[1] for piece in pieces)
    assert info.n_samples == n_samples or info.subtype.startswith("MPEG")
    whole, _ = sound_file.read(path, RATE)
    streamed = sum(len(piece) for piece in sound_file.mono(path, RATE))
    assert abs(len(whole) - n_samples * RATE / info.sample_rate) <= 2
    assert abs(len(whole) - streamed) <= 2
    third = info.duration_s / 3
    with Spliced(path, [(third, 2 * third)]) as spliced:
        edited = spliced.read(0, min(spliced.n_samples, 100_000))
        assert np.isfinite(edited).all()


def read_pipe(path: Path) -> None:
    network = weights_file.load(Path("models/lstm.pth"), "denoising")
    kept = os.dup(0), os.dup(1)
    stdin, sys.stdin = sys.stdin, open(os.devnull)  # noqa: PTH123, SIM115  live only checks that it is not None
    try:
        for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
            handle = os.open(path if number == 0 else "piped.wav", flags)
            os.dup2(handle, number)
            os.close(handle)
        live.denoise(network, "-", "-", DenoiseOptions(), RawOptions())  # type: ignore[arg-type]
    finally:
        sys.stdin.close()
        sys.stdin = stdin
        for number, handle in enumerate(kept):
            os.dup2(handle, number)
            os.close(handle)


def read_labels(path: Path) -> None:
    store = LabelFile(path, NAMES)
    for name, labelled in zip(NAMES, store.labelled(NAMES), strict=True):
        entry = store.get(name, DURATION_S)
        assert entry.labelled == labelled
        assert all(0 <= a < b <= DURATION_S for a, b in entry.remove)
        assert set(store.frames(name, DURATION_S)) <= {0, 1}
    saved, entry = store.save("b.wav", [[0.1, 0.2]], DURATION_S, None)
    assert saved
    json.loads(path.read_text(encoding="utf-8"))
    assert LabelFile(path, NAMES).get("b.wav", DURATION_S) == entry


def read_clips(path: Path) -> None:
    found = cut_clips.find("clips", path)
    assert all(len(clip.label) and set(clip.label.tolist()) <= {0, 1} for clip in found.clips)


def read_mask(path: Path) -> None:
    target = Path("masks/a.npy")
    target.write_bytes(path.read_bytes())
    assert set(cut_clips.find("masks").clips[0].label.tolist()) <= {0, 1}


def read_esc50(path: Path) -> None:
    Path("esc/meta/esc50.csv").write_bytes(path.read_bytes())
    listing = labels.of_folder("esc")
    assert all((listing.root / name).is_file() for name in listing.names)
    labels.part(listing, "val", 1, 0.2, 0)


def read_speech_list(path: Path) -> None:
    pools = split_pools(PoolOptions(clean_path=str(path), noise_path="clips", val_fraction=0.0), 0)
    assert all(Path(pools["train"].clean_root, name).is_file() for name in pools["train"].clean)


def read_clip_list(path: Path) -> None:
    for clip in clip_lists.read(path):
        assert 0 <= clip.start_s < clip.end_s < float("inf")
        assert len(clip.stem) < 100


def read_clip_report(path: Path) -> None:
    report = run.Report.load(path)
    assert all(set(row) == set(run.FIELDS) for row in report.rows.values())


def read_build(path: Path) -> None:
    Path("built/build.json").write_bytes(path.read_bytes())
    options = BuildOptions(clean_path="speech", noise_path="clips", val_fraction=0.0, n_mixtures=1, reverb=0.0)
    noisy_speech.build(options, Path("built"), 1, overwrite=False)


def read_weights(path: Path) -> None:
    network = weights_file.load(path, None)
    short = Path("clips/a.wav")
    file, task = str(path.absolute()), network.card["task"]
    if task == "denoising":
        denoiser = load.load(file, "denoising")
        mel = read_mel("mel.npy", MelFeatures(**network.card["features"]).n_mels)
        assert denoise.estimate_mel(denoiser, mel).shape == mel.shape
        denoise.denoise_file(denoiser, short, Path("out.wav"))
    elif task == "classification":
        classifier = WindowClassifier.load(file)
        predictions = classifier.predict(short)
        row = classifier.row(predictions.mean())
        assert 0 <= row["probability"] <= 1
        classifier.others(row, 3)
    elif task == "cutting":
        assert all(0 <= p <= 1 for p in Editor.load(file).marks(short))
    else:
        for track in separate_file(VoiceSeparator.load(file), short, Path("voices")):
            assert sound_file.inspect(track).n_samples == N_SAMPLES


def read_resume(path: Path) -> None:
    Path("models/resumed.resume.pth").write_bytes(path.read_bytes())
    history = trainer.fit(training(), fitting(resume=True), Path("models/resumed.pth"))
    assert [row["epoch"] for row in history] == [1, 2]
    assert all(np.isfinite(row["train_loss"]) for row in history)
    weights_file.load(Path("models/resumed.pth"), "denoising")


def training() -> DenoisingTask:
    """A task that trains in seconds."""
    return DenoisingTask(Source("training"), sizes={"hidden_dim": 4}, network_name="lstm")


def fitting(*, resume: bool, epochs: int = 2) -> FitOptions:
    """Options of a training of two epochs."""
    return FitOptions(epochs=epochs, batch_size=2, device="cpu", resume=resume)


def read_faces(path: Path) -> None:
    found = read_embeddings(path)
    assert found.ndim == 3
    assert np.isfinite(found).all()


def read_made_faces(path: Path) -> None:
    target = Path("video/embeddings/clip.npy")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    build("video", _NoFaces(), 1, 0.08)


class _NoFaces:
    def faces(self, image: Any) -> list[Any]:
        return []


def read_frame(path: Path) -> None:
    image = read_image(path)
    assert image.ndim == 3
    assert image.shape[2] == 3


def read_decoded(path: Path) -> None:
    """The index of the cache of decoded recordings."""
    cache, names = Path("cache"), ["a.wav", "b.wav"]
    root = Path("clips").absolute()
    fresh = WaveformCache(root, names, RATE, cache)
    index = fresh.path.with_suffix(".npy")
    whole = index.read_bytes()
    try:
        index.write_bytes(path.read_bytes())
        again = WaveformCache(root, names, RATE, cache)
        assert sum(len(again[k]) for k in range(2)) == 2 * N_SAMPLES
        assert all(np.isfinite(again[k]).all() for k in range(2))
    finally:
        index.write_bytes(whole)


def read_decoded_samples(path: Path) -> None:
    """The samples in the cache of decoded recordings."""
    cache, names = Path("cache"), ["a.wav"]
    root = Path("clips").absolute()
    fresh = WaveformCache(root, names, RATE, cache)
    whole = fresh.path.read_bytes()
    try:
        fresh.path.write_bytes(path.read_bytes())
        assert len(WaveformCache(root, names, RATE, cache)[0]) == len(whole) // 2
    finally:
        fresh.path.write_bytes(whole)
