"""Mixes speech and noise at an SNR, with reverberation and a recording chain.

A mixture is first drawn as a `Recipe` (numbers and names from one seed) and then computed by `mix`; equal recipes give
equal bytes. Waves are (N,) float32 in [-1, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearmel.audio.levels import active_level_db
from clearmel.augmentation.recording_chain import Chain, apply_codec, filter_bands
from clearmel.augmentation.reverb import Room, reverberated
from clearmel.augmentation.synthetic_noise import Rng, coloured_noise
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray


@dataclass(frozen=True)
class Recipe:
    """The parameters of one mixture: its noises (may be empty), their SNR and the recording chain.

    noise_tilt_db: spectral tilt of the noise alone. clip_db: the noisy side is clipped this far below its peak.
    noise_span: (start, end, fade) of the noise, as shares of the length. silence: (start, end) of a stretch in which
    both sides are digitally silent.
    """

    noises: tuple[str, ...]
    snr_db: float
    seed: int
    noise_tilt_db: float | None = None
    chain: Chain = field(default_factory=Chain)
    clip_db: float | None = None
    noise_span: tuple[float, float, float] | None = None
    silence: tuple[float, float] | None = None


def random_segment(noise: FloatArray, n_samples: int, rng: Rng) -> FloatArray:
    """A segment of n_samples from a random position; shorter noises are looped with cross-fades of 50 ms."""
    fade = min(800, len(noise) // 4)
    if len(noise) < n_samples and fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        head = noise[:fade] * np.sqrt(ramp) + noise[-fade:] * np.sqrt(1 - ramp)
        loop = np.concatenate([head, noise[fade:-fade]])
    else:
        loop = noise
    start = int(rng.integers(max(1, len(loop) if len(loop) < n_samples else len(loop) - n_samples + 1)))
    return np.resize(np.roll(loop, -start) if len(loop) < n_samples else loop[start : start + n_samples], n_samples)


def audible_segment(noise: FloatArray, n_samples: int, rng: Rng) -> FloatArray:
    """As `random_segment`, redrawn up to eight times while silent; then the segment that starts at the peak."""
    for _ in range(8):
        part = random_segment(noise, n_samples, rng)
        if np.isfinite(active_level_db(part)):
            return part
    return np.resize(noise[np.abs(noise).argmax() :], n_samples)


def mix(
    speech: FloatArray,
    recipe: Recipe,
    load: Callable[[str], FloatArray],
    sample_rate: int = 16000,
) -> tuple[FloatArray, FloatArray]:
    """Computes the pair of waves that a recipe describes.

    The speech is reverberated, the noise is added at the SNR between active levels, and both sides pass the same chain;
    last, the noisy side may be clipped. If either side exceeds full scale, both are attenuated equally.

    Args:
        speech: (N,), not silent.
        recipe: parameters of the mixture.
        load: returns the wave of a name in `recipe.noises`.
        sample_rate: of all waves in Hz.

    Returns:
        noisy (N,) and clean (N,), each at most 0.99 in magnitude.

    Raises:
        InputError: speech or noise is silent.
    """
    noisy, clean = finished(filtered(speech, recipe, load, sample_rate), recipe, sample_rate)
    return noisy, clean


def filtered(
    speech: FloatArray, recipe: Recipe, load: Callable[[str], FloatArray], sample_rate: int = 16000
) -> FloatArray:
    """The pair (2, N), noisy and clean, before codec, clipping and silence; see `mix`.

    Up to here the recording chain is linear: the difference between the two sides is the noise.
    """
    rng, chain = np.random.default_rng(recipe.seed), recipe.chain
    clean = target = speech
    if chain.room is not None:
        clean = target = reverberated(speech, sample_rate, chain.room, recipe.seed)
        if chain.early:
            target = reverberated(speech, sample_rate, chain.room, recipe.seed, early=True)
    noise = summed_noise(recipe, len(clean), load, sample_rate, rng)
    levels = active_level_db(clean, sample_rate), active_level_db(noise, sample_rate)
    if not np.isfinite(levels[: 1 + bool(recipe.noises)]).all():
        silent = "the speech" if not np.isfinite(levels[0]) else f"the noise {' + '.join(recipe.noises)}"
        raise InputError(f"{silent} is silent in the chosen segment; expected sound.")
    noisy = clean
    if recipe.noises:
        noisy = clean + noise * np.float32(10 ** ((levels[0] - levels[1] - recipe.snr_db) / 20))
    pair = np.stack([noisy, target])
    if chain.floor_db is not None:
        hiss = coloured_noise(len(clean), rng)
        pair += hiss * np.float32(10 ** ((levels[0] - chain.floor_db - active_level_db(hiss, sample_rate)) / 20))
    if chain.level_db is not None:
        pair *= np.float32(10 ** ((chain.level_db - levels[0]) / 20))
    pair = np.stack([filter_bands(side, sample_rate, chain) for side in pair])
    pair *= np.float32(min(1.0, 0.99 / max(1e-9, float(np.abs(pair).max()))))
    return pair


def finished(sides: FloatArray, recipe: Recipe, sample_rate: int = 16000) -> FloatArray:
    """Sides (S, N) after codec, clipping of the first one, and silence; see `mix`."""
    if recipe.chain.codec is not None:
        sides = np.stack([apply_codec(side, sample_rate, recipe.chain.codec) for side in sides])
        sides *= np.float32(min(1.0, 0.99 / max(1e-9, float(np.abs(sides).max()))))
    if recipe.clip_db is not None:
        limit = np.float32(10 ** (-recipe.clip_db / 20)) * np.abs(sides[0]).max()
        sides[0] = sides[0].clip(-limit, limit)
    if recipe.silence is not None:
        sides[:, int(recipe.silence[0] * sides.shape[1]) : int(recipe.silence[1] * sides.shape[1])] = 0
    return sides


def summed_noise(
    recipe: Recipe, n_samples: int, load: Callable[[str], FloatArray], sample_rate: int, rng: Rng
) -> FloatArray:
    """The sum (n_samples,) of a recipe's noises at random levels, with its tilt and span; zeros without noises.

    Args:
        recipe: parameters of the mixture; its SNR is not applied.
        n_samples: length.
        load: returns the wave of a name in `recipe.noises`.
        sample_rate: of all waves in Hz.
        rng: random generator of segments and levels.
    """
    noise = np.zeros(n_samples, np.float32)
    for name in recipe.noises:
        part = coloured_noise(n_samples, rng) if name == "coloured" else audible_segment(load(name), n_samples, rng)
        level = active_level_db(part, sample_rate)
        if np.isfinite(level):  # with several noises, each level is drawn from a range of 6 dB
            noise = noise + part * np.float32(10 ** ((rng.uniform(-6, 0) - level) / 20))
    if recipe.noise_tilt_db is not None:
        noise = filter_bands(noise, sample_rate, Chain(tilt_db=recipe.noise_tilt_db))
    if recipe.noise_span is not None:
        start, end, fade = recipe.noise_span
        position = np.arange(len(noise)) / len(noise)
        ramp = np.clip((position - start) / max(fade, 1e-6), 0, 1) * np.clip((end - position) / max(fade, 1e-6), 0, 1)
        within = noise * ramp.astype(np.float32)
        noise = within if np.isfinite(active_level_db(within, sample_rate)) else noise
    return noise


def describe(recipe: Recipe) -> dict[str, Any]:
    """A recipe as a row of mix.csv."""
    chain = recipe.chain
    return {
        "noise": " + ".join(recipe.noises),
        "snr_db": recipe.snr_db,
        "seed": recipe.seed,
        "noise_tilt_db": recipe.noise_tilt_db,
        "floor_db": chain.floor_db,
        "level_db": chain.level_db,
        "tilt_db": chain.tilt_db,
        "highpass_hz": chain.highpass_hz,
        "lowpass_hz": chain.lowpass_hz,
        "codec": chain.codec,
        "room": _described(chain.room),
    }


def _described(room: Room | str | None) -> str | None:
    if room is None or isinstance(room, str):
        return room
    return " x ".join(map(str, room[:3])) + f" m, RT60 {room[3]} s"
