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
    """A plain file in a tar: its bytes are `size` from `offset` on."""

    name: str
    offset: int
    size: int


def members(file: BinaryIO, path: Path) -> Iterator[Member]:
    """The plain files in a tar, in their order. Stricter than `tarfile`, which takes a damaged header for the end.

    Args:
        file: the open tar; it may be read from elsewhere between two members.
        path: names it in messages.

    Raises:
        InputError: it is damaged or truncated.

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
            raise InputError(f"{quoted(path)} is no sound tar file: damaged at byte {at}. Build it again.") from error
        at = after


def _pax_path(content: bytes) -> str:
    """The "path" among the records of a pax header, each "<length> <key>=<value>" and a line feed; else ""."""
    found = ""
    while content:
        length, _, rest = content.partition(b" ")
        key, _, value = rest[: int(length) - len(length) - 2].partition(b"=")
        found = _text(value) if key == b"path" else found
        content = content[max(1, int(length)) :]
    return found


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
