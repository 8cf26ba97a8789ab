"""Serves the labelling page, reachable only from this computer."""

import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from clearmel.core.errors import InputError, reason
from clearmel.labeler.routes import create_app
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile

ADDRESS = "127.0.0.1"


class _QuietHandler(WSGIRequestHandler):
    """Does not log requests to the terminal."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        pass


def serve(
    folder: Folder,
    store: LabelFile,
    port: int,
    predict: Callable[[Path], Sequence[float]] | None = None,
    *,
    browser: bool = True,
) -> None:
    """Serves until Ctrl-C.

    Args:
        folder: the recordings.
        store: their labels.
        port: 0 selects a free one.
        predict: see `create_app`.
        browser: whether to open the page in the browser.

    Raises:
        InputError: the port is in use or invalid.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
            listener.listen(128)
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} cannot be used: {reason(error)}. Give another --port, or 0.") from error
        port = listener.getsockname()[1]
        address = f"http://{ADDRESS}:{port}/"
        app = create_app(folder, store, predict)
        server = make_server(ADDRESS, port, app, threaded=True, request_handler=_QuietHandler, fd=listener.fileno())
        print(f"labelling {len(folder.names)} recordings at {address}  (Ctrl-C ends)", flush=True)
        if browser:
            webbrowser.open(address)
        server.serve_forever()
