"""What `fuzz_readers.py` feeds to each reader: whole samples, hostile ones made by hand, and ways to damage both.

Everything follows from seeds. A reader is a function that takes a file and uses what it has read, so that a value which
is only tripped over later is found, too; it raises AssertionError where what it got makes no sense.
"""

import io
import json
import os
import pickle
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch

from src import audio, builder, checkpoint, clip_lists, clips, downloading, engine, enhancement, faces, labels, live
from src.arrays import read_mel
from src.editing import Editor
from src.errors import InputError
from src.features import MelFeatures
from src.judging import Judge
from src.labeler.store import Store
from src.mixed_folders import read_embeddings
from src.networks import (
    BandSplitSeparator,
    GainDenoiser,
    LookingToListenFaces,
    LSTMClassifier,
    LSTMDenoiser,
    Network,
    RecurrentCutter,
)
from src.options import BuildOptions, CleanOptions, FitOptions, PoolOptions, RawOptions
from src.planning import split_pools
from src.recordings import Recordings
from src.separating import Voices, separate_file
from src.splicing import Spliced
from src.tasks import DenoisingTask
from src.tasks.base import Source

Rng = np.random.Generator
RATE = 16000
N_SAMPLES = 6000
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAV", "PCM_24"),
    "wavfloat": ("WAV", "FLOAT"),
    "wavulaw": ("WAV", "ULAW"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "w64": ("W64", "PCM_16"),
}
NAMES = ("a.wav", "b.wav", "folder/c.wav")
DURATION_S = N_SAMPLES / RATE


class Runs:
    """A pickle of it runs a command where it is read without care."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch owned",)


def wave(rng: Rng, n_samples: int = N_SAMPLES) -> np.ndarray:
    """A tone in noise (N,)."""
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(n_samples) / RATE)
    return np.asarray(tone + rng.normal(0, 0.02, n_samples), np.float32)


def sound(rng: Rng, container: str = "WAV", subtype: str = "PCM_16", n_channels: int = 1) -> bytes:
    """A sound file."""
    buffer = io.BytesIO()
    sf.write(buffer, np.stack([wave(rng)] * n_channels, axis=1), RATE, format=container, subtype=subtype)
    return buffer.getvalue()


def wav(
    rate: int = RATE, n_channels: int = 1, size: int | None = None, bits: int = 16, data: bytes = b"\1\2" * 400
) -> bytes:
    """A wav whose header may say anything."""
    width = n_channels * bits // 8
    form = struct.pack("<HHIIHH", 1, n_channels, rate, rate * width & 0xFFFFFFFF, width & 0xFFFF, bits)
    size = len(data) if size is None else size
    head = b"RIFF" + struct.pack("<I", min(36 + size, 0xFFFFFFFF)) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", size) + data


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    """An array as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def npy_saying(header: str, data: bytes = b"\0" * 640) -> bytes:
    """A .npy whose header is any text."""
    text = header.encode("latin-1", "replace") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def bad_arrays(shape: str) -> dict[str, bytes]:
    """Files called .npy that are none, or say what cannot be. `shape` is a right one, as text."""
    good = npy(np.zeros((3, 80), np.float32))
    archive = io.BytesIO()
    np.savez(archive, a=np.zeros((3, 80)))
    fields = "{{'descr': {}, 'fortran_order': {}, 'shape': {}}}"
    return {
        "empty": b"",
        "archive": archive.getvalue(),
        "cut archive": archive.getvalue()[:60],
        "only an archive's first letters": b"PK\x03\x04",
        "pickle": pickle.dumps(Runs()),
        "array of objects": npy(np.array([Runs()], dtype=object), allow_pickle=True),
        "10^15 frames": npy_saying(fields.format("'<f4'", "False", "(1000000000000000, 80)")),
        "10^400 frames": npy_saying(fields.format("'<f4'", "False", f"({10**400}, 80)")),
        "a product beyond 64 bits": npy_saying(fields.format("'<f4'", "False", "(4294967296, 4294967296, 80)")),
        "negative frames": npy_saying(fields.format("'<f4'", "False", "(-1, 80)")),
        "fractional frames": npy_saying(fields.format("'<f4'", "False", "(1.5, 80)")),
        "frames as truth": npy_saying(fields.format("'<f4'", "False", "(True, 80)")),
        "no shape": npy_saying(fields.format("'<f4'", "False", "()")),
        "empty shape": npy_saying(fields.format("'<f4'", "False", "(0, 80)")),
        "unknown type": npy_saying(fields.format("'<q9'", "False", shape)),
        "type of a kind": npy_saying(fields.format("('<f4', (3,))", "False", shape)),
        "type of fields": npy_saying(fields.format("[('a', '<f4')]", "False", shape)),
        "type of an enormous text": npy_saying(fields.format("'<U999999999'", "False", "(1, 80)")),
        "type of no bytes": npy_saying(fields.format("'<U0'", "False", shape)),
        "type of dates": npy_saying(fields.format("'<M8[ns]'", "False", shape)),
        "open bracket": npy_saying("{'descr': '<f4', 'shape': (3, 80"),
        "open quote": npy_saying("{'descr': '<f4"),
        "Python 2": npy_saying("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 80L), }"),
        "odd escape": npy_saying("{'descr': '\\d', 'fortran_order': False, 'shape': (3, 80)}"),
        "deep brackets": npy_saying("(" * 9000),
        "deep lists": npy_saying("[" * 300 + "]" * 300),
        "no dictionary": npy_saying("0"),
        "header of other keys": npy_saying("{'a': 1}"),
        "line breaks": npy_saying("{'descr':\n\n'<f4\n'}"),
        "header beyond the end": b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31),
        "unknown version": b"\x93NUMPY\x09\x09" + good[8:],
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "infinite": npy(np.full((3, 80), np.inf, np.float32)),
        "complex": npy(np.zeros((3, 80), complex)),
        "long doubles": npy(np.full((3, 80), 1e4000, np.longdouble)),
        "beyond float32": npy(np.full((3, 80), 1e300)),
    }


def bad_sounds() -> dict[str, bytes]:
    """Sound files that say what cannot be."""
    return {
        "empty": b"",
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(2000),
        "rate 0": wav(0),
        "rate 1 Hz": wav(1, data=b"\1\2" * 200_000),
        "rate 2^31 - 1": wav((1 << 31) - 1),
        "rate 2^31": wav(1 << 31),
        "rate 2^32 - 1": wav((1 << 32) - 1),
        "no channel": wav(n_channels=0),
        "1000 channels": wav(n_channels=1000, data=b"\1\2" * 4000),
        "65535 channels": wav(n_channels=65535, data=b"\1\2" * 70000),
        "4 GB promised": wav(size=0xFFFFFFF0),
        "2 GB promised": wav(size=0x7FFFFFF0),
        "0 promised": wav(size=0),
        "0 bits": wav(bits=0),
        "1024 bits": wav(bits=1024),
        "no data": wav(data=b""),
        "half a sample": wav(data=b"\1"),
        "infinite samples": b"".join([sound(np.random.default_rng(1), "WAV", "FLOAT")[:-4000], b"\xff" * 4000]),
        "id3 alone": b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(400),
        "mp3 frames of noise": b"\xff\xfb\x90\x64" * 700,
        "ogg pages of nothing": b"OggS" * 300,
        "flac of 2^36 samples": b"fLaC\x80\0\0\x22\x10\0\x10\0" + bytes(6) + b"\x03\xe8\0" + b"\xff" * 21 + bytes(400),
        "aiff of 2^32 samples": b"FORM\x7f\xff\xff\xffAIFFCOMM\0\0\0\x12\0\1\xff\xff\xff\xff\0\x10\x40\x0c\xfa\0"
        + bytes(6) + b"SSND\x7f\xff\xff\xf0" + bytes(400),
        "raw noise": np.random.default_rng(2).bytes(4000),
    }  # fmt: skip


def bad_json() -> dict[str, bytes]:
    """JSON that is none, or of the wrong kind."""
    spans = '{{"format": "clearmel spans 1", "files": {{"a.wav": {}}}}}'
    texts = {
        "empty": "",
        "null": "null",
        "a list": "[]",
        "deep": "[" * 100_000 + "]" * 100_000,
        "deep objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
        "deep label": '{"a": ' + "[" * 900 + "]" * 900 + "}",
        "files is a list": '{"format": "clearmel spans 1", "files": []}',
        "no files": '{"format": "clearmel spans 1"}',
        "remove is null": spans.format('{"remove": null}'),
        "no remove": spans.format("{}"),
        "NaN": spans.format('{"remove": [[NaN, 1]]}'),
        "infinity": spans.format('{"remove": [[0, Infinity]]}'),
        "1e400": spans.format('{"remove": [[0, 1e400]]}'),
        "10^400": spans.format(f'{{"remove": [[0, {10**400}]]}}'),
        "10^5000": spans.format('{"remove": [[0, 1' + "0" * 5000 + "]]}"),
        "span of spans": spans.format('{"remove": [[[0], 1]]}'),
        "texts": spans.format('{"remove": [["0", "1"]]}'),
        "truths": spans.format('{"remove": [[false, true]]}'),
        "backwards": spans.format('{"remove": [[1, 0]]}'),
        "long text": spans.format('{"remove": [["' + "x" * 1_000_000 + '", 1]]}'),
        "line breaks": spans.format('{"remove": [["\\n\\n", 1]]}'),
        "half a character": spans.format('{"remove": [["\\ud800", 1]]}'),
        "twice": '{"a": [1], "a": [0, 2]}',
        "label of NaN": '{"a": [NaN]}',
        "label of 10^400": f'{{"a": [{10**400}]}}',
        "label of texts": '{"a": ["1"]}',
        "label is a text": '{"a": "x"}',
        "label of label": '{"a": {"label": {"label": [1]}}}',
        "label is null": '{"a": {"label": null}}',
        "long label": '{"a": [' + "1," * 100_000 + "1]}",
        "key of escapes": '{"\\u001b[2J": 1}',
        "open": '{"a": [1, 0',
        "comma": '{"a": [1, 0,]}',
    }
    return {name: text.encode() for name, text in texts.items()} | {
        "UTF-16": '{"a": [1]}'.encode("utf-16"),
        "byte order mark": b"\xef\xbb\xbf" + b'{"a": [1]}',
        "NUL": b'{"a": [1]}\0',
        "no UTF-8": b'{"\xff\xfe": [1]}',
    }


def bad_tables(header: str, row: str) -> dict[str, bytes]:
    """CSV files that lack something or have too much of it."""
    texts = {
        "empty": "",
        "header alone": header + "\n",
        "no header": row + "\n",
        "wrong columns": "a,b,c\n1,2,3\n",
        "too few cells": f"{header}\n{row.split(',')[0]}\n",
        "too many cells": f"{header}\n{row},{row},{row}\n",
        "open quote": f'{header}\n"{row}\n{row}\n',
        "quote over lines": f'{header}\n"a\nb\nc",1,2,3,4,5\n',
        "long line": f"{header}\n{'x' * 10_000_000}\n",
        "long cells": f"{header}\n{','.join(['y' * 120_000] * 6)}\n",
        "long names of columns": ",".join(["z" * 100_000] * 9) + f"\n{row}\n",
        "many rows": f"{header}\n" + f"{row}\n" * 20_000,
        "names twice": f"{header},{header}\n{row},{row}\n",
        "NUL": f"{header}\n{row}\0\n",
        "escapes": f"{header}\n" + ",".join(["\x1b[2J"] * 6) + "\n",
        "other digits": f"{header}\na.wav,²,x,²,²,²\n",
        "digits without end": f"{header}\na.wav,{'9' * 5000},x,{'9' * 5000}\n",
        "not numbers": f"{header}\na.wav,nan,x,inf,-1\n",
        "paths": f"{header}\n../../../../etc/passwd,1,../..,1\n",
        "names of no file": f"{header}\n{'d/' * 3000}a.wav,1,x\n",
        "lone returns": f"{header}\r{row}\r",
        "only commas": ",,,,\n" * 50,
    }
    return {name: text.encode() for name, text in texts.items()} | {
        "UTF-16": f"{header}\n{row}\n".encode("utf-16"),
        "no UTF-8": f"{header}\n{row}".encode() + b"\xff\xfe\n",
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(2000),
    }


VALUES: list[Any] = [
    None, True, -1, 0, 3, 10**9, 10**18, 10**400, 1e308, 0.5, float("nan"), float("inf"), "", "x", "9" * 1000,
    "\n\x1b[2J", [], [1], ["a"], {}, {"a": 1}, torch.zeros(3), torch.full((2, 2), float("nan")),
    torch.zeros(1).expand(10**12),
]  # fmt: skip


def spoilt(content: Any, rng: Rng) -> Any:
    """A nested dict or list with one value at a random place replaced, left out, renamed or turned."""
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    if not keys:
        return VALUES[rng.integers(len(VALUES))]
    key = keys[rng.integers(len(keys))]
    if isinstance(content, dict) and "_extra_state" in content and rng.random() < 0.7:
        key = "_extra_state"
    changed = dict(content) if isinstance(content, dict) else list(content)
    value = content[key]
    if isinstance(value, dict | list) and rng.random() < 0.9:
        changed[key] = spoilt(value, rng)
    elif isinstance(value, torch.Tensor) and rng.random() < 0.6:
        ways: list[Callable[[], torch.Tensor]] = [
            lambda: value * float("nan"), lambda: value[None], lambda: value.flatten()[:0],
            lambda: value.to(torch.int32), lambda: value.to(torch.complex64), lambda: value.to_sparse(),
            lambda: value * 1e30, lambda: value.double(),
        ]  # fmt: skip
        changed[key] = ways[rng.integers(len(ways))]()
    elif isinstance(changed, dict) and rng.random() < 0.15:
        del changed[key]
    elif isinstance(changed, dict) and rng.random() < 0.1:
        changed[[5, "other", "", ("a", 1)][rng.integers(4)]] = changed.pop(key)
    else:
        changed[key] = VALUES[rng.integers(len(VALUES))]
    return changed


def pth(content: Any, *, legacy: bool = False) -> bytes:
    """A file as torch.save makes it."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def networks() -> dict[str, tuple[str, Network, MelFeatures, list[str], dict[str, Any], dict[str, float]]]:
    """A tiny network for each task, and what its card says besides."""
    torch.manual_seed(0)
    mel, short = MelFeatures(), MelFeatures(n_fft=512)
    scores, sides = {"loss": 0.5, "temperature": 1.2}, ["noisy", "clean"]
    return {
        "denoiser": ("denoising", GainDenoiser(hidden_dim=4, fine_bins=8, fine_dim=4), mel, [], {"items": 3}, {}),
        "lstm": ("denoising", LSTMDenoiser(hidden_dim=4), mel, [], {}, {}),
        "classifier": ("classification", LSTMClassifier(hidden_dim=4), mel, sides, {"clip_s": 0.2}, scores),
        "classes": ("classification", LSTMClassifier(n_classes=3, hidden_dim=4), mel, ["a", "b", "c"], {}, scores),
        "cutter": ("cleaning", RecurrentCutter(hidden_dim=4, num_layers=1), mel, [], {}, {"threshold": 0.4}),
        "separator": ("separation", BandSplitSeparator(n_bins=257, hidden_dim=4, num_layers=1), short, [], {}, {}),
    }  # fmt: skip


def states() -> dict[str, dict[str, Any]]:
    """The tiny networks as state dicts with their cards."""
    found = {}
    for name, (task, network, features, names, training, scores) in networks().items():
        network.card = checkpoint.make_card(network, task, features, names, training, scores)
        found[name] = dict(network.state_dict())
    plain = LSTMClassifier(hidden_dim=4).state_dict()
    return found | {"original": {key: value for key, value in plain.items() if key != "_extra_state"}}


def bad_cards() -> dict[str, bytes]:
    """Weights with cards that ask for too much, or for what does not go together."""
    found = {}
    for name, state in states().items():
        card = state.get("_extra_state", {})
        changes = [("sizes", size, 10**9) for size in card.get("sizes", {})]
        numbers = ("n_fft", "n_mels", "sample_rate", "hop_length")
        changes += [("features", number, value) for number in numbers for value in (1, 2**30, 10**400) if card]
        for part, key, value in changes:
            changed = card | {part: card[part] | {key: value}}
            found[f"{name} of {key} {str(value)[:12]}"] = pth(state | {"_extra_state": changed})
        for task in ("denoising", "classification", "cleaning", "separation") if card else ():
            if task == card["task"]:
                continue
            found[f"{name} for {task}"] = pth(state | {"_extra_state": card | {"task": task}})
        found[f"{name} with a wide tensor"] = pth(state | {"wide": torch.zeros(1).expand(10**12)})
    return found


def bad_weights() -> dict[str, bytes]:
    """Files called .pth that are none, or run code."""
    return {
        "empty": b"",
        "pickle that runs a command": pickle.dumps(Runs()),
        "weights that run a command": pth({"a": Runs()}),
        "the same, as older versions save": pth({"a": Runs()}, legacy=True),
        "text protocol": b"cos\nsystem\n(S'touch owned'\ntR.",
        "a list": pth([1, 2]),
        "a number": pth(5),
        "nothing in it": pth({}),
        "keys that are no names": pth({1: torch.zeros(2)}),
        "card alone": pth({"_extra_state": {"format": 1}}),
        "card is a list": pth({"_extra_state": [1], "a": torch.zeros(2)}),
        "unknown tensors": pth({"a" * 100_000: torch.zeros(2), "\n\x1b[2J": torch.zeros(1)}),
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(2000),
        "sound": sound(np.random.default_rng(3)),
        "archive of nothing": b"PK\x05\x06" + bytes(18),
        "deep pickle": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "giant text": b"\x80\x02X\xff\xff\xff\x7f.",
    }


# Readers. Each works in a folder that `prepare` has filled.


def read_a_mel(path: Path) -> None:
    mel = read_mel(path)
    assert mel.dtype == np.float32
    assert mel.ndim == 2
    assert mel.shape[1] == 80
    assert np.isfinite(mel).all()


def read_sound(path: Path) -> None:
    info = audio.inspect(path)
    pieces = list(audio.blocks(path, 0.1))
    assert all(piece.shape[0] == info.n_channels and np.isfinite(piece).all() for piece in pieces)
    n_samples = sum(piece.shape[1] for piece in pieces)
    assert info.n_samples == n_samples or info.subtype.startswith("MPEG")
    whole, _ = audio.read(path, RATE)
    streamed = sum(len(piece) for piece in audio.mono(path, RATE))
    assert abs(len(whole) - n_samples * RATE / info.sample_rate) <= 2
    assert abs(len(whole) - streamed) <= 2
    third = info.duration_s / 3
    with Spliced(path, [(third, 2 * third)]) as spliced:
        edited = spliced.read(0, min(spliced.n_samples, 100_000))
        assert np.isfinite(edited).all()


def read_pipe(path: Path) -> None:
    network = checkpoint.load(Path("models/lstm.pth"), "denoising")
    kept = os.dup(0), os.dup(1)
    stdin, sys.stdin = sys.stdin, open(os.devnull)  # noqa: PTH123, SIM115  live asks only whether there is one
    try:
        for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
            handle = os.open(path if number == 0 else "piped.wav", flags)
            os.dup2(handle, number)
            os.close(handle)
        live.clean(network, "-", "-", CleanOptions(), RawOptions())  # type: ignore[arg-type]
    finally:
        sys.stdin.close()
        sys.stdin = stdin
        for number, handle in enumerate(kept):
            os.dup2(handle, number)
            os.close(handle)


def read_labels(path: Path) -> None:
    store = Store(path, NAMES)
    for name, labelled in zip(NAMES, store.labelled(NAMES), strict=True):
        entry = store.get(name, DURATION_S)
        assert entry.labelled == labelled
        assert all(0 <= a < b <= DURATION_S for a, b in entry.remove)
        assert set(store.frames(name, DURATION_S)) <= {0, 1}
    saved, entry = store.save("b.wav", [[0.1, 0.2]], DURATION_S, None)
    assert saved
    json.loads(path.read_text(encoding="utf-8"))
    assert Store(path, NAMES).get("b.wav", DURATION_S) == entry


def read_clips(path: Path) -> None:
    found = clips.find("clips", path)
    assert all(len(clip.label) and set(clip.label.tolist()) <= {0, 1} for clip in found.clips)


def read_mask(path: Path) -> None:
    target = Path("masks/a.npy")
    target.write_bytes(path.read_bytes())
    assert set(clips.find("masks").clips[0].label.tolist()) <= {0, 1}


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
    report = downloading.Report.load(path)
    assert all(set(row) == set(downloading.FIELDS) for row in report.rows.values())


def read_build(path: Path) -> None:
    Path("built/build.json").write_bytes(path.read_bytes())
    options = BuildOptions(clean_path="speech", noise_path="clips", val_fraction=0.0, n_mixtures=1, reverb=0.0)
    builder.build(options, Path("built"), 1, overwrite=False)


def read_weights(path: Path) -> None:
    network = checkpoint.load(path, None)
    short = Path("clips/a.wav")
    file, task = str(path.absolute()), network.card["task"]
    if task == "denoising":
        denoiser = checkpoint.load_denoiser(file)
        mel = read_mel("mel.npy", MelFeatures(**network.card["features"]).n_mels)
        assert enhancement.estimate_mel(denoiser, mel).shape == mel.shape
        enhancement.clean_file(denoiser, short, Path("out.wav"))
    elif task == "classification":
        judge = Judge.load(file)
        heard = judge.listen(short)
        row = judge.row(heard.mean())
        assert 0 <= row["probability"] <= 1
        judge.others(row, 3)
    elif task == "cleaning":
        assert all(0 <= p <= 1 for p in Editor.load(file).marks(short))
    else:
        for track in separate_file(Voices.load(file), short, Path("voices")):
            assert audio.inspect(track).n_samples == N_SAMPLES


def read_resume(path: Path) -> None:
    Path("models/resumed.resume.pth").write_bytes(path.read_bytes())
    history = engine.fit(training(), fitting(resume=True), Path("models/resumed.pth"))
    assert [row["epoch"] for row in history] == [1, 2]
    assert all(np.isfinite(row["train_loss"]) for row in history)
    checkpoint.load(Path("models/resumed.pth"), "denoising")


def training() -> DenoisingTask:
    """A task of seconds."""
    return DenoisingTask(Source("training"), sizes={"hidden_dim": 4}, network_name="lstm")


def fitting(*, resume: bool, epochs: int = 2) -> FitOptions:
    """Options of two epochs."""
    return FitOptions(epochs=epochs, batch_size=2, device="cpu", resume=resume)


def read_faces(path: Path) -> None:
    found = read_embeddings(path)
    assert found.ndim == 3
    assert np.isfinite(found).all()


def read_made_faces(path: Path) -> None:
    target = Path("video/embeddings/clip.npy")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    faces.build("video", _NoFaces(), 1, 0.08)


class _NoFaces:
    def faces(self, image: Any) -> list[Any]:
        return []


def read_frame(path: Path) -> None:
    image = faces.read_image(path)
    assert image.ndim == 3
    assert image.shape[2] == 3


def read_decoded(path: Path) -> None:
    """The index of decoded recordings that a run keeps for the next one."""
    cache, names = Path("cache"), ["a.wav", "b.wav"]
    root = Path("clips").absolute()
    fresh = Recordings(root, names, RATE, cache)
    index = fresh.path.with_suffix(".npy")
    whole = index.read_bytes()
    try:
        index.write_bytes(path.read_bytes())
        again = Recordings(root, names, RATE, cache)
        assert sum(len(again[k]) for k in range(2)) == 2 * N_SAMPLES
        assert all(np.isfinite(again[k]).all() for k in range(2))
    finally:
        index.write_bytes(whole)


def read_decoded_samples(path: Path) -> None:
    """The samples themselves."""
    cache, names = Path("cache"), ["a.wav"]
    root = Path("clips").absolute()
    fresh = Recordings(root, names, RATE, cache)
    whole = fresh.path.read_bytes()
    try:
        fresh.path.write_bytes(path.read_bytes())
        assert len(Recordings(root, names, RATE, cache)[0]) == len(whole) // 2
    finally:
        fresh.path.write_bytes(whole)


@dataclass(frozen=True)
class Reader:
    """A reader.

    suffix: of its files. read: uses one. samples: whole files. hostile: files that need no damage. text: whether they
    are. share: of the cases, relative to the others.
    """

    suffix: str
    read: Callable[[Path], None]
    samples: Callable[[Rng], dict[str, bytes]]
    hostile: Callable[[], dict[str, bytes]]
    text: bool = False
    share: float = 1.0


def _sounds(rng: Rng) -> dict[str, bytes]:
    found = {name: sound(rng, *form) for name, form in FORMATS.items()}
    return found | {"stereo": sound(rng, n_channels=2)}


def _label_files(rng: Rng) -> dict[str, bytes]:
    frames = rng.integers(0, 2, 10).tolist()
    spans = {
        "format": "clearmel spans 1",
        "files": {"a.wav": {"remove": [[0.05, 0.1], [0.2, 0.3]], "duration_s": DURATION_S}},
    }
    return {name: json.dumps(value).encode() for name, value in {
        "spans": spans, "lists": {"a": frames, "c": []}, "objects": {"a": {"label": frames, "note": "x"}},
    }.items()}  # fmt: skip


ESC50 = ("filename,fold,target,category", "a.wav,1,0,dog")
LISTED = ("filename", "clips/a.wav")
CLIP = ("id,start,end", "dQw4w9WgXcQ,1.5,4.5")
REPORT = (",".join(downloading.FIELDS), "1,dQw4w9WgXcQ,1.5,4.5,ok,")


def _table(header: str, *rows: str) -> Callable[[Rng], dict[str, bytes]]:
    return lambda _: {"table": "\n".join([header, *rows, ""]).encode()}


def _bad_table(form: tuple[str, str]) -> Callable[[], dict[str, bytes]]:
    return lambda: bad_tables(*form)


def _picture(rng: Rng) -> dict[str, bytes]:
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return {"frame": buffer.getvalue()}


def _bad_pictures() -> dict[str, bytes]:
    bomb = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb += struct.pack(">I", zlib.crc32(bomb[12:]))
    return {"empty": b"", "bomb": bomb, "sound": wav(), "text": b"no picture"}


READERS: dict[str, Reader] = {
    "mel": Reader(
        ".npy", read_a_mel, lambda rng: {"mel": npy(rng.normal(0, 0.3, (9, 80)).astype(np.float32)),
                                         "doubles": npy(np.asfortranarray(rng.normal(0, 0.3, (5, 80))))},
        lambda: bad_arrays("(3, 80)"),
    ),
    "sound": Reader(".wav", read_sound, _sounds, bad_sounds, share=3),
    "pipe": Reader(
        ".wav", read_pipe, lambda rng: {"wav": sound(rng), "float": sound(rng, "WAV", "FLOAT", 2), "open": wav(
            size=0xFFFFFFFF, data=wave(rng).tobytes())}, bad_sounds,
    ),
    "labels of the page": Reader(".json", read_labels, _label_files, bad_json, text=True, share=2),
    "labels to train on": Reader(".json", read_clips, _label_files, bad_json, text=True),
    "mask": Reader(".npy", read_mask, lambda rng: {"mask": npy(rng.integers(0, 2, 10))}, lambda: bad_arrays("(10,)")),
    "ESC-50's table": Reader(".csv", read_esc50, _table(*ESC50, "b.wav,2,1,cat"), _bad_table(ESC50), text=True),
    "list of speech": Reader(".csv", read_speech_list, _table(*LISTED, "clips/b.wav"), _bad_table(LISTED), text=True),
    "list of clips": Reader(".csv", read_clip_list, _table(*CLIP, "http://x.org/a.mp4,0,3"), _bad_table(CLIP),
                            text=True),
    "report of clips": Reader(".csv", read_clip_report, _table(*REPORT), _bad_table(REPORT), text=True),
    "build.json": Reader(".json", read_build, lambda _: {"own": Path("whole_build.json").read_bytes()}, bad_json,
                         text=True, share=0.5),
    "weights": Reader(".pth", read_weights, lambda _: {name: pth(state) for name, state in states().items()},
                      lambda: bad_weights() | bad_cards(), share=4),
    "resume file": Reader(".pth", read_resume, lambda _: {"own": Path("whole_resume.pth").read_bytes()}, bad_weights,
                          share=2),
    "faces": Reader(".npy", read_faces, lambda rng: {"faces": npy(rng.normal(0, 1, (2, 5, 512)).astype(np.float32))},
                    lambda: bad_arrays("(2, 5, 512)")),
    "faces made before": Reader(".npy", read_made_faces, lambda _: {"faces": npy(np.zeros((2, 1, 512), np.float32))},
                                lambda: bad_arrays("(2, 1, 512)"), share=0.5),
    "frame of a video": Reader(".jpg", read_frame, _picture, _bad_pictures, share=0.5),
    "decoded recordings": Reader(".npy", read_decoded, lambda _: {"index": Path("whole_index.npy").read_bytes()},
                                 lambda: bad_arrays("(3, 2)"), share=0.5),
    "decoded samples": Reader(".pcm", read_decoded_samples, lambda _: {"own": Path("whole_samples.pcm").read_bytes()},
                              lambda: {"empty": b""}, share=0.5),
}  # fmt: skip


def prepare() -> None:
    """Fills the current folder with what the readers need beside the damaged file."""
    rng = np.random.default_rng(0)
    for folder in ("clips", "clips/folder", "masks", "esc/audio", "speech/one"):
        Path(folder).mkdir(parents=True)
        for name in ("c.wav",) if folder == "clips/folder" else ("a.wav",) if folder == "masks" else ("a.wav", "b.wav"):
            Path(folder, name).write_bytes(sound(rng))
    for folder in ("esc/meta", "built", "models", "video/frames/clip", "samples"):
        Path(folder).mkdir(parents=True)
    np.save("mel.npy", rng.normal(0, 0.3, (9, 80)).astype(np.float32))
    for name, state in states().items():
        checkpoint.save(Path("models", f"{name}.pth"), state)
    voices = LookingToListenFaces(channels=2, hidden_dim=4, linear_dim=4)
    voices.card = checkpoint.make_card(voices, "separation", MelFeatures(n_fft=512))
    checkpoint.save(Path("models/faces.pth"), voices.state_dict())
    for split in ("train", "val"):
        for side in ("noisy", "clean"):
            for number in range(3):
                Path("training", split, side).mkdir(parents=True, exist_ok=True)
                np.save(Path("training", split, side, f"{number}.npy"), rng.normal(0, 0.3, (9, 80)).astype(np.float32))
    options = BuildOptions(clean_path="speech", noise_path="clips", val_fraction=0.0, n_mixtures=1, reverb=0.0)
    builder.build(options, Path("built"), 1, overwrite=False)
    Path("whole_build.json").write_bytes(Path("built/build.json").read_bytes())
    engine.fit(training(), fitting(resume=False, epochs=1), Path("models/resumed.pth"))
    Path("whole_resume.pth").write_bytes(Path("models/resumed.resume.pth").read_bytes())
    Path("video/frames/clip/1.jpg").write_bytes(_picture(rng)["frame"])
    decoded = Recordings(Path("clips").absolute(), ["a.wav", "b.wav"], RATE, Path("cache"))
    Path("whole_index.npy").write_bytes(decoded.path.with_suffix(".npy").read_bytes())
    one = Recordings(Path("clips").absolute(), ["a.wav"], RATE, Path("cache"))
    Path("whole_samples.pcm").write_bytes(one.path.read_bytes())


class Inputs:
    """The cases of one seed, in a prepared folder."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.whole = {name: one.samples(np.random.default_rng(seed)) for name, one in READERS.items()}
            self.hostile = {name: one.hostile() for name, one in READERS.items()}

    def case(self, reader: str, index: int) -> tuple[str, bytes]:
        """What is done, in words, and the file: first the whole samples, then the hostile ones, then damaged ones."""
        whole, hostile = self.whole[reader], self.hostile[reader]
        given = [(f"whole {name}", data) for name, data in whole.items()]
        given += [(f"hostile: {name}", data) for name, data in hostile.items()]
        if index < len(given):
            return given[index]
        rng = np.random.default_rng([self.seed, zlib.crc32(reader.encode()), index])
        name = list(whole)[rng.integers(len(whole))]
        data, words = whole[name], [name]
        if READERS[reader].suffix == ".pth" and rng.random() < 0.75:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    content = torch.load(io.BytesIO(data), weights_only=True)
                    data = pth(spoilt(content, rng), legacy=bool(rng.random() < 0.1))
                return f"{name}, one value spoilt", data
            except (RuntimeError, TypeError, NotImplementedError):  # some tensors have no such form
                pass
        if rng.random() < 0.08:
            other = list(READERS)[rng.integers(len(READERS))]
            taken = list(self.whole[other].values())
            return f"sample of {other}", taken[rng.integers(len(taken))]
        for _ in range(rng.integers(1, 4)):
            word, data = damaged(data, rng, READERS[reader].text)
            words.append(word)
        return ", ".join(words), data


def damaged(data: bytes, rng: Rng, text: bool) -> tuple[str, bytes]:
    """What is done to a file, and what becomes of it."""
    if text and rng.random() < 0.6:
        return damaged_text(data, rng)
    size = max(1, len(data))
    near = min(size, 80) if rng.random() < 0.5 else size  # headers break more than samples do
    at, length = int(rng.integers(near)), int(rng.integers(1, 65))
    raw = bytearray(data or b"\0")
    ways = (
        "cut",
        "bits flipped",
        "bytes put in",
        "bytes zeroed",
        "bytes left out",
        "bytes twice",
        "number",
        "byte 255",
    )
    way = ways[rng.integers(len(ways))]
    if way == "cut":
        del raw[at:]
    elif way == "bits flipped":
        for place in rng.integers(near, size=rng.integers(1, 9)):
            raw[place] ^= 1 << int(rng.integers(8))
    elif way == "bytes put in":
        raw[at:at] = rng.bytes(length)
    elif way == "bytes zeroed":
        raw[at : at + length] = bytes(len(raw[at : at + length]))
    elif way == "bytes left out":
        del raw[at : at + length]
    elif way == "bytes twice":
        raw[at:at] = raw[at : at + length * 20]
    elif way == "number":
        number = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFF0, 65535, 1 << 24][rng.integers(8)]
        raw[at : at + 4] = struct.pack("<I" if rng.random() < 0.7 else ">I", number)
    else:
        raw[at : at + length] = b"\xff" * len(raw[at : at + length])
    return f"{way} at {at}", bytes(raw)


TOKENS = [
    "NaN", "-Infinity", "1e400", "-1", "1" + "0" * 400, "9" * 5000, "null", "true", "[]", "{}", '""', '"', "'", ",",
    ";", "\t", "\0", "\n", "\r", "\x1b[2J", "²", "\ud800", "\u202e", "[[[[", "}", "x" * 200_000, "../", "/",
    "=1+1", "-", "clearmel spans 2",
]  # fmt: skip


def damaged_text(data: bytes, rng: Rng) -> tuple[str, bytes]:
    """As `damaged`, by words, quotes and lines."""
    text = data.decode("utf-8", "surrogateescape")
    places = [0, *(k for k, letter in enumerate(text) if letter in '",:[]{}\n')]
    start = places[rng.integers(len(places))] + 1
    end = next((k for k in places if k > start), len(text))
    token = TOKENS[rng.integers(len(TOKENS))]
    way = ("word", "word put in", "UTF-16", "lines turned", "line twice", "sign left out")[
        rng.choice(6, p=[0.4, 0.25, 0.03, 0.07, 0.1, 0.15])
    ]
    if way == "word":
        text = text[:start] + token + text[end:]
    elif way == "word put in":
        text = text[:start] + token + text[start:]
    elif way == "UTF-16":
        return way, text.encode("utf-16", "surrogatepass")
    elif way == "lines turned":
        text = "\n".join(reversed(text.split("\n")))
    elif way == "line twice":
        lines = text.split("\n")
        chosen = int(rng.integers(len(lines)))
        text = "\n".join(lines[: chosen + 1] + lines[chosen:])
    else:
        text = text[: start - 1] + text[start:]
    return f"{way} {token[:12]!r}", text.encode("utf-8", "surrogatepass")


def verdict(reader: str, path: Path) -> tuple[str, str]:
    """Says "accepted", "refused" or "failed" with words, of one file."""
    import traceback

    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            READERS[reader].read(path)
    except InputError as error:
        line, whole = error.line(), str(error)
        if not line.isprintable() or not whole.strip() or len(line) > LONGEST_LINE:
            return "failed", f"a message of {len(line)} characters, printable: {line.isprintable()}: {line[:200]!r}"
        return "refused", line
    except (AssertionError, Exception) as error:  # whatever comes is what is looked for
        where = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        return "failed", f"{type(error).__name__}: {str(error)[:160]!r} at {' < '.join(reversed(where[-5:]))}"
    odd = [one for one in told if not issubclass(one.category, ResourceWarning | DeprecationWarning)]
    return ("failed", f"a warning: {str(odd[0].message)[:200]}") if odd else ("accepted", "")


LONGEST_LINE = 700


def shares(n_cases: int) -> Iterator[tuple[str, int]]:
    """Readers and numbers of their cases, so many in all."""
    total = sum(reader.share for reader in READERS.values())
    for name, reader in READERS.items():
        for index in range(max(1, round(n_cases * reader.share / total))):
            yield name, index
