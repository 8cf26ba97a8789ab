"""The recording chain that both sides of a mixture pass through: level, tilt, band limits, codecs."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile as sf

from clearmel.audio.sound_file import resample
from clearmel.augmentation.policy import DATASET, AugmentationPolicy, draw_optional
from clearmel.augmentation.reverb import Room, draw_room
from clearmel.augmentation.synthetic_noise import Rng
from clearmel.core.file_io import FloatArray

CODECS = {
    "mp3": ("MP3", "MPEG_LAYER_III", 16000),
    "vorbis": ("OGG", "VORBIS", 16000),
    "opus": ("OGG", "OPUS", 16000),
    "mulaw": ("WAV", "ULAW", 8000),
    "gsm": ("WAV", "GSM610", 8000),
}
"""Name: libsndfile container, sample format, sample rate in Hz."""


@dataclass(frozen=True)
class Chain:
    """A recording chain, equal for the clean and the noisy side; None skips a step.

    floor_db: hiss of the room or device in dB below the speech. level_db: active-speech level of the clean side
    in dB re full scale. tilt_db: gain at 8 kHz re 100 Hz. highpass_hz, lowpass_hz: band limits. band_edge_hz: steep
    upper band limit. codec: a key of CODECS. room: see `reverberated`. early: the clean side has only the first 50 ms
    of the reverberation.
    """

    floor_db: float | None = None
    level_db: float | None = None
    tilt_db: float | None = None
    highpass_hz: float | None = None
    lowpass_hz: float | None = None
    band_edge_hz: float | None = None
    codec: str | None = None
    room: Room | str | None = None
    early: bool = False


def draw_codec(rng: Rng) -> str:
    """One of `CODECS`, all equally likely."""
    return str(rng.choice(list(CODECS)))


def draw_chain(rng: Rng, augment: bool, reverb: float, policy: AugmentationPolicy = DATASET) -> Chain:
    """Draws a chain by a policy. Without `augment` only the room is drawn, with probability `reverb`."""
    room = draw_room(rng) if rng.random() < reverb else None
    if not augment:
        return Chain(room=room)
    codec = draw_codec(rng) if rng.random() < policy.codec_probability else None
    return Chain(
        floor_db=draw_optional(rng, policy.hiss_probability, policy.hiss_range_db, 2),
        level_db=draw_optional(rng, policy.level_probability, policy.level_range_db, 2),
        tilt_db=draw_optional(rng, policy.tilt_probability, policy.tilt_range_db, 2),
        highpass_hz=draw_optional(rng, policy.highpass_probability, policy.highpass_range_hz, 1),
        lowpass_hz=draw_optional(rng, policy.lowpass_probability, policy.lowpass_range_hz, 1),
        codec=codec,
        room=room,
    )


def filter_bands(wave: FloatArray, sample_rate: int, chain: Chain) -> FloatArray:
    """Applies tilt and band limits as zero-phase gains, so that both sides stay aligned."""
    if not any((chain.tilt_db, chain.highpass_hz, chain.lowpass_hz, chain.band_edge_hz)):
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
    if chain.band_edge_hz is not None:  # 100 dB within 4 % of the edge
        gain_db -= 100 * np.clip((frequency / chain.band_edge_hz - 0.96) / 0.04, 0, 1)
    spectrum = np.fft.rfft(wave, n_fft) * 10 ** (gain_db / 20)
    return np.fft.irfft(spectrum, n_fft)[: len(wave)].astype(np.float32)


def apply_codec(wave: FloatArray, sample_rate: int, codec: str) -> FloatArray:
    """Encodes and decodes a wave; the length stays."""
    container, subtype, rate = CODECS[codec]
    buffer = io.BytesIO()
    sf.write(buffer, resample(wave, sample_rate, rate), rate, format=container, subtype=subtype)
    buffer.seek(0)
    decoded = resample(sf.read(buffer, dtype="float32")[0], rate, sample_rate)[: len(wave)]
    return np.pad(decoded, (0, len(wave) - len(decoded)))
