"""Speech, encoders and decoders for tests, by PyAV, libsndfile and soxr alone."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile as sf
import soxr

ROOT = Path(__file__).parent.parent
SPEECH = ROOT / "data/speech/en/vm-sorry.flac"
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def speech(n_channels: int, rate: int, seconds: float = 1.0) -> np.ndarray:
    """Speech (N, C) in float32, every second channel at half the level."""
    wave, own = sf.read(SPEECH, dtype="float32")
    wave = soxr.resample(wave, own, rate)
    wave = np.tile(wave, int(seconds * rate / len(wave)) + 1)[: int(seconds * rate)]
    wave = 0.5 * wave / np.abs(wave).max()
    return np.stack([wave / (1 + number % 2) for number in range(n_channels)], axis=1).astype(np.float32)


def lag(first: np.ndarray, second: np.ndarray) -> int:
    """Samples by which the second is later than the first, by the peak of their cross-correlation."""
    size = 2 * max(len(first), len(second))
    cross = np.fft.irfft(np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size)), size)
    return int((np.argmax(cross) + size // 2) % size - size // 2)


def encode(path: str | Path, form: str, codec: str, wave: np.ndarray, rate: int, **settings: Any) -> None:
    """Writes (N, C) with an encoder of FFmpeg; `settings` are attributes of the stream, `options` of the muxer."""
    muxer = {"movie_timescale": str(rate)} if form in ("ipod", "mp4", "mov", "3gp") else {}
    with av.open(str(path), "w", format=form, options=muxer | settings.pop("options", {})) as container:
        stream = container.add_stream(codec, rate=rate, options=settings.pop("codec_options", {}))
        stream.layout = LAYOUTS[wave.shape[1]]
        for name, value in settings.items():
            setattr(stream, name, value)
        add_sound(container, stream, wave, rate)


def add_sound(container: Any, stream: Any, wave: np.ndarray, rate: int, start: int = 0) -> None:
    """Encodes (N, C) into a stream, from sample `start` of its time."""
    kind = stream.codec_context.format.name if stream.codec_context.format else "fltp"
    convert = av.AudioResampler(format=kind, layout=stream.layout, rate=rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave.T), format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
    for made in [*convert.resample(frame), *convert.resample(None)]:
        container.mux(stream.encode(made))
    container.mux(stream.encode(None))


def decode(path: str | Path, track: int = 0) -> tuple[np.ndarray, int]:
    """Samples (N, C) of a sound track, and its rate, by FFmpeg alone; of an mp4 up to its stated length."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        convert = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        frames = [made.to_ndarray() for frame in container.decode(stream) for made in convert.resample(frame)]
        frames += [made.to_ndarray() for made in convert.resample(None)]
        wave = np.concatenate(frames, axis=1).T
        if container.format.name.startswith("mov"):  # the rest is the padding of the last packet
            wave = wave[: round(stream.duration * stream.time_base * stream.rate)]
        return wave, stream.rate
