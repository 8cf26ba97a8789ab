"""Denoises whole mels and recordings with a trained network, in blocks.

Shapes: C channels, N samples, T frames, M mel bands.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clearmel.audio import sound_file
from clearmel.audio.features import DECIBELS_PER_UNIT, MelFeatures
from clearmel.audio.griffin_lim import griffin_lim
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted, refuse_overwriting
from clearmel.inference.denoise_stream import FULL, DenoiseStream
from clearmel.networks import Denoiser
from clearmel.options import DenoiseOptions

BLOCK_SAMPLES = 480_000
"""Samples of all channels together in a block: 30 s of 16 kHz mono."""
GRIFFIN_LIM_LIMIT_S = 3600


def priming_s(network: Denoiser, options: DenoiseOptions) -> float:
    """Opening seconds of a recording that prime the network's state."""
    return network.warm_up_s if options.warm_up_s is None else options.warm_up_s


def estimate_mel(network: Denoiser, mel: FloatArray, options: DenoiseOptions = FULL) -> FloatArray:
    """Denoised log-mel (T, M) of a noisy one (T, M)."""
    noisy = torch.from_numpy(mel)[None]
    with torch.inference_mode():
        estimate = _estimate(network, noisy, options)
    return np.asarray(_controlled(noisy, estimate, options)[0].numpy(), dtype=np.float32)


def _estimate(network: Denoiser, noisy: Tensor, options: DenoiseOptions) -> Tensor:
    """The network's estimate for whole log-mels (B, T, M)."""
    seconds = priming_s(network, options)
    n_opening = MelFeatures(**network.card["features"]).frames_in(seconds) if seconds else 0
    lengths = torch.full((len(noisy),), noisy.shape[1], device=network.device)
    return network.estimate(noisy.to(network.device), lengths, n_opening).cpu()


def _controlled(noisy: Tensor, estimate: Tensor, options: DenoiseOptions) -> Tensor:
    """Applies the strength and the attenuation limit of the options to an estimate."""
    if options.strength != 1:
        estimate = torch.lerp(noisy, estimate, options.strength)
    if options.max_suppression_db is not None:
        estimate = torch.maximum(estimate, noisy - options.max_suppression_db / DECIBELS_PER_UNIT)
    return estimate


def denoise_file(network: Denoiser, source: Path, target: Path, options: DenoiseOptions = FULL) -> None:
    """Denoises a recording into a file with the same rate, channels, length, level and, if possible, sample format.

    Args:
        network: a denoiser.
        source: any sound file.
        target: output file; its suffix sets the format.
        options: strength, attenuation limit and reconstruction.

    Raises:
        InputError: the source cannot be read, the target cannot be written, or both are the same file.
    """
    info = sound_file.inspect(source)
    refuse_overwriting(source, target)
    if options.reconstruction == "griffin_lim" and info.n_samples > GRIFFIN_LIM_LIMIT_S * info.sample_rate:
        raise InputError(
            f"{quoted(source)} is longer than an hour; --reconstruction griffin_lim needs it in one piece. "
            "Use gain, or cut it."
        )
    pieces = sound_file.blocks(source, BLOCK_SAMPLES / info.n_channels / info.sample_rate)
    clean = denoise_blocks if options.reconstruction == "gain" else _rebuilt
    with sound_file.writing(target, info.sample_rate, info.n_channels, info.subtype, source) as append:
        for block in clean(network, pieces, info.sample_rate, info.n_channels, options):
            append(block)


def denoise_blocks(
    network: Denoiser, blocks: Iterable[FloatArray], sample_rate: int, n_channels: int, options: DenoiseOptions = FULL
) -> Iterator[FloatArray]:
    """Denoises a recording in blocks (C, N); the result does not depend on the block length."""
    stream = DenoiseStream(network, sample_rate, n_channels, options)
    opening, blocks = _split_opening(iter(blocks), round(priming_s(network, options) * sample_rate))
    if opening is not None:
        stream.prime(opening)
    for block in blocks:
        yield stream.push(block)
    yield stream.finish()


def _split_opening(blocks: Iterator[FloatArray], n_samples: int) -> tuple[FloatArray | None, Iterator[FloatArray]]:
    """The opening samples (C, N), repeated if the recording is shorter, and all of its blocks."""
    kept, length = list[FloatArray](), 0
    while length < n_samples and (block := next(blocks, None)) is not None:
        kept.append(block)
        length += block.shape[1]
    everything = itertools.chain(kept, blocks)
    if not length:
        return None, everything
    return np.concatenate(kept, axis=1)[:, np.arange(n_samples) % length], everything


def _rebuilt(
    network: Denoiser, blocks: Iterable[FloatArray], sample_rate: int, n_channels: int, options: DenoiseOptions
) -> Iterator[FloatArray]:
    """Reconstructs each channel from its denoised mel by Griffin-Lim, with the length of the input."""
    features = MelFeatures(**network.card["features"])
    wave = np.concatenate(list(blocks), axis=1)  # (C, N)
    for_model = np.stack([sound_file.resample(channel, sample_rate, features.sample_rate) for channel in wave])
    padded = np.pad(for_model, ((0, 0), (0, features.hop_length)))  # the last frame then reaches the end
    with torch.inference_mode():
        noisy = features.mel(torch.from_numpy(padded))
        estimate = _estimate(network, noisy, options)
        rebuilt = griffin_lim(features, _controlled(noisy, estimate, options)).numpy()
    result = np.stack([sound_file.resample(channel, features.sample_rate, sample_rate) for channel in rebuilt])
    result = result[:, : wave.shape[1]]
    yield np.pad(result, ((0, 0), (0, wave.shape[1] - result.shape[1])))
