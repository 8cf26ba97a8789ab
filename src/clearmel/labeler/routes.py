"""The routes of the labelling page."""

import html
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
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
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PREVIEWS = 16
"""How many previews are kept; each is a list of spans."""


def create_app(
    folder: Folder, store: LabelFile, predict: Callable[[Path], Sequence[float]] | None = None, token: str = ""
) -> Flask:
    """The server.

    Args:
        folder: the recordings.
        store: their labels.
        predict: gives the probability that each frame of 40 ms of a recording is kept; unlabelled files are then shown
            with its marks, those that it is least sure of first. Called in a thread of its own, a file at a time.
        token: that writes must carry; default: a new one.
    """
    app = Flask(__name__, static_folder=None)
    app.config["token"] = token = token or secrets.token_urlsafe(24)
    security.add_security(app, token)
    shelf, guesses = TileCache(), Predictions(folder, store, predict)
    previews: OrderedDict[str, WavStream] = OrderedDict()
    lock = threading.Lock()

    def found(name: object) -> tuple[str, Path]:
        path = folder.open(name)
        if path is None:
            abort(404, f"{str(name)[:200]!r} is no recording of this folder.")
        return str(name), path

    def preview(path: Path, remove: object) -> tuple[str, WavStream]:
        wav = WavStream(path, frames.tidy(remove, sound_file.inspect(path).duration_s))
        number = secrets.token_urlsafe(12)
        with lock:
            previews[number] = wav
            while len(previews) > PREVIEWS:
                previews.popitem(last=False)
        return f"/preview/{number}.wav", wav

    @app.get("/")
    def page() -> Response:
        text = (HERE / "static/page.html").read_text(encoding="utf-8")
        text = text.replace("{{token}}", html.escape(token)).replace("{{folder}}", html.escape(folder.root.name))
        text = text.encode(errors="replace").decode()  # a folder's name may hold bytes that are no text
        return Response(text, mimetype="text/html")

    @app.get("/static/<name>")
    def static_file(name: str) -> Response:
        path = HERE / "static" / name
        if path.parent != HERE / "static" or path.suffix not in KINDS or not path.is_file():
            abort(404, "There is no such file.")
        return Response(path.read_bytes(), mimetype=KINDS[path.suffix])

    @app.get("/api/files")
    def files() -> Response:
        labelled = store.labelled(folder.names)
        rows = [
            {"name": name, "labelled": done, "doubt": guesses.doubt(name)}
            for name, done in zip(folder.names, labelled, strict=True)
        ]
        return jsonify(files=rows, guessing=guesses.running, failure=guesses.failure)

    @app.get("/api/file")
    def file() -> Response:
        name, path = found(request.args.get("name"))
        pyramid = shelf.get(path)
        duration_s = pyramid.info.duration_s
        entry = store.get(name, duration_s)
        probabilities = None if entry.labelled else guesses.get(name)
        suggested = None if probabilities is None else frames.to_spans(probabilities, duration_s)
        return jsonify(
            name=name,
            duration_s=duration_s,
            sample_rate=pyramid.info.sample_rate,
            n_channels=pyramid.info.n_channels,
            bin_s=pyramid.bin_s,
            column_s=pyramid.column_s,
            tile_bins=TILE_BINS,
            tile_columns=TILE_COLUMNS,
            range_db=RANGE_DB,
            **entry._asdict(),
            suggested=suggested,
        )

    @app.get("/api/progress")
    def progress() -> Response:
        pyramid = shelf.get(found(request.args.get("name"))[1])
        return jsonify(share=pyramid.share, peak=pyramid.peak, failure=pyramid.failure)

    @app.get("/api/tile/<kind>/<int:level>/<int:index>")
    def tile(kind: str, level: int, index: int) -> Response:
        pyramid = shelf.get(found(request.args.get("name"))[1])
        if kind not in ("mel", "wave") or level > 24 or index > 1 << 24:
            abort(404, "There is no such tile.")
        complete = pyramid.share == 1
        data = pyramid.mel(level, index) if kind == "mel" else pyramid.wave(level, index)
        if data is None:
            return Response(status=204)
        response = Response(data, mimetype="image/png" if kind == "mel" else "application/octet-stream")
        if complete and request.args.get("v"):  # the page asks anew, with another v, when a recording has changed
            response.headers["Cache-Control"] = "private, max-age=3600, immutable"
        return response

    @app.get("/api/sound")
    def sound() -> Response:
        return _sent(WavStream(found(request.args.get("name"))[1]))

    @app.get("/preview/<number>.wav")
    def previewed(number: str) -> Response:
        with lock:
            wav = previews.get(number)
        if wav is None:
            abort(404, "This preview is no longer kept. Make it again.")
        return _sent(wav)

    @app.post("/api/preview")
    def make_preview() -> Response:
        body = _body()
        url, wav = preview(found(body.get("name"))[1], body.get("remove"))
        return jsonify(url=url, duration_s=wav.duration_s)

    @app.post("/api/labels")
    def save() -> tuple[Response, int]:
        body = _body()
        name, path = found(body.get("name"))
        version = body.get("version")
        if not isinstance(version, str):
            abort(400, "version is missing; expected that of the labels that were loaded.")
        duration_s = sound_file.inspect(path).duration_s
        saved, entry = store.save(name, body.get("remove"), duration_s, version)
        if saved:
            return jsonify(entry._asdict()), 200
        message = f"{name} was saved elsewhere since it was loaded here. Nothing was overwritten."
        return jsonify(error=message, **entry._asdict()), 409

    legacy_api.add_legacy_routes(app, folder, store, preview)

    @app.errorhandler(InputError)
    def mistaken(error: InputError) -> tuple[Response, int]:
        return jsonify(error=error.line()), 400

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500

    return app


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        abort(400, "The request holds no JSON object.")
    return body


def _sent(wav: WavStream) -> Response:
    asked = request.headers.get("Range")
    span = wav.range(asked)
    if span is None:
        return Response(status=416, headers={"Content-Range": f"bytes */{wav.size}"})
    start, end = span
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{wav.size}"
    body = wav.data(start, end) if request.method == "GET" else ()
    return Response(body, 206 if asked else 200, headers, mimetype="audio/wav", direct_passthrough=True)
