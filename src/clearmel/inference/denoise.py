"""Denoises whole mels and recordings with a trained network, in blocks.

Shapes: C channels, N samples, T frames, M mel bands.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clearmel.audio import sound_file, working_level
from clearmel.audio.features import DECIBELS_PER_UNIT, MelFeatures
from clearmel.audio.griffin_lim import griffin_lim
from clearmel.audio.loudness import Matched
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted, refuse_overwriting
from clearmel.core.progress import Advance, clock
from clearmel.inference import music
from clearmel.inference.denoise_stream import FULL
from clearmel.inference.open_stream import open_stream
from clearmel.options import DenoiseOptions
from clearmel.runtime.model import Model, as_model

BLOCK_SAMPLES = 480_000
"""Samples of all channels together in a block: 30 s of 16 kHz mono."""
GRIFFIN_LIM_LIMIT_S = 3600


def priming_s(network: Model, options: DenoiseOptions) -> float:
    """Opening seconds of a recording that prime the network's state."""
    return network.warm_up_s if options.warm_up_s is None else options.warm_up_s


def estimate_mel(network: Any, mel: FloatArray, options: DenoiseOptions = FULL) -> FloatArray:
    """Denoised log-mel (T, M) of a noisy one (T, M); the network is a model or a network of torch."""
    model, gain = as_model(network), 1.0
    if "features" in model.card:
        gain = working_level.measured_mel(mel, MelFeatures(**model.card["features"]))
    noisy = working_level.scaled_mel(mel, gain)
    return working_level.scaled_mel(_estimate(model, noisy, options), 1 / gain)


def _estimate(network: Model, noisy: FloatArray, options: DenoiseOptions) -> FloatArray:
    """The estimate for a whole log-mel (T, M), with the strength and the attenuation limit of the options."""
    seconds = priming_s(network, options)
    n_opening = MelFeatures(**network.card["features"]).frames_in(seconds) if seconds else 0
    estimate = network.estimate(noisy, n_opening, options.passes)
    if options.strength != 1:
        estimate = noisy + np.float32(options.strength) * (estimate - noisy)
    if options.max_suppression_db is not None:
        estimate = np.maximum(estimate, noisy - np.float32(options.max_suppression_db / DECIBELS_PER_UNIT))
    return estimate


@dataclass(frozen=True)
class Denoised:
    """What was done to a file.

    duration_s: of the recording. noise_down_db: how far the level fell below which a tenth of its frames lies; not
    finite where that is digital silence before or after. took_s: seconds of work. loudness: in words, if changed.
    music_s: seconds of music that were left alone, with `keep_music`.
    """

    duration_s: float
    noise_down_db: float
    took_s: float
    loudness: str = ""
    music_s: float | None = None

    def summary(self) -> str:
        """One line, such as "denoised 12:04, noise down 21 dB, 3.1 s"."""
        noise = f", noise down {max(0.0, self.noise_down_db):.0f} dB" if np.isfinite(self.noise_down_db) else ""
        loudness = f", {self.loudness}" if self.loudness else ""
        kept = "" if self.music_s is None else f", music kept for {clock(self.music_s)}"
        return f"denoised {clock(self.duration_s)}{noise}{kept}{loudness}, {self.took_s:.1f} s"


def denoise_file(
    network: Any,
    source: Path,
    target: Path,
    options: DenoiseOptions = FULL,
    progress: Advance | None = None,
    loudness_lufs: float | None = None,
) -> Denoised:
    """Denoises a recording into another file, keeping rate, channels, length, level and, where it can, sample format.

    Args:
        network: a denoiser, as a model or a network of torch.
        source: any sound file.
        target: output file; its suffix sets the format.
        options: strength, attenuation limit and reconstruction.
        progress: called with the seconds of each block that is done.
        loudness_lufs: integrated loudness of the target, which takes a second pass; None keeps the level.

    Raises:
        InputError: the source cannot be read, the target cannot be written, or both are the same file.
    """
    started, info = time.monotonic(), sound_file.inspect(source)
    refuse_overwriting(source, target)
    if options.reconstruction == "griffin_lim" and info.n_samples > GRIFFIN_LIM_LIMIT_S * info.sample_rate:
        raise InputError(
            f"{quoted(source)} is longer than an hour; --reconstruction griffin_lim needs it in one piece. "
            "Use gain, or cut it."
        )
    kept = music.find_in_file(source, as_model(network).device) if options.keep_music else None
    block_s = BLOCK_SAMPLES / info.n_channels / info.sample_rate
    before, gain = measured(sound_file.blocks(source, block_s), info.sample_rate, info.n_channels, options)
    after, passes = working_level.LevelMeter(info.sample_rate), 1 if loudness_lufs is None else 2
    given = (info.sample_rate, info.n_channels, options, gain)

    def made() -> Iterator[FloatArray]:
        pieces, number = sound_file.blocks(source, block_s), next(pass_number)
        rebuilt = options.reconstruction != "gain"
        for block in _rebuilt(network, pieces, *given) if rebuilt else denoise_blocks(network, pieces, *given, kept):
            if not number:
                after.push(block)
            yield block
            if progress is not None:
                progress(block.shape[1] / info.sample_rate / passes)

    pass_number, matched = itertools.count(), None
    if loudness_lufs is not None:
        matched = Matched(made, info.sample_rate, info.n_channels, loudness_lufs)
    with sound_file.writing(target, info.sample_rate, info.n_channels, info.subtype, source) as append:
        for block in matched or made():
            append(block)
    fallen_db = before.levels.floor_db() - after.levels.floor_db()
    return Denoised(
        info.duration_s,
        fallen_db,
        time.monotonic() - started,
        matched.summary() if matched else "",
        None if kept is None else kept.duration_s,
    )


def denoise_blocks(
    network: Any,
    blocks: Iterable[FloatArray],
    sample_rate: int,
    n_channels: int,
    options: DenoiseOptions = FULL,
    gain: float | Sequence[float] = 1.0,
    kept: music.Music | None = None,
) -> Iterator[FloatArray]:
    """Denoises a recording in blocks (C, N); the result does not depend on the block length.

    Args:
        network: a denoiser, as a model or a network of torch.
        blocks: the recording.
        sample_rate: in Hz.
        n_channels: C.
        options: strength, attenuation limit and passes.
        gain: brings the recording to the network's working level, see `clearmel.audio.working_level`; or one for each
            unlinked channel.
        kept: music that is left alone.
    """
    model = as_model(network)
    stream = open_stream(model, sample_rate, n_channels, options, gain, kept, whole=options.passes > 1)
    opening, blocks = _split_opening(iter(blocks), round(priming_s(model, options) * sample_rate))
    if opening is not None:
        stream.prime(opening)
    for block in blocks:
        yield stream.push(block)
    yield stream.finish()


def measured(
    blocks: Iterable[FloatArray], sample_rate: int, n_channels: int, options: DenoiseOptions
) -> tuple[working_level.LevelMeter, float | list[float]]:
    """The levels of a recording, and the gain of its channels, or of each where they are unlinked."""
    meter = working_level.LevelMeter(sample_rate)
    own = [working_level.LevelMeter(sample_rate) for _ in range(n_channels if options.unlink_channels else 0)]
    for block in blocks:
        meter.push(block)
        for channel_meter, channel in zip(own, block, strict=False):
            channel_meter.push(channel[None])
    return meter, [channel_meter.gain() for channel_meter in own] or meter.gain()


def denoise_wave(network: Any, wave: FloatArray, sample_rate: int, options: DenoiseOptions = FULL) -> FloatArray:
    """A denoised wave (N,)."""
    gain = working_level.measure([wave[None]], sample_rate).gain()
    pieces = denoise_blocks(network, [wave[None]], sample_rate, 1, options, gain=gain)
    return np.ascontiguousarray(np.concatenate(list(pieces), axis=1)[0, : len(wave)])


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
    network: Any,
    blocks: Iterable[FloatArray],
    sample_rate: int,
    n_channels: int,
    options: DenoiseOptions,
    gain: float | Sequence[float],
) -> Iterator[FloatArray]:
    """Reconstructs each channel from its denoised mel by Griffin-Lim, with the length of the input."""
    model = as_model(network)
    features = MelFeatures(**model.card["features"])
    wave = np.concatenate(list(blocks), axis=1)  # (C, N)
    factor = np.asarray(gain, np.float32).reshape(-1, 1)
    wave *= factor
    for_model = np.stack([sound_file.resample(channel, sample_rate, features.sample_rate) for channel in wave])
    padded = np.pad(for_model, ((0, 0), (0, features.hop_length)))  # the last frame then reaches the end
    rebuilt = griffin_lim(features, np.stack([_estimate(model, noisy, options) for noisy in features.mel(padded)]))
    result = np.stack([sound_file.resample(channel, features.sample_rate, sample_rate) for channel in rebuilt])
    result = result[:, : wave.shape[1]] / factor
    yield np.pad(result, ((0, 0), (0, wave.shape[1] - result.shape[1])))
