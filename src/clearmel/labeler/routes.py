"""The routes of the labelling page: the page itself, and a JSON API for its scripts."""

import html
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from clearmel.audio import sound_file
from clearmel.core.errors import InputError
from clearmel.labeler import legacy_api, security
from clearmel.labeler.predictions import Predictions
from clearmel.labeler.tiles import RANGE_DB, TILE_BINS, TILE_COLUMNS, TileCache
from clearmel.labeler.wav_stream import WavStream
from clearmel.segments import frames
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile

HERE = Path(__file__).parent
MIME_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
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
    _add_page(app, folder, token)
    _add_files(app, recordings, Predictions(folder, store, predict))
    _add_sound(app, recordings, previews)
    _add_labels(app, recordings)
    legacy_api.add_legacy_routes(app, folder, store, previews.add)
    _add_errors(app)
    return app


def _add_page(app: Flask, folder: Folder, token: str) -> None:
    """The page, its scripts and its style sheet."""

    @app.get("/")
    def page() -> Response:
        text = (HERE / "static/page.html").read_text(encoding="utf-8")
        text = text.replace("{{token}}", html.escape(token)).replace("{{folder}}", html.escape(folder.root.name))
        text = text.encode(errors="replace").decode()  # a folder name may hold bytes that are not valid text
        return Response(text, mimetype="text/html")

    @app.get("/static/<name>")
    def static_file(name: str) -> Response:
        path = HERE / "static" / name
        if path.parent != HERE / "static" or path.suffix not in MIME_TYPES or not path.is_file():
            abort(404, "There is no such file.")
        return Response(path.read_bytes(), mimetype=MIME_TYPES[path.suffix])


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
        return jsonify(
            name=name,
            duration_s=duration_s,
            sample_rate=tiles.info.sample_rate,
            n_channels=tiles.info.n_channels,
            bin_s=tiles.bin_s,
            column_s=tiles.column_s,
            tile_bins=TILE_BINS,
            tile_columns=TILE_COLUMNS,
            range_db=RANGE_DB,
            **entry._asdict(),
            suggested=suggested,
        )

    @app.get("/api/progress")
    def progress() -> Response:
        tiles = tile_cache.get(recordings.find(request.args.get("name"))[1])
        return jsonify(share=tiles.share, peak=tiles.peak, failure=tiles.failure)

    @app.get("/api/tile/<kind>/<int:level>/<int:index>")
    def tile(kind: str, level: int, index: int) -> Response:
        tiles = tile_cache.get(recordings.find(request.args.get("name"))[1])
        if kind not in ("mel", "wave") or level > 24 or index > 1 << 24:
            abort(404, "There is no such tile.")
        complete = tiles.share == 1
        data = tiles.mel(level, index) if kind == "mel" else tiles.wave(level, index)
        if data is None:
            return Response(status=204)
        response = Response(data, mimetype="image/png" if kind == "mel" else "application/octet-stream")
        if complete and request.args.get("v"):  # the page sends another v after a recording has changed
            response.headers["Cache-Control"] = "private, max-age=3600, immutable"
        return response


def _add_sound(app: Flask, recordings: Recordings, previews: Previews) -> None:
    """Recordings and previews as sound."""

    @app.get("/api/sound")
    def sound() -> Response:
        return _send(WavStream(recordings.find(request.args.get("name"))[1]))

    @app.get("/preview/<number>.wav")
    def play_preview(number: str) -> Response:
        stream = previews.get(number)
        if stream is None:
            abort(404, "This preview has expired. Make it again.")
        return _send(stream)

    @app.post("/api/preview")
    def make_preview() -> Response:
        body = _body()
        url, stream = previews.add(recordings.find(body.get("name"))[1], body.get("remove"))
        return jsonify(url=url, duration_s=stream.duration_s)


def _add_labels(app: Flask, recordings: Recordings) -> None:
    """Saves labels, unless they have changed since the page loaded them."""

    @app.post("/api/labels")
    def save() -> tuple[Response, int]:
        body = _body()
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


def _add_errors(app: Flask) -> None:
    """Errors as JSON."""

    @app.errorhandler(InputError)
    def input_error(error: InputError) -> tuple[Response, int]:
        return jsonify(error=error.line()), 400

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        abort(400, "The request must be a JSON object.")
    return body


def _send(stream: WavStream) -> Response:
    """A stream, or the byte range of it that the request asks for."""
    requested = request.headers.get("Range")
    span = stream.range(requested)
    if span is None:
        return Response(status=416, headers={"Content-Range": f"bytes */{stream.size}"})
    start, end = span
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if requested:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stream.size}"
    body = stream.data(start, end) if request.method == "GET" else ()
    return Response(body, 206 if requested else 200, headers, mimetype="audio/wav", direct_passthrough=True)
