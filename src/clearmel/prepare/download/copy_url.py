"""Copies an http(s) address to a file, as a separate process that `fetch` can stop at any moment.

python copy_url.py URL FILE HEADERS TIMEOUT_S      HEADERS: one JSON object
"""

import json
import sys
import urllib.request
from pathlib import Path


def copy(url: str, target: Path, headers: dict[str, str], timeout_s: float) -> None:
    """Copies the content of an address.

    Args:
        url: the address; Python refuses redirections to protocols other than http(s) and ftp.
        target: the file to write.
        headers: HTTP headers to send.
        timeout_s: longest time without data from the server.

    Raises:
        OSError: the server refuses, breaks off or does not answer, or the disk is full.
    """
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s) as answer:
        with target.open("wb") as file:
            while block := answer.read(1 << 18):
                file.write(block)
        promised = answer.headers.get("Content-Length")
    got = target.stat().st_size
    if promised is not None and got < int(promised):
        raise OSError(f"the server broke off after {got} of {promised} bytes")


if __name__ == "__main__":
    try:
        copy(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]), float(sys.argv[4]))
    except (OSError, ValueError) as error:
        sys.exit(f"ERROR: {error}")
