"""The members of a tar file and their offsets."""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from clearmel.core.errors import InputError
from clearmel.core.file_io import quoted

BLOCK = tarfile.BLOCKSIZE


class Member(NamedTuple):
    """A regular file in a tar: `size` bytes from `offset`."""

    name: str
    offset: int
    size: int


def members(file: BinaryIO, path: Path) -> Iterator[Member]:
    """The regular files in a tar, in order. Stricter than `tarfile`, which treats a damaged header as the end.

    Args:
        file: the open tar; the caller may seek and read between two members.
        path: the path for messages.

    Raises:
        InputError: the tar is damaged or truncated.

    Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".
    """
    total, at, name = file.seek(0, os.SEEK_END), 0, ""
    while True:
        file.seek(at)
        block = file.read(BLOCK)
        if block == bytes(BLOCK):
            return
        if len(block) < BLOCK:
            raise InputError(f"{quoted(path)} is truncated: it has no end. Build it or copy it again.")
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            after = at + BLOCK + -(-header.size // BLOCK) * BLOCK
            if header.size < 0:
                raise ValueError(header.size)
            if after > total:
                raise InputError(f"{quoted(path)} is truncated in {quoted(header.name)}. Build it or copy it again.")
            if header.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME) and header.size < 1 << 20:
                content = file.read(header.size)
                name = _pax_path(content) if header.type == tarfile.XHDTYPE else _text(content.rstrip(b"\0"))
            elif header.type not in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
                if header.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    yield Member((name or header.name).removeprefix("./"), at + BLOCK, header.size)
                name = ""
        except (tarfile.HeaderError, ValueError) as error:
            raise InputError(
                f"{quoted(path)} is not a valid tar file: damaged at byte {at}. Build it again."
            ) from error
        at = after


def _pax_path(content: bytes) -> str:
    """The "path" record of a pax header, "" if there is none. A record is "<length> <key>=<value>" and a line feed."""
    found = ""
    while content:
        length, _, rest = content.partition(b" ")
        key, _, value = rest[: int(length) - len(length) - 2].partition(b"=")
        found = _text(value) if key == b"path" else found
        content = content[max(1, int(length)) :]
    return found


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
