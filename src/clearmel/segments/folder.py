"""The recordings of one folder that the labelling page may open; links that leave the folder are refused."""

import re
from pathlib import Path, PurePosixPath

from clearmel.audio.sound_file import SUFFIXES, inspect
from clearmel.core import batch_files
from clearmel.core.errors import InputError
from clearmel.core.file_io import existing, list_files, quoted


class Folder:
    """The recordings below a folder, or one recording.

    Attributes:
        names: paths with "/" relative to the folder, in natural order (2 before 10).
        n_undecoded: recordings that have no decoder.

    Args:
        path: a folder or a sound file.

    Raises:
        InputError: the folder holds no recording, or the file is not one.
    """

    def __init__(self, path: str | Path) -> None:
        found = existing(path).resolve()
        self.root = found if found.is_dir() else found.parent
        if not found.is_dir():
            inspect(found)  # raises if it is not a recording
        listed = list_files(found, SUFFIXES) if found.is_dir() else [Path(found.name)]
        names: dict[Path, str] = {}  # by target, so that a link within the folder adds no second recording
        for name in sorted(listed, key=lambda name: (len(name.parts), _order(name.as_posix()))):
            target = (self.root / name).resolve()
            if target.is_relative_to(self.root):
                names.setdefault(target, name.as_posix())
        if not names:
            raise InputError(f"{quoted(path)} holds only links to recordings elsewhere; give their folder.")
        self.n_undecoded = batch_files.report_undecoded(found) if found.is_dir() else 0
        self.names = sorted(names.values(), key=_order)
        self._known = set(self.names)

    def open(self, name: object) -> Path | None:
        """The path of a recording, None if the page may not open it.

        Resolves the path on each call, because a file may have become a link since the folder was listed.
        """
        if not isinstance(name, str) or name not in self._known:
            return None
        target = (self.root / name).resolve()
        return target if target.is_relative_to(self.root) and target.is_file() else None

    def numbered(self, text: object) -> str | None:
        """The name of the recording that a call of the legacy API requests.

        Args:
            text: a name or its last component; or `<path>_<i>.wav` for recording i of those named `<path>_<number>`,
                or of all recordings if there are none. A negative number selects the last one, a number beyond the
                last one selects the first.

        Returns:
            None if there is no such recording, or the text leads out of the folder.
        """
        if not isinstance(text, str):
            return None
        requested = PurePosixPath(text.replace("\\", "/"))
        if requested.is_absolute() or ".." in requested.parts:
            return None
        if str(requested) in self._known:
            return str(requested)
        same = [name for name in self.names if PurePosixPath(name).name == requested.name]
        if len(same) == 1:
            return same[0]
        found = re.fullmatch(r"(.*)_(-?\d{1,9})", requested.stem)
        if not found:
            return None
        stem = re.compile(re.escape(found[1]) + r"_(\d{1,9})")
        series = {int(m[1]): name for name in self.names if (m := stem.fullmatch(PurePosixPath(name).stem))}
        series = series or dict(enumerate(self.names))
        number = int(found[2])
        return series.get(max(series) if number < 0 else min(series) if number > max(series) else number)


def _order(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts 2 before 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d{1,18}|\D+", name)]
