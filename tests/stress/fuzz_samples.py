"""Input files for the readers: valid samples, and hostile files made by hand. Everything is derived from seeds."""

import io
import json
import os
import pickle
import struct
import zlib
from typing import Any

import numpy as np
import soundfile as sf
import torch

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.networks import BandSplitSeparator, GainDenoiser, LSTMClassifier, LSTMDenoiser, Network, RecurrentCutter

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


class RunsCommand:
    """Its pickle runs a command if it is loaded without `weights_only`."""

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
    """A wav with arbitrary header fields."""
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


def npy_with_header(header: str, data: bytes = b"\0" * 640) -> bytes:
    """A .npy with an arbitrary header."""
    text = header.encode("latin-1", "replace") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def bad_arrays(shape: str) -> dict[str, bytes]:
    """Invalid .npy files. `shape` is a valid shape as text."""
    good = npy(np.zeros((3, 80), np.float32))
    archive = io.BytesIO()
    np.savez(archive, a=np.zeros((3, 80)))
    fields = "{{'descr': {}, 'fortran_order': {}, 'shape': {}}}"
    return {
        "empty": b"",
        "archive": archive.getvalue(),
        "cut archive": archive.getvalue()[:60],
        "only an archive's first letters": b"PK\x03\x04",
        "pickle": pickle.dumps(RunsCommand()),
        "array of objects": npy(np.array([RunsCommand()], dtype=object), allow_pickle=True),
        "10^15 frames": npy_with_header(fields.format("'<f4'", "False", "(1000000000000000, 80)")),
        "10^400 frames": npy_with_header(fields.format("'<f4'", "False", f"({10**400}, 80)")),
        "a product beyond 64 bits": npy_with_header(fields.format("'<f4'", "False", "(4294967296, 4294967296, 80)")),
        "negative frames": npy_with_header(fields.format("'<f4'", "False", "(-1, 80)")),
        "fractional frames": npy_with_header(fields.format("'<f4'", "False", "(1.5, 80)")),
        "frames as truth": npy_with_header(fields.format("'<f4'", "False", "(True, 80)")),
        "no shape": npy_with_header(fields.format("'<f4'", "False", "()")),
        "empty shape": npy_with_header(fields.format("'<f4'", "False", "(0, 80)")),
        "unknown type": npy_with_header(fields.format("'<q9'", "False", shape)),
        "type of a kind": npy_with_header(fields.format("('<f4', (3,))", "False", shape)),
        "type of fields": npy_with_header(fields.format("[('a', '<f4')]", "False", shape)),
        "type of an enormous text": npy_with_header(fields.format("'<U999999999'", "False", "(1, 80)")),
        "type of no bytes": npy_with_header(fields.format("'<U0'", "False", shape)),
        "type of dates": npy_with_header(fields.format("'<M8[ns]'", "False", shape)),
        "open bracket": npy_with_header("{'descr': '<f4', 'shape': (3, 80"),
        "open quote": npy_with_header("{'descr': '<f4"),
        "Python 2": npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 80L), }"),
        "odd escape": npy_with_header("{'descr': '\\d', 'fortran_order': False, 'shape': (3, 80)}"),
        "deep brackets": npy_with_header("(" * 9000),
        "deep lists": npy_with_header("[" * 300 + "]" * 300),
        "no dictionary": npy_with_header("0"),
        "header of other keys": npy_with_header("{'a': 1}"),
        "line breaks": npy_with_header("{'descr':\n\n'<f4\n'}"),
        "header beyond the end": b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31),
        "unknown version": b"\x93NUMPY\x09\x09" + good[8:],
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "infinite": npy(np.full((3, 80), np.inf, np.float32)),
        "complex": npy(np.zeros((3, 80), complex)),
        "long doubles": npy(np.full((3, 80), 1e4000, np.longdouble)),
        "beyond float32": npy(np.full((3, 80), 1e300)),
    }


def bad_sounds() -> dict[str, bytes]:
    """Invalid sound files."""
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
    """Invalid JSON, and JSON of the wrong kind."""
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


def pth(content: Any, *, legacy: bool = False) -> bytes:
    """A file written by torch.save."""
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
        "cutter": ("cutting", RecurrentCutter(hidden_dim=4, num_layers=1), mel, [], {}, {"threshold": 0.4}),
        "separator": ("separation", BandSplitSeparator(n_bins=257, hidden_dim=4, num_layers=1), short, [], {}, {}),
    }  # fmt: skip


def states() -> dict[str, dict[str, Any]]:
    """The tiny networks as state dicts with their cards."""
    found = {}
    for name, (task, network, features, names, training, scores) in networks().items():
        network.card = weights_file.make_card(network, task, features, names, training, scores)
        found[name] = dict(network.state_dict())
    plain = LSTMClassifier(hidden_dim=4).state_dict()
    return found | {"original": {key: value for key, value in plain.items() if key != "_extra_state"}}


def bad_cards() -> dict[str, bytes]:
    """Weights with cards whose values are too large or inconsistent."""
    found = {}
    for name, state in states().items():
        card = state.get("_extra_state", {})
        changes = [("sizes", size, 10**9) for size in card.get("sizes", {})]
        numbers = ("n_fft", "n_mels", "sample_rate", "hop_length")
        changes += [("features", number, value) for number in numbers for value in (1, 2**30, 10**400) if card]
        for part, key, value in changes:
            changed = card | {part: card[part] | {key: value}}
            found[f"{name} of {key} {str(value)[:12]}"] = pth(state | {"_extra_state": changed})
        for task in ("denoising", "classification", "cutting", "separation") if card else ():
            if task == card["task"]:
                continue
            found[f"{name} for {task}"] = pth(state | {"_extra_state": card | {"task": task}})
        found[f"{name} with a wide tensor"] = pth(state | {"wide": torch.zeros(1).expand(10**12)})
    return found


def bad_weights() -> dict[str, bytes]:
    """Invalid .pth files, and files that would run code."""
    return {
        "empty": b"",
        "pickle that runs a command": pickle.dumps(RunsCommand()),
        "weights that run a command": pth({"a": RunsCommand()}),
        "the same, as older versions save": pth({"a": RunsCommand()}, legacy=True),
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


# Samples.


def sounds(rng: Rng) -> dict[str, bytes]:
    found = {name: sound(rng, *form) for name, form in FORMATS.items()}
    return found | {"stereo": sound(rng, n_channels=2)}


def label_files(rng: Rng) -> dict[str, bytes]:
    frames = rng.integers(0, 2, 10).tolist()
    spans = {
        "format": "clearmel spans 1",
        "files": {"a.wav": {"remove": [[0.05, 0.1], [0.2, 0.3]], "duration_s": DURATION_S}},
    }
    return {name: json.dumps(value).encode() for name, value in {
        "spans": spans, "lists": {"a": frames, "c": []}, "objects": {"a": {"label": frames, "note": "x"}},
    }.items()}  # fmt: skip


def picture(rng: Rng) -> dict[str, bytes]:
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return {"frame": buffer.getvalue()}


def bad_pictures() -> dict[str, bytes]:
    bomb = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb += struct.pack(">I", zlib.crc32(bomb[12:]))
    return {"empty": b"", "bomb": bomb, "sound": wav(), "text": b"no picture"}
