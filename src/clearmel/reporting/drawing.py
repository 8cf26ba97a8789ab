"""Draws a wave, its spectra, or its cuts into an existing matplotlib figure."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clearmel.audio import sound_file
from clearmel.audio.features import DECIBELS_PER_UNIT, MelFeatures
from clearmel.audio.stft import power_of
from clearmel.core.file_io import FloatArray
from clearmel.segments.timelines import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
COLUMNS_PER_S = 100
"""Columns of a waveform per second."""


def draw_sound(figure: "Figure", wave: FloatArray, sample_rate: int, kind: str) -> None:
    """Draws a wave (N,) into an empty figure.

    Args:
        figure: matplotlib figure.
        wave: in about [-1, 1].
        sample_rate: in Hz; windows of 64 ms every 16 ms, 128 mel bands up to half of it.
        kind: waveform, stft, mel, mfcc, or mel3d, the mel spectrogram as a surface.
    """
    hop = max(1, round(0.016 * sample_rate))
    features = MelFeatures(sample_rate, 4 * hop, hop, 128, 20.0, sample_rate / 2)
    seconds = len(wave) / sample_rate
    if kind == "mel3d":
        level = (features.mel(wave) - 1) * DECIBELS_PER_UNIT
        level = level[:: -(-len(level) // 240), ::2].clip(min=level.max() - 80)  # (T, M / 2)
        times, bands = np.meshgrid(np.linspace(0, seconds, len(level)), np.arange(level.shape[1]) * 2, indexing="ij")
        axis = figure.add_subplot(projection="3d")
        axis.plot_surface(times, bands, level, cmap="magma", rstride=1, cstride=1, linewidth=0)
        axis.set(xlabel="time (s)", ylabel="mel band", zlabel="power (dB)")
        axis.view_init(elev=45, azim=-70)
        return
    axis = figure.add_subplot()
    axis.set_xlabel("time (s)")
    if kind == "waveform":
        step = max(1, len(wave) // 2000)  # lowest and highest sample of each of 2000 parts
        parts = wave[: len(wave) // step * step].reshape(-1, step)
        ends = np.stack([parts.min(1), parts.max(1)], axis=1).reshape(-1)
        axis.plot(np.repeat(np.arange(len(parts)) * step / sample_rate, 2), ends, linewidth=0.5)
        axis.set(ylabel="amplitude", xlim=(0, seconds))
        return
    height, values, label = sample_rate / 2, 10 * np.log10(1e-12 + power_of(features.stft(wave))), "power (dB)"
    if kind == "mel":
        height, values = features.n_mels, (features.mel(wave) - 1) * DECIBELS_PER_UNIT
    elif kind == "mfcc":
        height, values, label = 20, features.cepstrum(features.mel(wave)), "coefficient (dB)"
    bottom, top, colours = float(values.max()) - 80, float(values.max()), "magma"
    if kind == "mfcc":  # the first coefficient, the level, would dominate the colour scale
        top = float(np.abs(values[:, 1:]).max())
        bottom, colours = -top, "RdBu_r"
    image = axis.imshow(
        values.T, origin="lower", aspect="auto", cmap=colours, extent=(0, seconds, 0, height),
        vmin=bottom, vmax=top, interpolation="nearest",
    )  # fmt: skip
    axis.set_ylabel({"stft": "frequency (Hz)", "mel": "mel band", "mfcc": "coefficient"}[kind])
    figure.colorbar(image, ax=axis, label=label)


def waveform(path: Path) -> FloatArray:
    """Lowest and highest sample (2, N) of each hundredth of a second."""
    blocks = sound_file.mono(path, 100 * COLUMNS_PER_S)
    parts = [block[: len(block) // COLUMNS_PER_S * COLUMNS_PER_S].reshape(-1, COLUMNS_PER_S) for block in blocks]
    columns = np.concatenate(parts)
    return np.stack([columns.min(axis=1), columns.max(axis=1)])


def draw_cuts(
    axis: "Axes", timeline: Timeline, start_s: float, end_s: float, columns: FloatArray | None = None
) -> None:
    """Draws a section of a recording with the cuts shaded.

    Args:
        axis: matplotlib axes.
        timeline: the recording and its parts to keep.
        start_s: start of the section.
        end_s: end of the section.
        columns: the `waveform` of the recording, if already computed.
    """
    low, high = waveform(timeline.source) if columns is None else columns
    section = slice(int(start_s * COLUMNS_PER_S), int(end_s * COLUMNS_PER_S) + 1)
    seconds = start_s + np.arange(len(low[section])) / COLUMNS_PER_S
    axis.fill_between(seconds, low[section], high[section], linewidth=0.3, color="#1f4e79")
    for a, b in timeline.cuts():
        if a < end_s and b > start_s:
            axis.axvspan(max(a, start_s), min(b, end_s), color="#d9534f", alpha=0.35, linewidth=0)
    peak = max(1e-3, float(np.abs([low, high]).max()))
    axis.set(xlim=(start_s, end_s), ylim=(-peak, peak), yticks=[])
