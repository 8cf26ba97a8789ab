"""The labelling page as a mode of the studio: served beside it, with the cutter's marks to correct."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from clearmel.labeler.routes import create_app
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile
from clearmel.studio.library import Recording
from clearmel.web import serve


class Labelling:
    """A labelling page for each recording, on a port of its own with its own token.

    The labels lie in the output folder as NAME_labels_<digest of the folder>.json; `clearmel label --labels_path` and
    `clearmel train cutting` read them.

    Args:
        output: folder of the results.
        predict: the marks of the cutter, see `clearmel.labeler.routes.create_app`.
    """

    def __init__(self, output: Path, predict: Callable[[Path], Sequence[float]]) -> None:
        self._output, self._predict, self._lock = output, predict, threading.Lock()
        self._addresses, self._stores = dict[Path, str](), dict[Path, LabelFile]()

    def open(self, recording: Recording) -> str:
        """The address of the labelling page for a recording.

        Raises:
            InputError: the labels file cannot be read.
        """
        path = recording.path
        with self._lock:
            if path not in self._addresses:
                folder = Folder(path)
                self._stores[path] = LabelFile(self._file(path), folder.names)
                app = create_app(folder, self._stores[path], self._predict)
                self._addresses[path] = serve.in_background(app)[0]
            return self._addresses[path]

    def marked(self, recording: Recording) -> list[tuple[float, float]] | None:
        """The spans to cut that a person has marked; None if there are no marks."""
        path = recording.path
        with self._lock:
            if path not in self._stores:
                if not self._file(path).is_file():
                    return None
                self._stores[path] = LabelFile(self._file(path), [path.name])
            store = self._stores[path]
        entry = store.get(path.name, recording.info.duration_s)
        return [(float(start), float(end)) for start, end in entry.remove] if entry.labelled else None

    def _file(self, path: Path) -> Path:
        digest = hashlib.sha256(str(path.parent).encode(errors="surrogateescape")).hexdigest()[:6]
        return self._output / f"{path.stem}_labels_{digest}.json"
