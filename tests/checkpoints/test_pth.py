"""The reader of weights without torch gives what torch gives, and runs nothing."""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from clearmel.checkpoints import pth, stored
from clearmel.core.errors import InputError
from clearmel.networks import Network
from tests.conftest import ROOT


def test_tensors_of_all_types_and_layouts_are_those_of_torch() -> None:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    types = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8)
    tensors = {str(dtype): base.to(dtype) for dtype in types} | {
        "view": base[1:3, ::2], "turned": base.T, "flag": base > 1, "byte": base.byte(), "none": torch.zeros(0, 3),
        "number": torch.tensor(3.5), "parameter": torch.nn.Parameter(base), "again": base,
    }  # fmt: skip
    torch.save(OrderedDict(tensors, _extra_state={"a": [1, 2.5, "x", None, True]}), "all.pth")
    found = pth.read("all.pth")
    assert found["_extra_state"] == {"a": [1, 2.5, "x", None, True]}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor.detach().float().numpy())
        assert found[name].shape == tuple(tensor.shape)


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.pth")), ids=lambda path: path.stem)
def test_shipped_weights_are_read_as_torch_reads_them(path: Path) -> None:
    found, wanted = pth.read(path), torch.load(path, weights_only=True)
    assert list(found) == list(wanted)
    assert found.pop("_extra_state") == wanted.pop("_extra_state")
    for name, tensor in wanted.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


class Hostile:
    def __reduce__(self) -> tuple[Callable[[Path], object], tuple[Path]]:
        return Path.touch, (Path("owned"),)


def rewritten(
    source: Path, target: Path, change: Callable[[str, bytes], bytes], kind: int = zipfile.ZIP_STORED
) -> None:
    """A copy of a zip with other content."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w", kind) as after:
        for name in before.namelist():
            after.writestr(name, change(name, before.read(name)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: torch.save({"lstm": Hostile()}, path),
        lambda path: path.write_bytes(pickle.dumps(Hostile())),
        lambda path: path.write_bytes(path.read_bytes()[:20000]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: torch.save([1, 2], path),
        lambda path: torch.save({}, path),
        lambda path: torch.save({1: torch.zeros(2)}, path),
        lambda path: torch.save({"_extra_state": {"format": 1}}, path),
        lambda path: torch.save(torch.nn.Linear(3, 4).state_dict(), path),
        lambda path: rewritten(Path("good.pth"), path, lambda _, content: content, zipfile.ZIP_DEFLATED),
        lambda path: rewritten(Path("good.pth"), path, lambda name, c: c[:40] if "/data/" in name else c),
        lambda path: rewritten(Path("good.pth"), path, lambda name, c: b"big" if name.endswith("byteorder") else c),
    ],
)  # fmt: skip
def test_hostile_and_damaged_files_are_refused_in_one_line(
    denoiser: Network, workplace: Path, damage: Callable[[Path], object]
) -> None:
    path = Path("models/denoiser.pth")
    Path("good.pth").write_bytes(path.read_bytes())
    damage(path)
    with pytest.raises(InputError, match=r"denoiser\.pth") as refusal:
        stored.read(path, "denoising")
    assert refusal.value.line().isprintable()
    assert not Path("owned").exists()


@pytest.mark.parametrize(
    "bomb",
    [
        b"r\xf0\xff\xff\xff",  # a place in the memo that takes 32 GB
        b"\x96" + (1 << 40).to_bytes(8, "little"),  # a byte array of 1 TB
        b"cbuiltins\nbytearray\n",
    ],
)
def test_pickles_that_ask_for_memory_are_refused(denoiser: Network, bomb: bytes) -> None:
    def grown(name: str, content: bytes) -> bytes:
        return content[:2] + b"}" + bomb + content[2:] if name.endswith("data.pkl") else content

    rewritten(Path("models/denoiser.pth"), Path("bomb.pth"), grown)
    with pytest.raises(InputError, match=r"bomb\.pth"):
        stored.read("bomb.pth", "denoising")


def test_shapes_beyond_the_storage_are_refused(denoiser: Network) -> None:
    wide = torch.zeros(1).expand(1 << 40)  # a tensor of one number that says it has 2 ** 40
    torch.save(dict(denoiser.state_dict()) | {"lstm.bias_hh_l0": wide}, "wide.pth")
    with pytest.raises(InputError, match="larger than its storage"):
        stored.read("wide.pth", "denoising")
