"""Embeddings of speakers' faces, which some separators use beside the sound."""

from pathlib import Path

import numpy as np

from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted
from clearmel.core.npy import open_array
from clearmel.options import FRAME_RATE_HZ

FACE_DIM = 512
"""Dimension of a face embedding."""


def read_embeddings(path: Path) -> FloatArray:
    """Reads face embeddings: three dimensions, the last one 512.

    Raises:
        InputError: the file is missing or unreadable, or has another shape.
    """
    faces = open_array(path, f"(voices, frames, {FACE_DIM})")
    floats = np.issubdtype(faces.dtype, np.floating)
    if faces.ndim != 3 or faces.shape[2] != FACE_DIM or not faces.size or not floats or not np.isfinite(faces).all():
        raise InputError(
            f"{quoted(path)} has shape {faces.shape}; expected three dimensions of finite numbers, the last {FACE_DIM}."
        )
    return np.asarray(faces, np.float32)


def crop_embeddings(faces: FloatArray, start_s: float, seconds: float) -> FloatArray:
    """A segment (S, P', 512) of embeddings (S, P, 512), padded with zeros, which also mean that no face was found."""
    first, count = round(start_s * FRAME_RATE_HZ), max(1, round(seconds * FRAME_RATE_HZ))
    own = faces[:, first : first + count]
    return np.pad(own, ((0, 0), (0, count - own.shape[1]), (0, 0)))
