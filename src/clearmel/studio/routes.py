"""The routes of the studio: the page, its state, uploads, tiles, windows of samples, jobs and results."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, request, send_file

from clearmel.core.errors import FullDiskError, InputError
from clearmel.studio.library import Recording, RoomError
from clearmel.studio.session import Session
from clearmel.studio.settings import CLASSIFIERS, DENOISERS, PRESETS
from clearmel.studio.windows import Live, Source, Windows
from clearmel.web import pages, security

HERE = Path(__file__).parent
LONGEST_WAIT_S = 20.0
TOGETHER_S = 0.1
"""Changes within so many seconds are sent as one."""


def create_app(session: Session, token: str = "") -> Flask:
    """The server of the studio.

    Args:
        session: the state that all tabs share.
        token: required for every write; default: a new random one.
    """
    app = Flask(__name__, static_folder=None)
    app.config["token"] = token = token or secrets.token_urlsafe(24)
    security.add_security(app, token)
    started = secrets.token_hex(8)  # a tab of an earlier server reloads
    pages.add_page(app, HERE / "static", lambda: {"token": token, "started": started})
    pages.add_errors(app)

    @app.errorhandler(FullDiskError)
    @app.errorhandler(RoomError)
    def no_room(error: InputError) -> tuple[Response, int]:
        return jsonify(error=error.line()), 507

    _add_state(app, session, started)
    _add_files(app, session)
    _add_sound(app, session)
    _add_jobs(app, session)
    return app


def _find(session: Session, parameters: Mapping[str, Any]) -> Recording:
    found = session.library.get(parameters.get("name"))
    if found is None:
        abort(404, "There is no such recording any more.")
    return found


def _add_state(app: Flask, session: Session, started: str) -> None:
    """The state, and changes of it."""

    @app.get("/api/state")
    def state() -> Response:
        since = request.args.get("since", 0, type=int)
        if since and session.wait(since, LONGEST_WAIT_S):
            time.sleep(TOGETHER_S)
        return jsonify(session.snapshot() | {"started": started})

    @app.get("/api/choices")
    def choices() -> Response:
        return jsonify(presets=PRESETS, denoisers=DENOISERS, classifiers=CLASSIFIERS)

    @app.post("/api/settings")
    def settings() -> Response:
        body = pages.body()
        changes = body.get("changes")
        if not isinstance(changes, dict):
            abort(400, "changes is missing; expected an object of settings.")
        recording = _find(session, body)
        session.change(recording, changes)
        return jsonify(session.snapshot())

    @app.post("/api/pause")
    def pause() -> Response:
        session.queue.pause(pages.body().get("paused") is True)
        return jsonify(session.snapshot())


def _add_files(app: Flask, session: Session) -> None:
    """Opening by path and by upload, and closing."""
    library = session.library

    @app.post("/api/open")
    def open_path() -> Response:
        opened = library.open(pages.body().get("path"))
        session.bump()
        return jsonify(names=[one.id for one in opened])

    @app.post("/api/close")
    def close() -> Response:
        if not session.close(pages.body().get("name")):
            abort(404, "There is no such recording any more.")
        return jsonify(session.snapshot())

    @app.post("/api/room")
    def room() -> Response:
        library.check_room(pages.body().get("size"))
        return jsonify(room=True)

    @app.post("/api/upload")
    def upload() -> Response:
        size = request.content_length
        if size is None:
            abort(411, "The length of the upload is missing.")
        request.max_content_length = size  # the library checks it against the disk
        made = library.upload(request.args.get("file", ""), request.stream, size)
        session.bump()
        return jsonify(names=[made.id])

    @app.post("/api/label")
    def label() -> Response:
        recording = _find(session, pages.body())
        address = session.labelling.open(recording)
        session.change(recording, {"by_hand": True})
        return jsonify(address=address)


def _add_sound(app: Flask, session: Session) -> None:
    """Pictures and samples."""
    windows = Windows()

    def track_path(parameters: Mapping[str, str]) -> Path:
        path = session.path_of(_find(session, parameters), parameters.get("track", "before"))
        if path is None:
            abort(404, "This track is not complete yet.")
        return path

    pages.add_tiles(app, session.tiles, track_path)

    @app.get("/api/file")
    def file() -> Response:
        recording = _find(session, request.args)
        session.drafts.want(recording, session.settings(recording))
        return jsonify(pages.form(session.tiles.get(recording.path)))

    @app.get("/api/cuts")
    def cuts() -> Response:
        return jsonify(remove=session.removed(_find(session, request.args)))

    @app.get("/api/classes")
    def classes() -> Response:
        return jsonify(session.classes(_find(session, request.args)) or {"windows": []})

    @app.get("/api/window")
    def window() -> Response:
        recording, track = _find(session, request.args), request.args.get("track", "before")
        start, count = (request.args.get(key, -1, type=int) for key in ("start", "count"))
        if start < 0 or count < 1:
            abort(400, "start and count are samples of the recording.")
        settings, path = session.settings(recording), recording.path
        if track == "cut":
            remove = tuple(session.removed(recording) or ())
            wave = windows.read((path, remove), lambda: Source(path, remove), start, count)
        elif (known := session.path_of(recording, track)) is not None and (changed := _changed_ns(known)) is not None:
            wave = windows.read((known, changed), lambda: Source(known), start, count)
        else:
            settings = replace(settings, keep_music=False)  # music is found in whole recordings alone
            denoiser = session.engine.denoiser(settings)
            key = path, *settings.sounding().values()
            wave = windows.read(key, lambda: Live(Source(path), denoiser), start, count)
        headers = {"X-Channels": str(len(wave))}
        return Response(wave.astype("<f4").tobytes(), headers=headers, mimetype="application/octet-stream")


def _changed_ns(path: Path) -> int | None:
    """When a file was changed; None if a newer draft has just replaced it."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _add_jobs(app: Flask, session: Session) -> None:
    """Jobs and their results."""

    @app.post("/api/jobs")
    def add() -> Response:
        body = pages.body()
        names = body.get("names")
        if not isinstance(names, list) or not names:
            abort(400, "names is missing; expected the recordings.")
        for recording in [_find(session, {"name": name}) for name in names]:
            session.add(body.get("task"), recording)
        return jsonify(session.snapshot())

    @app.post("/api/cancel")
    def cancel() -> Response:
        job = session.queue.get(pages.body().get("job"))
        if job is None:
            abort(404, "There is no such job any more.")
        session.queue.cancel(job)
        return jsonify(session.snapshot())

    @app.get("/api/result/<job>/<int:number>")
    def result(job: str, number: int) -> Response:
        found = session.queue.get(job)
        if found is None or number >= len(found.outputs):
            abort(404, "There is no such result any more.")
        path = found.outputs[number]
        if not path.resolve().is_relative_to(session.library.output) or not path.is_file():
            abort(404, "This result has been moved away.")
        try:
            return send_file(path.resolve(), as_attachment=True, download_name=path.name)
        except OSError as error:
            raise InputError(f"the result cannot be read: {error.strerror}.") from error
