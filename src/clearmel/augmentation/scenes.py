"""Built scenes, for the noises that recordings hold too few of: crowds in halls, other talkers, music, alarms.

Waves are (N,) float32. What is built has an arbitrary level; `mix` sets it.
"""

from collections.abc import Sequence

import numpy as np

from clearmel.augmentation.synthetic_noise import Rng, knocks
from clearmel.core.file_io import FloatArray

CROWD_VOICES = (5, 60)
"""Fewest and most voices of a crowd; numbers are drawn uniformly on a logarithmic scale."""
RINGS_M = ((0.8, 2.0), (2.0, 5.0), (5.0, 12.0))
"""Distances between which the voices of a crowd stand."""


def draw_crowd_size(rng: Rng) -> int:
    """A number of voices between the limits of `CROWD_VOICES`."""
    low, high = CROWD_VOICES
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


def crowd(voices: Sequence[FloatArray], sample_rate: int, rng: Rng) -> FloatArray:
    """Many people in one hall: voices at three distances, each distance with its own response, and clatter in half.

    Args:
        voices: waves of equal length (N,), one per person.
        sample_rate: in Hz.
        rng: random generator.

    Returns:
        (N,).
    """
    rt60 = float(np.exp(rng.uniform(np.log(0.3), np.log(2.5))))
    n_samples = len(voices[0])
    total = np.zeros(n_samples, np.float32)
    rings = [np.zeros(n_samples, np.float32) for _ in RINGS_M]
    for voice in voices:
        rings[rng.choice(len(RINGS_M), p=(0.2, 0.4, 0.4))] += np.roll(
            voice * np.float32(10 ** (rng.uniform(-6, 6) / 20) / _rms(voice)), int(rng.integers(n_samples))
        )
    for ring, limits in zip(rings, RINGS_M, strict=True):
        if ring.any():
            distance = rng.uniform(*limits)
            total += convolved(ring, hall_response(sample_rate, rt60, distance, rng)) / np.float32(distance)
    if rng.random() < 0.5:
        clatter = convolved(
            knocks(n_samples, sample_rate, rng), hall_response(sample_rate, rt60, rng.uniform(1, 6), rng)
        )
        total += clatter * np.float32(_rms(total) / _rms(clatter) * 10 ** (rng.uniform(-18, 0) / 20))
    return total


def talkers(voices: Sequence[FloatArray], sample_rate: int, rng: Rng) -> FloatArray:
    """One or two people who can be understood, farther from the microphone than the wanted speaker; (N,)."""
    rt60, total = rng.uniform(0.2, 1.0), np.zeros(len(voices[0]), np.float32)
    for voice in voices:
        response = hall_response(sample_rate, rt60, rng.uniform(1.5, 6.0), rng)
        total += convolved(voice, response) * np.float32(10 ** (rng.uniform(-6, 0) / 20) / _rms(voice))
    return total


def hall_response(sample_rate: int, rt60: float, distance: float, rng: Rng) -> FloatArray:
    """Impulse response of a room, whose direct sound is 1: a few early reflections, then decaying noise.

    The noise has the power of the direct sound at the critical distance of a room of 400 m3 times the square of `rt60`
    in seconds, and more beyond; it decays faster at high frequencies. Source: the statistical model of Moorer, "About
    this reverberation business", 1979.

    Args:
        sample_rate: in Hz.
        rt60: reverberation time in s.
        distance: between source and microphone in m.
        rng: random generator.

    Returns:
        (about sample_rate * rt60,).
    """
    n_samples = int(min(rt60, 2.0) * sample_rate) + 1
    time = np.arange(n_samples) / sample_rate
    bright, dull = (rng.standard_normal(n_samples) for _ in range(2))
    kernel = np.exp(-np.arange(24) / rng.uniform(2, 6))
    dull = np.convolve(dull, kernel)[:n_samples] / np.sqrt(np.square(kernel).sum())
    tail = 0.3 * bright * np.exp(-6.9 * time / (rt60 * rng.uniform(0.3, 0.7))) + dull * np.exp(-6.9 * time / rt60)
    tail[: sample_rate // 200] = 0
    critical = 1.1 * np.sqrt(rt60)  # 0.057 sqrt(volume / rt60); the volume is 400 m3 * rt60^2
    tail *= distance / critical / np.sqrt(np.square(tail).sum() + 1e-12)
    for start in rng.integers(sample_rate // 1000, sample_rate // 30, 6):
        if start < n_samples:
            tail[start] += rng.normal(0, 0.4)
    tail[0] = 1.0
    return np.asarray(tail, dtype=np.float32)


def convolved(wave: FloatArray, response: FloatArray) -> FloatArray:
    """The first len(wave) samples of a wave through an impulse response."""
    n_fft = 1 << (len(wave) + len(response) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, n_fft) * np.fft.rfft(response, n_fft), n_fft)
    return np.asarray(wet[: len(wave)], dtype=np.float32)


def music(n_samples: int, sample_rate: int, rng: Rng) -> FloatArray:
    """A bed of music: chords of decaying or sustained harmonic notes in one key, a bass, and drums in half."""
    wave = np.zeros(n_samples + 2 * sample_rate, np.float32)
    beat = int(sample_rate * 60 / rng.uniform(65, 145))
    root, scale = rng.uniform(45, 62), rng.permutation(((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)))[0]
    slope, decay_s = rng.uniform(0.8, 2.5), float(rng.choice((0.25, 0.8, 6.0)))
    start = -int(rng.integers(beat))
    while start < n_samples:
        degree, length = int(rng.integers(7)), beat * int(rng.integers(1, 3))
        steps = [degree - 14, *(degree + 2 * k for k in range(int(rng.integers(2, 5))))]
        for step in steps:
            if rng.random() < 0.85:
                pitch = 440 * 2 ** ((root + scale[step % 7] + 12 * (step // 7) - 69) / 12)
                note = _note(min(length * 2, 2 * sample_rate), pitch, sample_rate, slope, decay_s)
                begin = max(0, start)
                note = note[begin - start :]
                wave[begin : begin + len(note)] += note[: len(wave) - begin] * np.float32(rng.uniform(0.4, 1.0))
        start += length
    wave = wave[:n_samples]
    if rng.random() < 0.5:
        hits = np.zeros(n_samples, np.float32)
        hits[:: max(1, beat // 2)] = 1
        drum = rng.standard_normal(beat // 2) * np.exp(-np.arange(beat // 2) / (rng.uniform(0.01, 0.06) * sample_rate))
        wave = wave + convolved(hits, drum.astype(np.float32)) * np.float32(rng.uniform(0.2, 1.5) * _rms(wave))
    return np.asarray(wave, dtype=np.float32)


def alarm(n_samples: int, sample_rate: int, rng: Rng) -> FloatArray:
    """A siren that rises and falls or alternates between two tones, or beeps, from some distance in half."""
    time = np.arange(n_samples) / sample_rate + rng.uniform(0, 10)
    low, kind = rng.uniform(350, 1200), str(rng.choice(("wail", "two tones", "beeps")))
    on = np.ones(n_samples)
    if kind == "wail":
        phase = time / float(rng.choice((rng.uniform(0.15, 0.5), rng.uniform(1, 6)))) % 1
        pitch = low * rng.uniform(1.4, 2.6) ** (phase if rng.random() < 0.3 else 1 - np.abs(2 * phase - 1))
    elif kind == "two tones":
        pitch = np.where(time / rng.uniform(0.4, 1.6) % 1 < 0.5, low, low * rng.uniform(1.1, 1.6))
    else:
        period, count = rng.uniform(0.25, 1.5), int(rng.integers(1, 5))
        place = time % period / period * (count + rng.choice((0, 1, 2)))
        on = ((place % 1 < rng.uniform(0.3, 0.7)) & (place < count)).astype(float)
        pitch = np.full(n_samples, low * rng.uniform(1, 4))
    turns = 2 * np.pi * np.cumsum(pitch) / sample_rate
    tone = np.tanh(rng.uniform(0.5, 4) * np.sin(turns)) + rng.uniform(0, 0.4) * np.sin(2 * turns)
    smooth = np.ones(max(1, sample_rate // 200)) * 200 / sample_rate
    wave = (tone * np.convolve(on, smooth, "same")).astype(np.float32)
    if rng.random() < 0.5:
        wave = convolved(wave, hall_response(sample_rate, rng.uniform(0.3, 1.5), rng.uniform(2, 12), rng))
    return np.asarray(wave, dtype=np.float32)


def _note(n_samples: int, pitch: float, sample_rate: int, slope: float, decay_s: float) -> FloatArray:
    """A tone of up to ten harmonics that fades in over 10 ms, decays, and fades out over its last tenth."""
    time = np.arange(n_samples, dtype=np.float32) / np.float32(sample_rate)
    end = n_samples / np.float32(sample_rate)
    envelope = np.exp(-time / np.float32(decay_s)) * np.minimum(np.minimum(time * 100, 1), (end - time) * 10 / end)
    tone = np.zeros(n_samples, np.float32)
    for number in range(1, min(10, int(0.45 * sample_rate / pitch)) + 1):
        tone += np.sin(np.float32(2 * np.pi * pitch * number) * time) / np.float32(number**slope)
    return np.asarray(tone * envelope, dtype=np.float32)


def _rms(wave: FloatArray) -> float:
    return max(1e-9, float(np.sqrt(np.square(wave).mean())))
