"""Clearmel: denoise, cut, separate and classify recordings, and train the models on your own.

The names below are imported on first use, so that `import clearmel` costs nothing; docs/api.md has examples.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearmel.api.analysis import classify, cut, separate
    from clearmel.api.denoising import Denoiser, denoise, denoise_file
    from clearmel.api.models import load
    from clearmel.core.errors import InputError

__all__ = ["Denoiser", "InputError", "classify", "cut", "denoise", "denoise_file", "load", "separate"]

_HOME = {
    "classify": "clearmel.api.analysis",
    "cut": "clearmel.api.analysis",
    "separate": "clearmel.api.analysis",
    "Denoiser": "clearmel.api.denoising",
    "denoise": "clearmel.api.denoising",
    "denoise_file": "clearmel.api.denoising",
    "load": "clearmel.api.models",
    "InputError": "clearmel.core.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'clearmel' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
