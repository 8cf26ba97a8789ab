"""Other systems on the same frames: keep everything, a smoothed energy threshold, and silero-vad."""

import sys
from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.core.file_io import FloatArray
from clearmel.data.cut_clips import CutClips
from clearmel.metrics import cutting
from clearmel.metrics.cutting import FrameDecisions
from clearmel.options import FEATURE_PRESETS
from clearmel.segments.frames import FRAME_S

CHUNK = 512
"""Samples at 16 kHz of one silero-vad window."""


def predict_peers(data: CutClips, ours: Sequence[FrameDecisions]) -> dict[str, list[FrameDecisions]]:
    """The decisions of the other systems for each clip.

    Without its package, silero-vad is skipped with a line on stderr.

    Args:
        data: the clips.
        ours: decisions of the evaluated cutter, which define the times of the decisions.
    """
    systems = {"keep everything": [part._replace(probability=np.ones_like(part.probability)) for part in ours]}
    energies, voices = list[FrameDecisions](), list[FrameDecisions]()
    detector = _silero()
    features = MelFeatures(**FEATURE_PRESETS["mel100"])  # type: ignore[arg-type]
    for clip, part in zip(
        tqdm(data.clips.clips, unit="clip", desc="others", leave=False, disable=None), ours, strict=True
    ):
        wave, _ = sound_file.read(data.clips.root / clip.name, features.sample_rate)
        seconds = (clip.first + np.arange(len(part.keep))) * FRAME_S
        energy = cutting.smoothed_energy(features.mel(torch.from_numpy(wave)).numpy(), 4)
        energies.append(part._replace(probability=_at(energy, seconds, FRAME_S, 0.0)))
        if detector is not None:
            speech = _speech_probabilities(detector, wave)
            chunk_s = CHUNK / features.sample_rate
            voices.append(part._replace(probability=_at(speech, seconds, chunk_s, chunk_s / 2)))
    systems["smoothed energy"] = energies
    if detector is not None:
        systems["silero-vad"] = voices
    return systems


def _at(values: FloatArray, seconds: FloatArray, step_s: float, first_s: float) -> FloatArray:
    return np.interp(seconds, first_s + np.arange(len(values)) * step_s, values).astype(np.float32)


def _silero() -> "torch.jit.ScriptModule | None":
    try:
        from silero_vad import load_silero_vad
    except ImportError:
        print("silero-vad is not installed: it is not compared with (pip install silero-vad==6.2.3)", file=sys.stderr)
        return None
    model: torch.jit.ScriptModule = load_silero_vad()
    return model


@torch.inference_mode()
def _speech_probabilities(detector: "torch.jit.ScriptModule", wave: FloatArray) -> FloatArray:
    """Probability of speech in each chunk of a wave at 16 kHz."""
    detector.reset_states()
    padded = torch.from_numpy(np.pad(wave, (0, -len(wave) % CHUNK)))
    return np.array([float(detector(chunk, 16000)) for chunk in padded.reshape(-1, CHUNK)], np.float32)
