"""Writes ONNX files: a graph of operators and numbers as the protocol buffers of the format.

Source: onnx/onnx.proto3 (field numbers and types), and the encoding page of protobuf.dev.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET, IR_VERSION = 20, 10
FLOAT, INT64 = 1, 7
TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}
ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_STRING, ATTRIBUTE_INTS = 1, 2, 3, 7


class Graph:
    """A graph that grows by inputs, numbers and operators. Values are known by their names."""

    def __init__(self) -> None:
        self._nodes, self._numbers = list[bytes](), list[bytes]()
        self._inputs, self._outputs = list[bytes](), list[bytes]()
        self._known: dict[tuple[bytes, tuple[int, ...], str], str] = {}
        self._count = 0

    def input(self, name: str, *shape: int | str) -> str:
        """Adds an input of float32; sizes that vary have names."""
        self._inputs.append(_value(name, shape))
        return name

    def output(self, name: str, value: str, *shape: int | str) -> None:
        """Names a value as an output of float32."""
        self._nodes.append(_node("Identity", [value], [name], {}))
        self._outputs.append(_value(name, shape))

    def numbers(self, values: npt.ArrayLike) -> str:
        """Adds constant numbers: integers as int64, all others as float32. Equal ones are stored once."""
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        key = array.tobytes(), array.shape, array.dtype.str
        if key not in self._known:
            name = self._known[key] = self._name()
            parts = [_number(1, size) for size in array.shape]
            tensor = [*parts, _number(2, TYPES[array.dtype]), _text(8, name), _bytes(9, key[0])]
            self._numbers.append(b"".join(tensor))
        return self._known[key]

    def op(self, kind: str, *values: str, **attributes: Any) -> str:
        """Adds an operator with one output."""
        return self.ops(kind, 1, *values, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *values: str, **attributes: Any) -> list[str]:
        """Adds an operator; an input of "" is left out."""
        names = [self._name() for _ in range(n_outputs)]
        self._nodes.append(_node(kind, values, names, attributes))
        return names

    def model(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The content of an ONNX file."""
        parts = [_bytes(1, node) for node in self._nodes] + [_text(2, "clearmel")]
        for field, entries in ((5, self._numbers), (11, self._inputs), (12, self._outputs)):
            parts += [_bytes(field, entry) for entry in entries]
        version = _bytes(8, _text(1, "") + _number(2, OPSET))
        entries = [_bytes(14, _text(1, key) + _text(2, value)) for key, value in (metadata or {}).items()]
        return b"".join([_number(1, IR_VERSION), version, _text(2, "clearmel"), _bytes(7, b"".join(parts)), *entries])

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"


def _node(kind: str, values: Sequence[str], names: Sequence[str], attributes: Mapping[str, Any]) -> bytes:
    parts = [_text(1, value) for value in values] + [_text(2, name) for name in names] + [_text(4, kind)]
    return b"".join([*parts, *(_bytes(5, _attribute(key, value)) for key, value in attributes.items())])


def _attribute(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        content, kind = _text(4, value), ATTRIBUTE_STRING
    elif isinstance(value, float):
        content, kind = _key(2, 5) + struct.pack("<f", value), ATTRIBUTE_FLOAT
    elif isinstance(value, int):
        content, kind = _number(3, value), ATTRIBUTE_INT
    else:
        content, kind = b"".join(_number(8, int(item)) for item in value), ATTRIBUTE_INTS
    return _text(1, name) + content + _number(20, kind)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = (_text(2, size) if isinstance(size, str) else _number(1, size) for size in shape)
    tensor = _number(1, FLOAT) + _bytes(2, b"".join(_bytes(1, size) for size in sizes))
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value & (1 << 64) - 1)  # negative numbers as two's complement of 64 bits


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _bytes(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
