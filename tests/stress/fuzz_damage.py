"""Random damage to bytes, text and saved values."""

import struct
from collections.abc import Callable
from typing import Any

import torch

from tests.stress.fuzz_samples import Rng

VALUES: list[Any] = [
    None, True, -1, 0, 3, 10**9, 10**18, 10**400, 1e308, 0.5, float("nan"), float("inf"), "", "x", "9" * 1000,
    "\n\x1b[2J", [], [1], ["a"], {}, {"a": 1}, torch.zeros(3), torch.full((2, 2), float("nan")),
    torch.zeros(1).expand(10**12),
]  # fmt: skip


def corrupt_value(content: Any, rng: Rng) -> Any:
    """A nested dict or list with one random value replaced, removed, renamed or converted."""
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    if not keys:
        return VALUES[rng.integers(len(VALUES))]
    key = keys[rng.integers(len(keys))]
    if isinstance(content, dict) and "_extra_state" in content and rng.random() < 0.7:
        key = "_extra_state"
    changed = dict(content) if isinstance(content, dict) else list(content)
    value = content[key]
    if isinstance(value, dict | list) and rng.random() < 0.9:
        changed[key] = corrupt_value(value, rng)
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


def damaged(data: bytes, rng: Rng, text: bool) -> tuple[str, bytes]:
    """A description of the damage, and the damaged file."""
    if text and rng.random() < 0.6:
        return damaged_text(data, rng)
    size = max(1, len(data))
    near = min(size, 80) if rng.random() < 0.5 else size  # damage to headers has more effect than damage to samples
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
    """Like `damaged`, but acts on words, quotes and lines."""
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
