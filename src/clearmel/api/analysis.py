"""Classes, cuts and voices of waves."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from clearmel.api.models import load
from clearmel.api.waves import Wave, as_given, channels_first
from clearmel.audio import working_level
from clearmel.audio.channels import downmix
from clearmel.audio.sound_file import resample_blocks
from clearmel.core.file_io import FloatArray
from clearmel.core.progress import Progress, advance
from clearmel.inference.classify import WindowClassifier
from clearmel.inference.cut import Editor
from clearmel.inference.separate import tracks_at_rate
from clearmel.inference.voice_separator import VoiceSeparator
from clearmel.options import TRACK_STRENGTH, CutOptions
from clearmel.segments.binarize import parts_to_keep

BLOCK_S = 30.0
"""Seconds of sound after which a caller is told how much is done."""


@functools.lru_cache(maxsize=4)
def _classifier(model: str, device: str) -> WindowClassifier:
    return WindowClassifier(load(model, "classification", device))


def classify(
    wave: Wave,
    sample_rate: int,
    *,
    model: str = "classifier",
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Predicts the class of a recording; by default whether it is noisy or clean.

    Args:
        wave: (N,) or (N, C), see `clearmel.denoise`; the channels become one, see `clearmel.audio.channels.downmix`.
        sample_rate: in Hz, 1000 to 384000.
        model: name of the weights, see `clearmel.load`.
        device: where the network computes, see `clearmel.load`.
        progress: called with the seconds of sound that are done, and the total.

    Returns:
        "label", its "probability", and "p_<label>" of every class, each 0 to 1; "snr_db" if the weights estimate it.

    Raises:
        ValueError: as `clearmel.denoise`, or the recording is silent.
        clearmel.InputError: there are no such weights, or there is no such device.
    """
    classifier = _classifier(model, device)
    channels = channels_first(wave, sample_rate)
    gain, sound = working_level.measure([channels], sample_rate).gain(), downmix(channels)[None]
    step = int(BLOCK_S * sample_rate)
    pieces = (sound[:, start : start + step] for start in range(0, sound.shape[1], step))
    blocks = resample_blocks(pieces, sample_rate, classifier.features.sample_rate, 1)
    done, windows = advance(progress, sound.shape[1] / sample_rate), None
    if sound.any():
        windows = classifier.predict_blocks((block[0] for block in blocks), gain=gain, progress=done)
    if windows is None:
        raise ValueError("wave is silent; expected sound.")
    return classifier.whole(windows)


def cut(
    wave: Wave,
    sample_rate: int,
    *,
    model: str = "cutter",
    strength: float = 0.5,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[tuple[float, float]]:
    """Finds the parts of a recording of speech that stay when pauses, breaths and knocks are cut.

    Args:
        wave: (N,) or (N, C), see `clearmel.denoise`; the channels become one, see `clearmel.audio.channels.downmix`.
        sample_rate: in Hz, 1000 to 384000.
        model: name of the weights, see `clearmel.load`.
        strength: 0 keeps breath and rhythm, 1 cuts whatever is no word.
        device: where the network computes, see `clearmel.load`.
        progress: called with the seconds of sound that are done, and the total.

    Returns:
        Start and end in seconds of each part that stays, in order.

    Raises:
        ValueError: as `clearmel.denoise`, or a strength outside 0 to 1.
        clearmel.InputError: there are no such weights, or there is no such device.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}; expected 0 to 1.")
    editor = Editor(load(model, "cutting", device))
    channels = channels_first(wave, sample_rate)
    sound, duration_s = downmix(channels)[None], channels.shape[1] / sample_rate

    def blocks() -> Iterator[FloatArray]:
        return (block[0] for block in resample_blocks(iter([sound]), sample_rate, editor.features.sample_rate, 1))

    meter = working_level.measure([channels], sample_rate)
    probabilities = editor.decide(blocks, meter, advance(progress, duration_s))
    options = CutOptions.of_strength(strength, editor.threshold)
    parts = parts_to_keep(probabilities, editor.step_s, duration_s, options, -editor.step_s / 2)
    return [(float(start), float(end)) for start, end in parts]


def separate(
    wave: Wave,
    sample_rate: int,
    *,
    model: str = "separator",
    passes: int = 2,
    strength: float = TRACK_STRENGTH,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[Wave]:
    """Separates the voices of a recording.

    Args:
        wave: (N,) or (N, C), see `clearmel.denoise`.
        sample_rate: in Hz, 1000 to 384000.
        model: name of the weights, see `clearmel.load`.
        passes: times that the recording is processed, each a part of a frame apart; 1 to 16.
        strength: share of the attenuation in dB with which `denoiser.pth` then denoises each track, 0 to 1.
        device: where the network computes, see `clearmel.load`.
        progress: called with the seconds of sound that are done, and the total.

    Returns:
        One wave for each voice, of the same shape and type as the input.

    Raises:
        ValueError: as `clearmel.denoise`, a number of passes outside 1 to 16, or a strength outside 0 to 1.
        clearmel.InputError: there are no such weights, or there is no such device.
    """
    if not 1 <= passes <= 16:
        raise ValueError(f"passes is {passes}; expected 1 to 16.")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}; expected 0 to 1.")
    voices = VoiceSeparator(load(model, "separation", device), passes=passes, strength=strength)
    sound = channels_first(wave, sample_rate)
    blocks = resample_blocks(iter([sound]), sample_rate, voices.rate, len(sound))
    done = advance(progress, sound.shape[1] / sample_rate)
    pieces = np.concatenate(list(tracks_at_rate(voices, blocks, sample_rate, len(sound), done)), axis=2)
    missing = max(0, sound.shape[1] - pieces.shape[2])
    pieces = np.pad(pieces[..., : sound.shape[1]], ((0, 0), (0, 0), (0, missing)))
    return [as_given(track, wave) for track in pieces]
