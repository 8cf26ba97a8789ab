"""Predicts the class of a recording of any length, window by window."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clearmel.audio import sound_file, working_level
from clearmel.audio.features import MelFeatures
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted
from clearmel.core.npy import read_mel
from clearmel.core.progress import Advance
from clearmel.inference.mel_windows import Window, of_mel, of_sound
from clearmel.metrics import calibrated, snr
from clearmel.runtime import load
from clearmel.runtime.model import as_model

BATCH = 16
"""Windows in one forward pass."""


class WindowPredictions(NamedTuple):
    """Windows of a recording.

    spans: (W, 2) start and end in seconds. probabilities: (W, C). seconds: (W,) seconds of sound in each window, which
    weight its probabilities. snr_db: (W,), None if the network does not estimate the SNR. end_s: where the recording
    ends. Silent windows are left out.
    """

    spans: FloatArray
    probabilities: FloatArray
    seconds: FloatArray
    snr_db: FloatArray | None = None
    end_s: float = 0.0

    def mean(self) -> FloatArray:
        """Probabilities (C,) of the whole recording."""
        return np.asarray(self._weights() @ self.probabilities, dtype=np.float32)

    def mean_snr_db(self) -> float | None:
        """SNR of the whole recording in dB, if the network estimates it."""
        return None if self.snr_db is None else float(self._weights() @ self.snr_db)

    def between(self, first: int, last: int) -> "WindowPredictions":
        """The windows from `first` to `last`, exclusive."""
        snr_db = None if self.snr_db is None else self.snr_db[first:last]
        spans, probabilities, seconds = (
            values[first:last] for values in (self.spans, self.probabilities, self.seconds)
        )
        return self._replace(spans=spans, probabilities=probabilities, seconds=seconds, snr_db=snr_db)

    def _weights(self) -> FloatArray:
        return np.asarray(self.seconds / self.seconds.sum(), dtype=np.float32)


UNKNOWN = "unknown"
"""The label of a recording whose best class is not probable enough."""
SILENCE = "silence"
"""The label of a part of a recording in which all windows are silent."""


class WindowClassifier:
    """Classifies recordings with trained weights.

    Args:
        network: a classifier with its card, as a model or a network of torch.
        threshold: below this probability the label is `UNKNOWN`; None: that of the card, or 0.
    """

    def __init__(self, network: Any, threshold: float | None = None) -> None:
        training, scores = (network.card.get(key, {}) for key in ("training", "scores"))
        own = float(training.get("threshold") or 0.0)
        self.network, self.threshold = as_model(network), own if threshold is None else threshold
        self.labels: list[str] = list(network.card["labels"])
        self.features = MelFeatures(**network.card["features"])
        self.temperature = float(training.get("temperature") or scores.get("temperature") or 1.0)
        self.window_s = float(training.get("clip_s") or 0.0)  # 0: it was trained on whole recordings
        self.estimates_snr = snr.is_estimated(network.card)

    @classmethod
    def load(cls, model_filename: str, threshold: float | None = None, device: str = "cpu") -> "WindowClassifier":
        """Loads `models/<model_filename>`; see `clearmel.runtime.load.by_name`."""
        return cls(load.by_name(model_filename, "classification", device), threshold)

    def predict(
        self,
        path: Path,
        window_s: float | None = None,
        hop_s: float | None = None,
        progress: Advance | None = None,
    ) -> WindowPredictions:
        """Predicts the classes of overlapping windows of a recording, or of a .npy mel.

        Digital silence is trimmed from the ends of a window, as in training; a silent window is skipped, see
        `mel_windows.SILENCE_DB`.

        Args:
            path: a sound file or .npy mel.
            window_s: length of a window, 0 for the whole recording at once; None: the length in training.
            hop_s: distance from window to window; None: half a window.
            progress: called with the seconds of each block that is read.

        Raises:
            InputError: the file cannot be read, or is silent.
        """
        if path.suffix.lower() == ".npy":
            mel = read_mel(path, self.features.n_mels)
            mel = working_level.scaled_mel(mel, working_level.measured_mel(mel, self.features))
            found = self._predict(of_mel(mel, self.features, *self._lengths(window_s, hop_s)))
        else:
            gain = working_level.measure(sound_file.blocks(path), sound_file.inspect(path).sample_rate).gain()
            blocks = sound_file.mono(path, self.features.sample_rate)
            found = self.predict_blocks(blocks, window_s, hop_s, gain, progress)
        if found is None:
            raise InputError(f"{quoted(path)} is silent; expected sound.")
        return found

    def predict_blocks(
        self,
        blocks: Iterator[FloatArray],
        window_s: float | None = None,
        hop_s: float | None = None,
        gain: float = 1.0,
        progress: Advance | None = None,
    ) -> WindowPredictions | None:
        """As `predict`, for a recording in blocks (N,) at the rate of the features; None if it is silent.

        Args:
            blocks: the recording.
            window_s: as in `predict`.
            hop_s: as in `predict`.
            gain: brings the recording to the network's working level, see `clearmel.audio.working_level`.
            progress: called with the seconds of each block.
        """
        if progress is not None:
            blocks = _counted(blocks, self.features.sample_rate, progress)
        if gain != 1:
            blocks = (block * np.float32(gain) for block in blocks)
        lengths = self._lengths(window_s, hop_s)
        return self._predict(of_sound(blocks, self.features, *lengths, self.window_s > 0))

    def _lengths(self, window_s: float | None, hop_s: float | None) -> tuple[float, float]:
        window_s = self.window_s if window_s is None else window_s
        return window_s, window_s / 2 if hop_s is None else hop_s

    def _predict(self, windows: Iterator[Window]) -> WindowPredictions | None:
        spans, seconds, found, end_s = list[tuple[float, float]](), list[float](), list[FloatArray](), 0.0
        while everything := list(itertools.islice(windows, BATCH)):
            end_s = everything[-1].span[1]
            chunk = [window for window in everything if window.sound_s]
            spans += [window.span for window in chunk]
            seconds += [window.sound_s for window in chunk]
            for _, alike in itertools.groupby(chunk, key=lambda window: len(window.mel)):
                found.append(self.network.logits(np.stack([window.mel for window in alike])))
        if not found:
            return None
        logits = np.concatenate(found)
        return WindowPredictions(
            np.array(spans, np.float32),
            calibrated.probabilities(logits, self.temperature),
            np.array(seconds, np.float32),
            snr.estimate_db(logits) if self.estimates_snr else None,
            end_s,
        )

    def whole(self, windows: WindowPredictions) -> dict[str, Any]:
        """The `row` of a whole recording."""
        return self.row(windows.mean(), windows.mean_snr_db())

    def row(self, probabilities: FloatArray, snr_db: float | None = None) -> dict[str, Any]:
        """The most probable label, its probability, and "p_<label>" of every class, from probabilities (C,).

        Also "snr_db", if it is given.
        """
        best = int(probabilities.argmax())
        sure = round(float(probabilities[best]), 6)
        each = {f"p_{label}": round(float(p), 6) for label, p in zip(self.labels, probabilities, strict=True)}
        estimate = {} if snr_db is None else {"snr_db": round(snr_db, 1)}
        return (
            {"label": self.labels[best] if sure >= self.threshold else UNKNOWN, "probability": sure} | estimate | each
        )

    def timeline(self, windows: WindowPredictions) -> list[dict[str, Any]]:
        """One row per window: "start_s", "end_s", and the fields of `row`."""
        each = [None] * len(windows.spans) if windows.snr_db is None else windows.snr_db.tolist()
        return [
            {"start_s": round(start, 3), "end_s": round(end, 3)} | self.row(probabilities, snr_db)
            for (start, end), probabilities, snr_db in zip(
                windows.spans.tolist(), windows.probabilities, each, strict=True
            )
        ]

    def others(self, row: dict[str, Any], top_k: int) -> str:
        """The second to the `top_k`-th most probable class of a `row` as text."""
        ranked = sorted(self.labels, key=lambda label: -row[f"p_{label}"])
        return "".join(f"  {label} {row[f'p_{label}']:.1%}" for label in ranked[1:top_k])


def described(row: dict[str, Any]) -> str:
    """A row's label, SNR and probability as text, such as "noisy, about 12 dB   98.1%"."""
    label = row["label"]
    if "snr_db" in row:
        most = snr.RANGE_DB[1]
        label += f", {most:.0f} dB or more" if row["snr_db"] > most - 1 else f", about {row['snr_db']:.0f} dB"
    return f"{label:6}{row['probability']:8.1%}"


def _counted(blocks: Iterator[FloatArray], sample_rate: int, progress: Advance) -> Iterator[FloatArray]:
    for block in blocks:
        yield block
        progress(len(block) / sample_rate)
