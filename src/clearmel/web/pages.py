"""Routes that all pages have: their files, errors as JSON, tiles, and sound in byte ranges."""

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from clearmel.core.errors import InputError
from clearmel.web.tiles import RANGE_DB, TILE_BINS, TILE_COLUMNS, TileCache, Tiles
from clearmel.web.wav_stream import WavStream

SHARED = Path(__file__).parent / "static"
MIME_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def add_page(app: Flask, static: Path, words: Callable[[], Mapping[str, str]]) -> None:
    """The page, its scripts and its style sheets.

    Args:
        app: the server.
        static: folder of page.html and its parts; the shared parts are found as well.
        words: each {{key}} of page.html and its text.
    """

    @app.get("/")
    def page() -> Response:
        text = (static / "page.html").read_text(encoding="utf-8")
        for key, value in words().items():
            text = text.replace("{{" + key + "}}", html.escape(value))
        text = text.encode(errors="replace").decode()  # a folder name may hold bytes that are not valid text
        return Response(text, mimetype="text/html")

    @app.get("/static/<name>")
    def static_file(name: str) -> Response:
        paths = (folder / name for folder in (static, SHARED))
        found = next((path for path in paths if path.parent in (static, SHARED) and path.is_file()), None)
        if found is None or found.suffix not in MIME_TYPES:
            abort(404, "There is no such file.")
        return Response(found.read_bytes(), mimetype=MIME_TYPES[found.suffix])


def add_errors(app: Flask) -> None:
    """Errors as JSON."""

    @app.errorhandler(InputError)
    def input_error(error: InputError) -> tuple[Response, int]:
        return jsonify(error=error.line()), 400

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500


def add_tiles(app: Flask, cache: TileCache, find: Callable[[Mapping[str, str]], Path]) -> None:
    """The tiles of waveforms and spectrograms.

    Args:
        app: the server.
        cache: the tiles.
        find: the recording that the parameters of a request name; ends the request if there is none.
    """

    @app.get("/api/progress")
    def progress() -> Response:
        tiles = cache.get(find(request.args))
        return jsonify(share=tiles.share, peak=tiles.peak, failure=tiles.failure)

    @app.get("/api/tile/<kind>/<int:level>/<int:index>")
    def tile(kind: str, level: int, index: int) -> Response:
        tiles = cache.get(find(request.args))
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


def form(tiles: Tiles) -> dict[str, Any]:
    """Length and format of a recording, and how its tiles lie in time."""
    return {
        "duration_s": tiles.info.duration_s,
        "sample_rate": tiles.info.sample_rate,
        "n_channels": tiles.info.n_channels,
        "bin_s": tiles.bin_s,
        "column_s": tiles.column_s,
        "tile_bins": TILE_BINS,
        "tile_columns": TILE_COLUMNS,
        "range_db": RANGE_DB,
        "band_hz": tiles.band_hz,
    }


def body() -> dict[str, Any]:
    """The JSON object of the request; ends it with 400 if there is none."""
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        abort(400, "The request must be a JSON object.")
    return found


def send(stream: WavStream) -> Response:
    """A stream, or the byte range of it that the request asks for."""
    requested = request.headers.get("Range")
    span = stream.range(requested)
    if span is None:
        return Response(status=416, headers={"Content-Range": f"bytes */{stream.size}"})
    start, end = span
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if requested:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stream.size}"
    sent: Sequence[bytes] | Any = stream.data(start, end) if request.method == "GET" else ()
    return Response(sent, 206 if requested else 200, headers, mimetype="audio/wav", direct_passthrough=True)
