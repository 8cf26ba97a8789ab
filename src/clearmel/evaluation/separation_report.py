"""Figures of separated voices for each mixture, compared with the mixture itself and with ideal masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clearmel.audio import complex_masks
from clearmel.audio.features import MelFeatures
from clearmel.core.file_io import FloatArray
from clearmel.metrics import signal, speech_quality
from clearmel.metrics.permutation import best_order, swapped

SYSTEMS = ("voices", "mixture", "ideal ratio mask", "ideal complex mask")
FIGURES = ("si_sdr", "si_sdr_improvement", "swapped", "sdr", "pesq", "estoi")
SEGMENT_S = 0.5
"""Length of the segments that count as swapped or not."""


def rows(
    estimates: FloatArray, mixture: Tensor, voices: Tensor, features: MelFeatures, *, audio_metrics: bool
) -> list[dict[str, Any]]:
    """One row per system for one mixture: the means over its voices.

    Args:
        estimates: separated voices (S, N).
        mixture: (N,).
        voices: true voices (S, N) at their levels in it.
        features: the STFT of the ideal masks.
        audio_metrics: also PESQ and ESTOI, which take longer than everything else.
    """
    spectrum, spectra = features.stft(mixture), features.stft(voices)
    ratio = spectrum * complex_masks.ideal_ratio(spectra[None])[0]
    complex_ = spectrum * complex_masks.expand(complex_masks.compress(complex_masks.ideal_complex(spectra, spectrum)))
    systems = {
        "voices": torch.from_numpy(estimates),
        "mixture": mixture.expand(len(voices), -1),
        "ideal ratio mask": features.istft(ratio, len(mixture)),
        "ideal complex mask": features.istft(complex_, len(mixture)),
    }
    before = signal.si_sdr(systems["mixture"], voices).mean()
    found: list[dict[str, Any]] = []
    for system, waves in systems.items():
        figures = _figures(waves, voices, features.sample_rate, audio_metrics)
        figures["si_sdr_improvement"] = figures["si_sdr"] - float(before)
        found.append({"system": system} | {key: figures[key] for key in FIGURES if key in figures})
    return found


def means(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per system: the means over all mixtures."""
    table = []
    for system in SYSTEMS:
        own = [row for row in found if row["system"] == system]
        keys = [key for key in own[0] if key not in ("name", "system")]
        table.append({"system": system} | {key: float(np.nanmean([row[key] for row in own])) for key in keys})
    return table


def _figures(estimates: Tensor, voices: Tensor, sample_rate: int, audio_metrics: bool) -> dict[str, float]:
    """Means over the voices (S, N), in the best order, and the share of segments in another one."""
    ratios, order = best_order(estimates[None], voices[None])
    pairs = [(estimates[place], voice) for place, voice in zip(order[0].tolist(), voices, strict=True)]
    found = {"si_sdr": float(ratios.mean()), "sdr": float(np.mean([signal.sdr(*pair) for pair in pairs]))}
    found["swapped"] = swapped(estimates[order[0]], voices, int(SEGMENT_S * sample_rate))
    if audio_metrics:
        scored = [speech_quality.figures(ours.numpy(), voice.numpy(), dnsmos=False) for ours, voice in pairs]
        found |= {key: float(np.nanmean([one[key] for one in scored])) for key in ("pesq", "estoi")}
    return found
