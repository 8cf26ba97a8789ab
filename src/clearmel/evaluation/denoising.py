"""Denoises pairs of recordings and scores them as sound."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from clearmel.audio import sound_file
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted
from clearmel.data.mel_datasets import MelDataset, PairedMels
from clearmel.inference import denoise
from clearmel.metrics.speech_quality import RATE, figures
from clearmel.networks import Denoiser
from clearmel.options import DenoiseOptions

SIDES = ("noisy", "denoised", "clean")


@dataclass(frozen=True)
class DenoisedPair:
    """One pair as sound: waves (N,) by side at 16 kHz, and the figures of the noisy and the denoised one."""

    name: str
    waves: dict[str, FloatArray]
    scores: dict[str, float]


def denoise_pairs(
    network: Denoiser, data: MelDataset, options: DenoiseOptions, measured: bool, numbers: Iterable[int] | None = None
) -> Iterator[DenoisedPair]:
    """Cleans noisy recordings of a dataset of sound files, and measures them.

    Args:
        network: a denoiser.
        data: pairs of recordings; each is cleaned at its own rate with all its channels, then heard as one channel.
        options: how strongly to clean.
        measured: whether figures are asked for.
        numbers: of the items; default: all.

    Raises:
        InputError: an item is no sound file, or its two sides differ in rate or length.
    """
    if not isinstance(data, PairedMels):
        raise InputError("shards hold mels; figures and reports of sound need pairs of sound files.")
    for ours, theirs in map(data.pair, range(len(data)) if numbers is None else numbers):
        paths = {"noisy": data.noisy.root / ours, "clean": data.clean.root / theirs}
        for path in paths.values():
            if path.suffix.lower() == ".npy":
                raise InputError(f"{quoted(path)} is a mel; figures and reports of sound need pairs of sound files.")
        info, other = (sound_file.inspect(path) for path in paths.values())
        if info.sample_rate != other.sample_rate:
            raise InputError(
                f"{quoted(paths['noisy'])} has {info.sample_rate} Hz, its partner {other.sample_rate} Hz; "
                "expected one rate."
            )
        native = {side: np.concatenate(list(sound_file.blocks(path)), axis=1) for side, path in paths.items()}
        if native["noisy"].shape[1] != native["clean"].shape[1]:
            lengths = [wave.shape[1] for wave in native.values()]
            raise InputError(f"{quoted(paths['noisy'])} has {lengths[0]} samples, its partner {lengths[1]}.")
        pieces = denoise.denoise_blocks(network, [native["noisy"]], info.sample_rate, info.n_channels, options)
        native["denoised"] = np.concatenate(list(pieces), axis=1)
        waves = {side: sound_file.resample(native[side].mean(axis=0), info.sample_rate, RATE) for side in SIDES}
        scores = {
            f"{key}_{side}": value
            for side in SIDES[: 2 if measured else 0]
            for key, value in figures(waves[side], waves["clean"]).items()
        }
        yield DenoisedPair(ours.as_posix(), waves, scores)
