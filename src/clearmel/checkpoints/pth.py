"""Reads the zip files that torch.save writes, without torch and without running code from them.

The file holds `NAME/data.pkl`, a pickle that names tensors by the number of their storage, and `NAME/data/NUMBER`, the
numbers of each storage as they lie in memory. Source: torch/serialization.py and torch/csrc/jit/serialization.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

DTYPES: dict[str, str] = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
"""Types of numbers by torch's names; bfloat16 is the upper half of a float32."""
MOST_DIMENSIONS = 16
OPERATIONS = frozenset(
    [
        *("PROTO", "STOP", "MARK", "GLOBAL", "BINPERSID", "REDUCE", "BUILD"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    ]
)
"""Operations of pickles that torch writes; others could ask for any amount of memory."""


class _Kind(NamedTuple):
    """What a pickle names where it means a type of storage."""

    name: str


class _Unpickler(pickle.Unpickler):
    """Knows the four names that tensors in a dict need, and refuses every other."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        content = archive.read(f"{root}data.pkl")
        for operation, number, _ in pickletools.genops(content):
            if operation.name not in OPERATIONS or (
                operation.name == "LONG_BINPUT" and int(number or 0) > len(content)
            ):
                raise pickle.UnpicklingError(f"it holds the operation {operation.name}")
        super().__init__(io.BytesIO(content))
        self.archive, self.root = archive, root
        self.storages: dict[str, npt.NDArray[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if module == "torch" and name in DTYPES:
            return _Kind(name)
        raise pickle.UnpicklingError(f"it names {module[:40]}.{name[:40]}")

    def persistent_load(self, reference: Any) -> npt.NDArray[Any]:
        word, kind, key, _, count = reference
        if word != "storage" or not isinstance(kind, _Kind) or not isinstance(key, str):
            raise pickle.UnpicklingError("it names an unknown storage")
        if key not in self.storages:
            content = self.archive.read(f"{self.root}data/{key}")
            numbers = np.frombuffer(content, DTYPES[kind.name])
            if kind.name == "BFloat16Storage":
                numbers = (numbers.astype("<u4") << 16).view("<f4")
            if len(numbers) < count:
                raise ValueError(f"storage {key[:20]} is shorter than it says")
            self.storages[key] = numbers
        return self.storages[key]


def _tensor(
    storage: npt.NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> npt.NDArray[Any]:
    """A view of a storage, within its bounds."""
    if len(shape) != len(strides) or len(shape) > MOST_DIMENSIONS or min((offset, *shape, *strides)) < 0:
        raise ValueError("a tensor has an impossible shape")
    end = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    count = math.prod(shape)
    if count > len(storage) or (count and end > len(storage)):
        raise ValueError("a tensor is larger than its storage")
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset if count else 0 :], shape, steps, writeable=False)


def _parameter(tensor: npt.NDArray[Any], *_: object) -> npt.NDArray[Any]:
    return tensor


def read(path: str | Path) -> Any:
    """What torch.save has written: plain values, and numpy arrays in the place of tensors.

    Raises:
        Exception: any, if the file is not such a zip, is damaged, or asks for anything but tensors and plain values.
    """
    with zipfile.ZipFile(path) as archive:
        [root] = [name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("data.pkl")]
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("it is compressed")  # torch never does
        if sum(info.file_size for info in archive.infolist()) > Path(path).stat().st_size:
            raise ValueError("its parts are larger than the file")
        order = f"{root}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("its numbers are big-endian")
        return _Unpickler(archive, root).load()
