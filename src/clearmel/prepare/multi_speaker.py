"""Writes mixtures of speakers to disk, each with its voices, optional masks and optional face embeddings."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from clearmel.audio import complex_masks, sound_file
from clearmel.audio.face_embeddings import crop_embeddings, read_embeddings
from clearmel.audio.features import MelFeatures
from clearmel.core import temp_files
from clearmel.core.file_io import FloatArray, claiming, write_text
from clearmel.core.npy import write_array
from clearmel.data.multi_speaker import Mixture, MultiSpeakerMixtures
from clearmel.data.splits import split_pools
from clearmel.options import MultiSpeakerOptions


def build(
    options: MultiSpeakerOptions,
    features: MelFeatures,
    output: Path,
    seed: int,
    *,
    write_masks: bool,
    faces_path: str | None,
) -> dict[str, int]:
    """Writes `<split>/mix/N.wav`, `clean/N_1.wav` ..., `crm/N.npy`, `faces/N.npy` and mix.csv; skips existing files.

    A mask file holds the compressed complex masks (S, T, F, 2), real and imaginary part, of `complex_masks.compress`.

    Args:
        options: recordings and mixing options; `epoch_items` and `val_items` are the numbers of mixtures.
        features: defines the STFT of the masks.
        output: the dataset's folder.
        seed: seed of all random draws.
        write_masks: whether to write the masks (1.2 MB for 3 s of two voices).
        faces_path: folder of embeddings (P, 1, 512), 25 per second, named like the speech with the suffix .npy.

    Returns:
        Number of mixtures per split.

    Raises:
        InputError: see `MultiSpeakerMixtures`; or embeddings are missing or of another shape.
    """
    with claiming(output / "mix.csv"):
        temp_files.sweep(output, deep=True)
        rows, counts = list[dict[str, Any]](), dict[str, int]()
        for split, pool in split_pools(options, seed).items():
            if faces_path is not None:  # checked before the long computation
                for name in pool.clean:
                    _face(faces_path, name, options.clip_s)
            data = MultiSpeakerMixtures(split, pool, options, features, seed, from_start=faces_path is not None)
            counts[split] = len(data)
            for index in tqdm(range(len(data)), desc=split, unit="mixture", leave=False, disable=None):
                drawn = data.drawn(index)
                rows.append({"split": split, "name": f"{index:06d}.wav", "speakers": " + ".join(drawn.speakers)})
                _write(drawn, output / split, f"{index:06d}", features, options.clip_s, write_masks, faces_path)
        text = io.StringIO()
        writer = csv.DictWriter(text, ["split", "name", "speakers"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(output / "mix.csv", text.getvalue())
        return counts


def _write(
    drawn: Mixture,
    root: Path,
    name: str,
    features: MelFeatures,
    clip_s: float,
    write_masks: bool,
    faces_path: str | None,
) -> None:
    """Writes a mixture with its voices, masks and faces, unless it exists."""
    mixed = root / "mix" / f"{name}.wav"
    if mixed.exists():
        return
    for number, voice in enumerate(drawn.voices, 1):
        sound_file.write(root / "clean" / f"{name}_{number}.wav", voice, features.sample_rate, "FLOAT")
    if write_masks:
        voices, mixture = (torch.from_numpy(x) for x in (np.stack(drawn.voices), drawn.mixture))
        ideal = complex_masks.ideal_complex(features.stft(voices), features.stft(mixture))
        write_array(root / "crm" / f"{name}.npy", torch.view_as_real(complex_masks.compress(ideal)).numpy())
    if faces_path is not None:
        faces = [_face(faces_path, one, clip_s) for one in drawn.names]
        write_array(root / "faces" / f"{name}.npy", np.stack(faces))
    sound_file.write(mixed, drawn.mixture, features.sample_rate, "FLOAT")  # last: if it exists, the other files do too


def _face(folder: str, name: str, seconds: float) -> FloatArray:
    """Embeddings (P, 512) of the first face of a clip, as `clearmel build face_embeddings` writes them: (P, n, 512)."""
    faces = read_embeddings(Path(folder, name).with_suffix(".npy"))
    cropped: FloatArray = crop_embeddings(faces.transpose(1, 0, 2)[:1], 0.0, seconds)[0]
    return cropped
