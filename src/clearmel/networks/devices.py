"""Choice of the device."""

import torch

from clearmel.core.errors import InputError


def pick(name: str = "auto") -> torch.device:
    """The device of a name: cpu, cuda, mps (Apple), or auto, which is CUDA if available, else the CPU.

    Raises:
        InputError: the device is not available.
    """
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise InputError("--device cuda: no CUDA device is here. Use --device cpu, or a GPU build of PyTorch.")
    if name == "mps" and (cuda or not torch.backends.mps.is_available()):
        raise InputError("--device mps: no Apple GPU is here. Use --device auto or cpu.")
    return torch.device(("cuda" if cuda else "cpu") if name == "auto" else name)
