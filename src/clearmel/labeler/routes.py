"""The routes of the labelling page: the page itself, and a JSON API for its scripts."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, abort, jsonify, request

from clearmel.audio import sound_file
from clearmel.labeler import legacy_api
from clearmel.labeler.predictions import Predictions
from clearmel.segments import frames
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile
from clearmel.web import pages, security
from clearmel.web.tiles import TileCache
from clearmel.web.wav_stream import WavStream

HERE = Path(__file__).parent
N_PREVIEWS = 16
"""Number of previews in memory; each is only a list of spans."""


@dataclass(frozen=True)
class Recordings:
    """The folder of the page and the labels of its recordings."""

    folder: Folder
    store: LabelFile

    def find(self, name: object) -> tuple[str, Path]:
        """Name and path of a recording; ends the request with 404 if the page may not open it."""
        path = self.folder.open(name)
        if path is None:
            abort(404, f"{str(name)[:200]!r} is not a recording in this folder.")
        return str(name), path


class Previews:
    """The latest previews of edited recordings, by a random key."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, WavStream] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, path: Path, remove: object) -> tuple[str, WavStream]:
        """Adds the preview of a recording without some spans.

        Returns:
            Its URL path, and its stream.
        """
        stream = WavStream(path, frames.tidy(remove, sound_file.inspect(path).duration_s))
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._streams[key] = stream
            while len(self._streams) > N_PREVIEWS:
                self._streams.popitem(last=False)
        return f"/preview/{key}.wav", stream

    def get(self, key: str) -> WavStream | None:
        """A preview, None if it is no longer in memory."""
        with self._lock:
            return self._streams.get(key)


def create_app(
    folder: Folder, store: LabelFile, predict: Callable[[Path], Sequence[float]] | None = None, token: str = ""
) -> Flask:
    """The server of the labelling page.

    Args:
        folder: the recordings.
        store: their labels.
        predict: returns the keep probability of each 40 ms frame of a recording. The page then shows its cuts for
            unlabelled files, and can list the most uncertain files first. Called in its own thread, one file at a time.
        token: required for every write; default: a new random one.
    """
    app = Flask(__name__, static_folder=None)
    app.config["token"] = token = token or secrets.token_urlsafe(24)
    recordings, previews = Recordings(folder, store), Previews()
    security.add_security(app, token)
    pages.add_page(app, HERE / "static", lambda: {"token": token, "folder": folder.root.name})
    _add_files(app, recordings, Predictions(folder, store, predict))
    _add_sound(app, recordings, previews)
    _add_labels(app, recordings)
    legacy_api.add_legacy_routes(app, folder, store, previews.add)
    pages.add_errors(app)
    return app


def _add_files(app: Flask, recordings: Recordings, predictions: Predictions) -> None:
    """The list of files, a file with its labels and predictions, and the tiles of its waveform and spectrogram."""
    folder, store, tile_cache = recordings.folder, recordings.store, TileCache()

    @app.get("/api/files")
    def files() -> Response:
        labelled = store.labelled(folder.names)
        rows = [
            {"name": name, "labelled": done, "doubt": predictions.doubt(name)}
            for name, done in zip(folder.names, labelled, strict=True)
        ]
        return jsonify(files=rows, guessing=predictions.running, failure=predictions.failure)

    @app.get("/api/file")
    def file() -> Response:
        name, path = recordings.find(request.args.get("name"))
        tiles = tile_cache.get(path)
        duration_s = tiles.info.duration_s
        entry = store.get(name, duration_s)
        probabilities = None if entry.labelled else predictions.get(name)
        suggested = None if probabilities is None else frames.to_spans(probabilities, duration_s)
        return jsonify(name=name, **pages.form(tiles), **entry._asdict(), suggested=suggested)

    pages.add_tiles(app, tile_cache, lambda parameters: recordings.find(parameters.get("name"))[1])


def _add_sound(app: Flask, recordings: Recordings, previews: Previews) -> None:
    """Recordings and previews as sound."""

    @app.get("/api/sound")
    def sound() -> Response:
        return pages.send(WavStream(recordings.find(request.args.get("name"))[1]))

    @app.get("/preview/<number>.wav")
    def play_preview(number: str) -> Response:
        stream = previews.get(number)
        if stream is None:
            abort(404, "This preview has expired. Make it again.")
        return pages.send(stream)

    @app.post("/api/preview")
    def make_preview() -> Response:
        body = pages.body()
        url, stream = previews.add(recordings.find(body.get("name"))[1], body.get("remove"))
        return jsonify(url=url, duration_s=stream.duration_s)


def _add_labels(app: Flask, recordings: Recordings) -> None:
    """Saves labels, unless they have changed since the page loaded them."""

    @app.post("/api/labels")
    def save() -> tuple[Response, int]:
        body = pages.body()
        name, path = recordings.find(body.get("name"))
        version = body.get("version")
        if not isinstance(version, str):
            abort(400, "version is missing; expected that of the loaded labels.")
        duration_s = sound_file.inspect(path).duration_s
        saved, entry = recordings.store.save(name, body.get("remove"), duration_s, version)
        if saved:
            return jsonify(entry._asdict()), 200
        message = f"{name} was saved elsewhere since it was loaded here. Nothing was overwritten."
        return jsonify(error=message, **entry._asdict()), 409
