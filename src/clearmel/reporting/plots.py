"""Pictures: spectrograms side by side, and training curves; on a screen or as PNG files.

matplotlib is imported only when a picture is made.
"""

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clearmel.audio import sound_file
from clearmel.audio.features import DECIBELS_PER_UNIT, MelFeatures
from clearmel.audio.mel_scale import hz_to_mel
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, replacing
from clearmel.reporting import drawing
from clearmel.segments.timelines import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Board:
    """Shows pictures on the screen if there is one, else saves them in a folder.

    Args:
        folder: gets PNG files; None: the screen, or plots/ where there is none.
        enabled: False makes no picture.
        features: of the mels to be shown.
    """

    def __init__(self, folder: str | None, *, enabled: bool, features: MelFeatures | None = None) -> None:
        self.off = not enabled
        if enabled and importlib.util.find_spec("matplotlib") is None:  # before an hour of work
            raise InputError("pictures need matplotlib. Install: pip install 'clearmel[plot]', or give --no_plots.")
        self.folder: Path | None = Path(folder) if folder else None
        if self.folder is None and not _has_screen():
            self.folder = Path("plots")
        self.features = features or MelFeatures()

    def spectrograms(self, mels: Mapping[str, FloatArray], name: str) -> None:
        """Log-mels (T, M) by title, one below the other, with one colour scale in dB.

        Args:
            mels: title: mel.
            name: of the PNG file, without suffix.
        """
        if self.off:
            return
        plt = self._pyplot()
        levels = {title: (np.asarray(mel) - 1) * DECIBELS_PER_UNIT for title, mel in mels.items()}
        top = max(float(level.max()) for level in levels.values())
        figure, axes = plt.subplots(
            len(mels), 1, figsize=(9, 2.4 * len(mels)), sharex=True, squeeze=False, layout="constrained"
        )
        limits = hz_to_mel(np.array([self.features.fmin, self.features.fmax])).tolist()
        for axis, (title, level) in zip(axes[:, 0], levels.items(), strict=True):
            seconds = len(level) * self.features.hop_length / self.features.sample_rate
            image = axis.imshow(
                level.T,
                origin="lower",
                aspect="auto",
                vmin=top - 90,
                vmax=top,
                cmap="magma",
                extent=(0, seconds, limits[0], limits[1]),
                interpolation="nearest",
            )
            shown = [hz for hz in (125, 500, 1000, 2000, 4000, 8000, 16000) if hz <= self.features.fmax]
            axis.set_yticks(hz_to_mel(np.array(shown, np.float64)).tolist(), [str(hz) for hz in shown])
            axis.set(title=title, ylabel="frequency (Hz)")
        axes[-1, 0].set_xlabel("time (s)")
        figure.colorbar(image, ax=axes[:, 0].tolist(), label="power (dB)")
        self._give(figure, name)

    def recordings(self, paths: Mapping[str, Path], name: str) -> None:
        """The first 30 s of sound files by title, as `spectrograms` shows them."""
        if self.off:
            return
        mels = {}
        for title, path in paths.items():
            wave, _ = sound_file.read(path, self.features.sample_rate)
            mels[title] = self.features.mel(wave[: 30 * self.features.sample_rate])
        self.spectrograms(mels, name)

    def sound(self, wave: FloatArray, sample_rate: int, kind: str, name: str) -> None:
        """One picture of a wave (N,).

        Args:
            wave: in about [-1, 1].
            sample_rate: in Hz; windows of 64 ms every 16 ms, 128 mel bands up to half of it.
            kind: waveform, stft, mel, mfcc, or mel3d, the mel spectrogram as a surface.
            name: of the PNG file, without suffix.
        """
        if self.off:
            return
        figure = self._pyplot().figure(figsize=(9, 6 if kind == "mel3d" else 3.6), layout="constrained")
        drawing.draw_sound(figure, wave, sample_rate, kind)
        self._give(figure, name)

    def confusion(self, counts: npt.NDArray[np.int64], labels: Sequence[str], name: str) -> None:
        """How often each true class (row) was called each class (column): numbers, coloured by their share of a row."""
        if self.off:
            return
        plt = self._pyplot()
        shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
        size = 2.4 + 0.45 * len(labels)
        figure, axis = plt.subplots(figsize=(size + 1, size), layout="constrained")
        image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axis.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 2 else 0)
        axis.set_yticks(range(len(labels)), labels)
        axis.set(xlabel="called", ylabel="true")
        if len(labels) <= 30:
            for row, column in np.argwhere(counts):
                colour = "white" if shares[row, column] > 0.5 else "black"
                axis.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
        figure.colorbar(image, ax=axis, label="share of the true class")
        self._give(figure, name)

    def timeline(
        self, spans: FloatArray, probabilities: FloatArray, labels: Sequence[str], name: str, most: int = 8
    ) -> None:
        """Probabilities over time.

        Args:
            spans: (W, 2) start and end of each window in seconds.
            probabilities: (W, C).
            labels: C names; the `most` with the highest peaks are drawn.
            name: of the PNG file, without suffix.
            most: classes at most.
        """
        if self.off:
            return
        plt = self._pyplot()
        figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
        for index in sorted(np.argsort(-probabilities.max(axis=0), kind="stable")[:most].tolist()):
            axis.plot(
                spans.mean(axis=1), probabilities[:, index], marker="." if len(spans) < 60 else "", label=labels[index]
            )
        axis.set(xlabel="time (s)", ylabel="probability", ylim=(-0.02, 1.02), xlim=(0, float(spans.max())))
        axis.grid(alpha=0.3)
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        self._give(figure, name)

    def cuts(self, timeline: Timeline, name: str) -> None:
        """A recording's waveform with its cuts shaded, in rows of at most five minutes.

        Args:
            timeline: the recording and what stays of it.
            name: of the PNG file, without suffix.
        """
        if self.off:
            return
        plt = self._pyplot()
        n_rows = min(24, max(1, round(timeline.duration_s / 300)))
        row_s = timeline.duration_s / n_rows
        figure, axes = plt.subplots(n_rows, 1, figsize=(11, 0.8 + 1.5 * n_rows), squeeze=False, layout="constrained")
        columns = drawing.waveform(timeline.source)
        for number, axis in enumerate(axes[:, 0]):
            drawing.draw_cuts(axis, timeline, number * row_s, (number + 1) * row_s, columns)
        axes[0, 0].set_title(f"{timeline.source.name}: {timeline.summary()} (shaded)", fontsize=10)
        axes[-1, 0].set_xlabel("time (s)")
        self._give(figure, name)

    def cut_curve(self, curves: Mapping[str, Sequence[Mapping[str, float]]], threshold: float, name: str) -> None:
        """Recalls of keep and cut over the threshold of the first system, and against each other for all of them.

        Args:
            curves: system: rows of `cutting.curve`.
            threshold: where the first system stands.
            name: of the PNG file, without suffix.
        """
        if self.off:
            return
        plt = self._pyplot()
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
        title, rows = next(iter(curves.items()))
        for key, style in (("keep_recall", "C0-"), ("cut_recall", "C3-"),
                           ("keep_recall_collar", "C0:"), ("cut_recall_collar", "C3:")):  # fmt: skip
            left.plot([row["threshold"] for row in rows], [row[key] for row in rows], style, label=key)
        left.axvline(threshold, color="grey", linewidth=0.8)
        left.set(xlabel="threshold", ylabel="recall", title=title, xlim=(0, 1), ylim=(0.5, 1.005))
        for number, (system, found) in enumerate(curves.items()):
            for suffix, style in (("", "-"), ("_collar", ":")):
                kept, cut = ([row[f"{side}_recall{suffix}"] for row in found] for side in ("keep", "cut"))
                right.plot(kept, cut, f"C{number}{style}", label=f"{system}{' (collar)' if suffix else ''}")
        right.set(xlabel="recall of keep", ylabel="recall of cut", xlim=(0.9, 1.0), ylim=(0, 1.005))
        for axis in (left, right):
            axis.grid(alpha=0.3)
            axis.legend(fontsize=8)
        self._give(figure, name)

    def history(self, history: Sequence[Mapping[str, float]], name: str) -> None:
        """Curves of a run over the epochs: losses and errors in one panel, the other figures in another."""
        if self.off or not history:
            return
        plt = self._pyplot()
        left_out = {"epoch", "n", "learning_rate"}
        keys = [key for key, value in history[0].items() if key not in left_out and isinstance(value, float)]
        panels = [
            [k for k in keys if "loss" in k or "mse" in k],
            [k for k in keys if "loss" not in k and "mse" not in k],
        ]
        panels = [panel for panel in panels if panel]
        figure, axes = plt.subplots(1, len(panels), figsize=(5 * len(panels), 3.5), squeeze=False, layout="constrained")
        epochs = [row["epoch"] for row in history]
        for axis, panel in zip(axes[0], panels, strict=True):
            for key in panel:
                axis.plot(epochs, [row[key] for row in history], marker="." if len(epochs) < 30 else "", label=key)
            axis.set(xlabel="epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid(alpha=0.3)
            axis.legend()
        self._give(figure, f"{name}_history")

    def _pyplot(self) -> Any:
        import matplotlib

        if self.folder is not None:
            matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        return plt

    def _give(self, figure: "Figure", name: str) -> None:
        plt = self._pyplot()
        if self.folder is None:
            plt.show()
        else:
            path = self.folder / f"{name}.png"
            with replacing(path) as temporary:
                figure.savefig(temporary, format="png", dpi=110)
            print(f"picture: {path}", file=sys.stderr)
        plt.close(figure)


def _has_screen() -> bool:
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
