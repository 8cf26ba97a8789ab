"""The labelling page as a mode of the studio: served beside it, with the cutter's marks to correct."""

import threading
from pathlib import Path

from clearmel.labeler.routes import create_app
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile
from clearmel.studio.library import Recording
from clearmel.studio.session import Session
from clearmel.web import serve

LABELS = "labels.json"
"""In the output folder; `clearmel label --labels_path` and `clearmel train cutting` read it."""


class Labelling:
    """Labelling pages by recording, each on a port of its own with its own token.

    Args:
        session: of the studio.
    """

    def __init__(self, session: Session) -> None:
        self._session, self._lock = session, threading.Lock()
        self._addresses = dict[Path, str]()

    def open(self, recording: Recording) -> str:
        """The address of the labelling page for a recording.

        Raises:
            InputError: the labels file cannot be read.
        """
        with self._lock:
            if recording.path not in self._addresses:
                folder = Folder(recording.path)
                store = LabelFile(self._session.library.output / LABELS, folder.names)
                app = create_app(folder, store, self._session.engine.marks)
                self._addresses[recording.path] = serve.in_background(app)[0]
            return self._addresses[recording.path]
