"""A model's predictions for unlabelled recordings, computed in a background thread."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from clearmel.core.errors import InputError
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile

Predict = Callable[[Path], Sequence[float]]


class Predictions:
    """The probabilities of keeping each frame, by recording.

    Attributes:
        failure: the first recording that the model could not judge, and why; "" if there is none.

    Args:
        folder: the recordings.
        store: their labels; predictions are made for unlabelled recordings only.
        predict: see `src.labeler.server.create_app`; None guesses nothing.
    """

    def __init__(self, folder: Folder, store: LabelFile, predict: Predict | None) -> None:
        self.failure = ""
        self._found: dict[str, list[float]] = {}
        self._thread = None
        if predict is not None:
            work = folder, store, predict
            self._thread = threading.Thread(target=self._run, args=work, daemon=True)
            self._thread.start()

    @property
    def running(self) -> bool:
        """Whether predictions are still being computed."""
        return self._thread is not None and self._thread.is_alive()

    def get(self, name: str) -> list[float] | None:
        """The probabilities of a recording, None if there are none yet."""
        return self._found.get(name)

    def doubt(self, name: str) -> float | None:
        """How unsure the model is, from 0 to 1: the mean of 1 - |2p - 1|."""
        found = self._found.get(name)
        return None if not found else float(np.mean(1 - np.abs(2 * np.asarray(found) - 1)))

    def _run(self, folder: Folder, store: LabelFile, predict: Predict) -> None:
        for name, done in zip(folder.names, store.labelled(folder.names), strict=True):
            path = folder.open(name)
            if done or path is None:
                continue
            try:
                self._found[name] = [float(value) for value in predict(path)]
            except InputError as error:
                self.failure = self.failure or error.line()
