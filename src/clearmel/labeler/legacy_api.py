"""The JSON calls of the original labelling page: /fetchLabels, /saveLabels, /previewLabels.

The payloads are unchanged. Like all writes, the calls also require the token of the page. /fetchLabels additionally
returns a `version`; if /saveLabels receives one, it refuses labels that were made from another version.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask, Response, abort, jsonify, request

from clearmel.audio import sound_file
from clearmel.segments import frames
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile

N_MELS = 80
LONGEST_S = 600.0


def add_legacy_routes(
    app: Flask, folder: Folder, store: LabelFile, preview: Callable[[Path, object], tuple[str, object]]
) -> None:
    """Adds the three routes.

    Args:
        app: the server.
        folder: the recordings.
        store: their labels.
        preview: creates the preview of a recording without the given spans; its first result is the URL path.
    """

    def requested() -> tuple[dict[str, Any], str, Path, float]:
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            abort(400, "The request must be a JSON object.")
        name = folder.numbered(body.get("input"))
        path = folder.open(name)
        if name is None or path is None:
            abort(404, f"{str(body.get('input'))[:200]!r} is not a recording in this folder.")
        return body, name, path, sound_file.inspect(path).duration_s

    def label(body: dict[str, Any], name: str, duration_s: float) -> list[int]:
        found = frames.checked(body.get("label"), "label")
        lengths = {len(store.frames(name, duration_s)), frames.n_frames(duration_s)}
        if len(found) not in lengths:
            abort(
                400, f"label has {len(found)} frames; expected {' or '.join(map(str, sorted(lengths)))}, one per 40 ms."
            )
        return found

    @app.post("/fetchLabels")
    def fetch_labels() -> Response:
        _, name, path, duration_s = requested()
        if duration_s > LONGEST_S:
            abort(413, f"{name} lasts {duration_s:.0f} s; this call supports clips of at most {LONGEST_S:.0f} s.")
        found = store.frames(name, duration_s)
        return jsonify(ar=_mel(path, len(found)), label=found, id=name, version=store.get(name, duration_s).version)

    @app.post("/saveLabels")
    def save_labels() -> Response:
        body, name, _, duration_s = requested()
        found = label(body, name, duration_s)
        version = body.get("version")
        if version is not None and not isinstance(version, str):
            abort(400, "version is not a string; expected that of /fetchLabels, or none.")
        spans = frames.to_spans(found, duration_s)
        saved, _ = store.save(name, spans, duration_s, version, len(found))
        if not saved:
            abort(409, f"{name} was saved elsewhere since it was fetched. Nothing was overwritten.")
        return jsonify(msg=f"Successfully saved {name}!")

    @app.post("/previewLabels")
    def preview_labels() -> Response:
        body, name, path, duration_s = requested()
        found = label(body, name, duration_s)
        return jsonify(msg=preview(path, frames.to_spans(found, duration_s))[0])


def _mel(path: Path, count: int) -> list[list[float]]:
    """Log-mel [80][T] of T = `count` frames of 40 ms, for a heat map."""
    from clearmel.audio.features import MelFeatures

    wave, rate = sound_file.read(path, 25 * 800)
    features = MelFeatures(rate, 2048, int(rate * frames.FRAME_S), N_MELS, 20.0, rate / 2)
    mel = features.mel(wave)[:count]
    mel = np.concatenate([mel, np.repeat(mel[-1:], count - len(mel), axis=0)])
    return [[round(float(value), 3) for value in band] for band in mel.T]
