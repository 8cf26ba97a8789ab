"""Reverberation in simulated rooms. Waves are (N,) float32 in [-1, 1]."""

import functools
from pathlib import Path

import numpy as np

from clearmel.audio import sound_file
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, list_files, quoted

Room = tuple[float, float, float, float, float]
"""Length, width and height in m, RT60 in s, distance between speaker and microphone in m."""


def draw_room(rng: np.random.Generator) -> Room:
    """Draws a shoebox room and the speaker's distance from the microphone."""
    length, width, height = (round(rng.uniform(low, high), 2) for low, high in ((3, 8), (3, 6), (2.4, 3.5)))
    return length, width, height, round(rng.uniform(0.15, 0.6), 2), round(rng.uniform(0.3, 2.0), 2)


def reverberated(wave: FloatArray, sample_rate: int, room: Room | str, seed: int, early: bool = False) -> FloatArray:
    """Reverberates a wave in a shoebox room (image-source method of pyroomacoustics) or in a measured one.

    The direct sound is not delayed.

    Args:
        wave: (N,).
        sample_rate: in Hz.
        room: see `Room`; or the path of a measured impulse response.
        seed: seed of the positions of speaker and microphone in a simulated room.
        early: use only the first 50 ms of the impulse response after the direct sound, faded out over the last 10.

    Raises:
        InputError: pyroomacoustics is not installed, or the file cannot be read.
    """
    measured = isinstance(room, str)
    response = measured_response(sample_rate, room) if measured else room_response(sample_rate, room, seed)
    direct = int(np.abs(response).argmax())
    if early:
        end, fade = direct + sample_rate // 20, sample_rate // 100
        response = response[:end] * np.clip((end - np.arange(min(end, len(response)))) / fade, 0, 1)
    n_fft = 1 << (len(wave) + len(response)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, n_fft) * np.fft.rfft(response, n_fft), n_fft)
    return wet[direct : direct + len(wave)].astype(np.float32)


def measured_rooms(folder: str | None, sample_rate: int) -> list[str]:
    """Paths of the impulse responses below a folder, read into the cache; none for None.

    Raises:
        InputError: one of them cannot be read.
    """
    found = [str(Path(folder, name)) for name in list_files(folder, sound_file.SUFFIXES)] if folder else []
    for path in found:
        measured_response(sample_rate, path)
    return found


@functools.lru_cache(maxsize=256)
def measured_response(sample_rate: int, path: str) -> FloatArray:
    """A recorded impulse response with a peak of 1, of at most 2 s; the latest 256 are cached.

    Raises:
        InputError: it cannot be read, or is silent.
    """
    response = sound_file.read(Path(path), sample_rate)[0][: 2 * sample_rate]
    if not response.any():
        raise InputError(f"{quoted(path)}: silent; expected the impulse response of a room.")
    return np.asarray(response / np.abs(response).max(), dtype=np.float32)


@functools.lru_cache(maxsize=256)
def room_response(sample_rate: int, room: Room, seed: int) -> FloatArray:
    """Impulse response of a room with a peak of 1; the latest 256 are cached.

    Raises:
        InputError: pyroomacoustics is not installed.
    """
    try:
        import pyroomacoustics as pra
    except ImportError as error:
        raise InputError(
            "--reverb needs the package pyroomacoustics. Install it: pip install pyroomacoustics"
        ) from error
    rng = np.random.default_rng(seed)
    size, rt60, distance = np.array(room[:3]), room[3], room[4]
    absorption, order = pra.inverse_sabine(rt60, size)
    box = pra.ShoeBox(size, fs=sample_rate, materials=pra.Material(absorption), max_order=min(order, 12))
    microphone = rng.uniform(0.5, size - 0.5)
    angle = rng.uniform(0, 2 * np.pi)
    reach = np.array([np.cos(angle), np.sin(angle), 0.0]) * distance
    box.add_source(np.clip(microphone + reach, 0.2, size - 0.2))
    box.add_microphone(microphone)
    box.compute_rir()
    response = np.asarray(box.rir[0][0], dtype=np.float32)
    return np.asarray(response / np.abs(response).max(), dtype=np.float32)
