"""Access checks of the server, and the security headers of its responses."""

import hmac
import re

from flask import Flask, Response, abort, request

LARGEST_REQUEST = 4 << 20
"""Bytes; a list of 0 and 1 for ten hours is below 3 MB."""
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def add_security(app: Flask, token: str) -> None:
    """Refuses foreign hosts and origins (403), writes without the token (403), and requests that are too large (413).

    Args:
        app: the server.
        token: the page sends it with every POST.
    """
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST

    @app.before_request
    def check() -> None:
        # With DNS rebinding the Host header shows a foreign name that resolves to this computer.
        if not HOST.fullmatch(request.headers.get("Host", "")):
            abort(403, "This server answers only to 127.0.0.1 and localhost.")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.headers['Host']}":
            abort(403, "Pages of another origin may not access this server.")
        # Other sites may link to the page, but to nothing else.
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") and not (request.method == "GET" and request.path == "/"):
            abort(403, "Pages of another site may not access this server.")
        if request.method not in ("GET", "HEAD", "OPTIONS") and not hmac.compare_digest(
            request.headers.get("X-Clearmel-Token", "").encode(), token.encode()
        ):
            abort(403, "The token is missing or outdated. Reload the page.")

    @app.after_request
    def secure(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", "no-store")
        return response
