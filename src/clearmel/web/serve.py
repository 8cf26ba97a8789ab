"""Serves a page that is reachable only from this computer."""

import socket
import threading
import webbrowser
from collections.abc import Callable

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from clearmel.core.errors import InputError, reason

ADDRESS = "127.0.0.1"


class QuietHandler(WSGIRequestHandler):
    """Does not log requests to the terminal."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        """Logs nothing."""


def serve(make_app: Callable[[], Flask], port: int, announcement: str, *, browser: bool = True) -> None:
    """Serves until Ctrl-C.

    Args:
        make_app: called once the port is taken.
        port: 0 selects a free one.
        announcement: printed with "{address}" replaced.
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
        app = make_app()
        server = make_server(ADDRESS, port, app, threaded=True, request_handler=QuietHandler, fd=listener.fileno())
        print(announcement.format(address=address), flush=True)
        if browser:
            webbrowser.open(address)
        server.serve_forever()


def in_background(app: Flask) -> tuple[str, BaseWSGIServer]:
    """Serves an app on a free port in a thread of its own; returns its address and the server."""
    server = make_server(ADDRESS, 0, app, threaded=True, request_handler=QuietHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{ADDRESS}:{server.server_port}/", server
