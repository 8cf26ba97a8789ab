"""Speech + noise at an SNR, rooms, and the recording chain that both pass through.

A mixture is drawn as a `Recipe` (plain numbers and names, all from one seed) and then cooked; the same recipe gives
the same bytes. Waves are (N,) float32 in [-1, 1].
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile as sf

from src.audio import resample
from src.errors import InputError
from src.files import FloatArray
from src.levels import active_level_db
from src.rooms import Room, draw_room, reverberated

CODECS = {
    "mp3": ("MP3", "MPEG_LAYER_III", 16000),
    "vorbis": ("OGG", "VORBIS", 16000),
    "opus": ("OGG", "OPUS", 16000),
    "mulaw": ("WAV", "ULAW", 8000),
    "gsm": ("WAV", "GSM610", 8000),
}
"""name: libsndfile container, sample format, the rate in Hz at which it runs."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Chain:
    """A recording chain, the same for the clean and the noisy side; None leaves a step out.

    floor_db: hiss of the room or device, this far below the speech. level_db: active-speech level of the clean side
    in dB re full scale. tilt_db: gain at 8 kHz re 100 Hz. highpass_hz, lowpass_hz: band limits. codec: a key of
    CODECS. room: see `Room`. early: the clean side keeps only the room's first 50 ms.
    """

    floor_db: float | None = None
    level_db: float | None = None
    tilt_db: float | None = None
    highpass_hz: float | None = None
    lowpass_hz: float | None = None
    codec: str | None = None
    room: Room | None = None
    early: bool = False


@dataclass(frozen=True)
class Recipe:
    """One mixture: which noises (none: the speech stays alone), at which SNR, through which chain.

    clip_db: the noisy side is cut off this far below its peak.
    """

    noises: tuple[str, ...]
    snr_db: float
    seed: int
    noise_tilt_db: float | None = None
    chain: Chain = field(default_factory=Chain)
    clip_db: float | None = None


def draw_chain(rng: Rng, augment: bool, reverb: float) -> Chain:
    """Draws a chain. Without `augment` only the room is drawn, with probability `reverb`."""
    room = draw_room(rng) if rng.random() < reverb else None
    if not augment:
        return Chain(room=room)
    codec = str(rng.choice(list(CODECS))) if rng.random() < 0.2 else None
    return Chain(
        floor_db=round(rng.uniform(34.0, 60.0), 2) if rng.random() < 0.4 else None,
        level_db=round(rng.uniform(-42.0, -14.0), 2) if rng.random() < 0.8 else None,
        tilt_db=round(rng.uniform(-9.0, 9.0), 2) if rng.random() < 0.6 else None,
        highpass_hz=round(rng.uniform(40.0, 350.0), 1) if rng.random() < 0.3 else None,
        lowpass_hz=round(rng.uniform(2800.0, 7800.0), 1) if rng.random() < 0.35 else None,
        codec=codec,
        room=room,
    )


def stretch(noise: FloatArray, n_samples: int, rng: Rng) -> FloatArray:
    """A piece of `noise` of n_samples from a random place, repeated with 50 ms cross-fades if it is too short."""
    fade = min(800, len(noise) // 4)
    if len(noise) < n_samples and fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        head = noise[:fade] * np.sqrt(ramp) + noise[-fade:] * np.sqrt(1 - ramp)
        loop = np.concatenate([head, noise[fade:-fade]])
    else:
        loop = noise
    start = int(rng.integers(max(1, len(loop) if len(loop) < n_samples else len(loop) - n_samples + 1)))
    return np.resize(np.roll(loop, -start) if len(loop) < n_samples else loop[start : start + n_samples], n_samples)


def heard(noise: FloatArray, n_samples: int, rng: Rng) -> FloatArray:
    """A piece as `stretch` gives it, drawn anew while it is silent; if need be the start of the sound."""
    for _ in range(8):
        part = stretch(noise, n_samples, rng)
        if np.isfinite(active_level_db(part)):
            return part
    return np.resize(noise[np.abs(noise).argmax() :], n_samples)


def coloured_noise(n_samples: int, rng: Rng) -> FloatArray:
    """White noise tilted at random: from brown (-6 dB per octave) to slightly blue (+1.5)."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    octaves = np.log2(np.maximum(np.arange(len(spectrum)), 1) / len(spectrum))
    spectrum *= 10 ** (rng.uniform(-6.0, 1.5) * octaves / 20)
    wave = np.fft.irfft(spectrum, n_samples)
    return (wave / max(1e-9, float(np.abs(wave).max()))).astype(np.float32)


def filtered(wave: FloatArray, sample_rate: int, chain: Chain) -> FloatArray:
    """Tilt and band limits as zero-phase gains: both sides keep their alignment."""
    if chain.tilt_db is None and chain.highpass_hz is None and chain.lowpass_hz is None:
        return wave
    n_fft = 1 << (len(wave) + sample_rate // 10).bit_length()
    frequency = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    gain_db = np.zeros_like(frequency)
    if chain.tilt_db is not None:
        octaves = np.log2(np.clip(frequency, 100, 8000) / 100)
        gain_db += chain.tilt_db * (octaves / np.log2(80) - 0.5)
    if chain.highpass_hz is not None:  # magnitude of a fourth-order Butterworth filter
        gain_db -= 10 * np.log10(1 + (chain.highpass_hz / np.maximum(frequency, 1)) ** 8)
    if chain.lowpass_hz is not None:
        gain_db -= 10 * np.log10(1 + (frequency / chain.lowpass_hz) ** 24)
    spectrum = np.fft.rfft(wave, n_fft) * 10 ** (gain_db / 20)
    return np.fft.irfft(spectrum, n_fft)[: len(wave)].astype(np.float32)


def coded(wave: FloatArray, sample_rate: int, codec: str) -> FloatArray:
    """The wave after coding and decoding, same length."""
    container, subtype, rate = CODECS[codec]
    buffer = io.BytesIO()
    sf.write(buffer, resample(wave, sample_rate, rate), rate, format=container, subtype=subtype)
    buffer.seek(0)
    decoded = resample(sf.read(buffer, dtype="float32")[0], rate, sample_rate)[: len(wave)]
    return np.pad(decoded, (0, len(wave) - len(decoded)))


def mix(
    speech: FloatArray,
    recipe: Recipe,
    load: Callable[[str], FloatArray],
    sample_rate: int = 16000,
) -> tuple[FloatArray, FloatArray]:
    """Cooks a recipe.

    The room is put around the speech, the noise is added at the SNR between their active levels, then both sides
    pass the same chain; last, the noisy side may clip. A pair that would clip by itself is lowered as a whole.

    Args:
        speech: (N,), not silent.
        recipe: what to do.
        load: gives the wave of a name in `recipe.noises`.
        sample_rate: of all waves in Hz.

    Returns:
        noisy (N,) and clean (N,), each at most 0.99 in magnitude.

    Raises:
        InputError: speech or noise is silent.
    """
    rng, chain = np.random.default_rng(recipe.seed), recipe.chain
    clean = target = speech
    if chain.room is not None:
        clean = target = reverberated(speech, sample_rate, chain.room, recipe.seed)
        if chain.early:
            target = reverberated(speech, sample_rate, chain.room, recipe.seed, early=True)
    noise = np.zeros_like(clean)
    for name in recipe.noises:
        part = coloured_noise(len(clean), rng) if name == "coloured" else heard(load(name), len(clean), rng)
        level = active_level_db(part, sample_rate)
        if np.isfinite(level):  # several noises: each within 6 dB of the first
            noise = noise + part * np.float32(10 ** ((rng.uniform(-6, 0) - level) / 20))
    if recipe.noise_tilt_db is not None:
        noise = filtered(noise, sample_rate, Chain(tilt_db=recipe.noise_tilt_db))
    levels = active_level_db(clean, sample_rate), active_level_db(noise, sample_rate)
    if not np.isfinite(levels[: 1 + bool(recipe.noises)]).all():
        silent = "the speech" if not np.isfinite(levels[0]) else f"the noise {' + '.join(recipe.noises)}"
        raise InputError(f"{silent} is silent in the chosen piece; expected sound.")
    noisy = clean
    if recipe.noises:
        noisy = clean + noise * np.float32(10 ** ((levels[0] - levels[1] - recipe.snr_db) / 20))
    pair = np.stack([noisy, target])
    if chain.floor_db is not None:
        hiss = coloured_noise(len(clean), rng)
        pair += hiss * np.float32(10 ** ((levels[0] - chain.floor_db - active_level_db(hiss, sample_rate)) / 20))
    if chain.level_db is not None:
        pair *= np.float32(10 ** ((chain.level_db - levels[0]) / 20))
    pair = np.stack([filtered(side, sample_rate, chain) for side in pair])
    pair *= np.float32(min(1.0, 0.99 / max(1e-9, float(np.abs(pair).max()))))
    if chain.codec is not None:
        pair = np.stack([coded(side, sample_rate, chain.codec) for side in pair])
        pair *= np.float32(min(1.0, 0.99 / max(1e-9, float(np.abs(pair).max()))))
    if recipe.clip_db is not None:
        limit = np.float32(10 ** (-recipe.clip_db / 20)) * np.abs(pair[0]).max()
        pair[0] = pair[0].clip(-limit, limit)
    return pair[0], pair[1]


def describe(recipe: Recipe) -> dict[str, Any]:
    """A recipe as one row of mix.csv."""
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
        "room": None if chain.room is None else " x ".join(map(str, chain.room[:3])) + f" m, RT60 {chain.room[3]} s",
    }
