"""Copies an http(s) address to a file, as a process of its own: `fetching` can end it at any moment.

python whole.py URL FILE HEADERS TIMEOUT_S      HEADERS: one JSON object
"""

import json
import sys
import urllib.request
from pathlib import Path


def copy(url: str, target: Path, headers: dict[str, str], timeout_s: float) -> None:
    """Copies everything.

    Args:
        url: where from; a redirection to anything but http(s) or ftp is refused by Python itself.
        target: the file.
        headers: to be sent.
        timeout_s: for how long the server may say nothing.

    Raises:
        OSError: the server refuses, breaks off or says nothing, or the disk is full.
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
