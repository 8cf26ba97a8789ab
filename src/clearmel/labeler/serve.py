"""Serves the page on localhost."""

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


class _Quiet(WSGIRequestHandler):
    """Keeps a line for every request off the terminal."""

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
        port: 0 takes any free one.
        predict: see `create_app`.
        browser: whether to open the page.

    Raises:
        InputError: the port is taken or none.
    """
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind((ADDRESS, port))
            place.listen(128)
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} cannot be used: {reason(error)}. Give another --port, or 0.") from error
        port = place.getsockname()[1]
        address = f"http://{ADDRESS}:{port}/"
        app = create_app(folder, store, predict)
        server = make_server(ADDRESS, port, app, threaded=True, request_handler=_Quiet, fd=place.fileno())
        print(f"labelling {len(folder.names)} recordings at {address}  (Ctrl-C ends)", flush=True)
        if browser:
            webbrowser.open(address)
        server.serve_forever()
