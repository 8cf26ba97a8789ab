"""Which library computes, and on which device, without importing torch where it is not needed."""

import ctypes
import importlib.util
import sys
from typing import NamedTuple

from clearmel.core.errors import InputError

DRIVERS = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1",)
"""Libraries that come with NVIDIA's driver."""
GPU = "pip install 'onnxruntime-gpu[cuda,cudnn]'"
TRAIN = "pip install 'clearmel[train]'"


class Place(NamedTuple):
    """Where a network computes. library: onnxruntime or torch. device: cpu, cuda or mps."""

    library: str
    device: str


def has_torch() -> bool:
    """Whether torch is installed; it is not imported."""
    return importlib.util.find_spec("torch") is not None


def pick(name: str = "auto") -> Place:
    """The place of a device's name: cpu, cuda, mps (Apple), or auto, which is CUDA if available, else the CPU.

    Raises:
        InputError: the device, or a library that computes on it, is not there.
    """
    if name == "mps":
        if not has_torch():
            raise InputError(f"--device mps: only torch computes on Apple's GPUs. Install it: {TRAIN}, or use cpu.")
        return Place("torch", "mps")
    if name not in ("cuda", "auto") or (name == "auto" and not _has_driver()):
        return Place("onnxruntime", "cpu")
    import onnxruntime

    if _has_driver() and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return Place("onnxruntime", "cuda")
    if has_torch():
        import torch

        if torch.cuda.is_available():
            return Place("torch", "cuda")
    if name == "auto":
        return Place("onnxruntime", "cpu")
    if not _has_driver():
        raise InputError(
            "--device cuda: no CUDA device is here, as there is no driver of NVIDIA. Where there is one, install "
            "onnxruntime-gpu in place of onnxruntime, or a CUDA build of torch. Here, use --device cpu."
        )
    raise InputError(
        "--device cuda: neither ONNX Runtime nor torch can use CUDA here. Install one: pip uninstall onnxruntime, "
        f"then {GPU}, or a CUDA build of torch; or use --device cpu."
    )


def check(asked: str, device: str) -> None:
    """Raises InputError if CUDA was asked for, but ONNX Runtime could only begin on another device."""
    if asked == "cuda" and device != "cuda":
        raise InputError(
            f"--device cuda: ONNX Runtime cannot load NVIDIA's CUDA libraries. Install them: {GPU}; "
            "or use --device cpu."
        )


def _has_driver() -> bool:
    for name in DRIVERS:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False
