"""The recordings that the labelling page may open: those below one folder, no path outside it."""

import re
from pathlib import Path, PurePosixPath

from clearmel.audio.sound_file import SUFFIXES, inspect
from clearmel.core.errors import InputError
from clearmel.core.file_io import existing, list_files, quoted


class Folder:
    """The recordings below a folder, or one recording.

    Attributes:
        names: paths with "/" relative to the folder, in the order of their numbers.

    Args:
        path: a folder or a sound file.

    Raises:
        InputError: there is no recording, or the file is none.
    """

    def __init__(self, path: str | Path) -> None:
        found = existing(path).resolve()
        self.root = found if found.is_dir() else found.parent
        if not found.is_dir():
            inspect(found)  # raises if it is no recording
        listed = list_files(found, SUFFIXES) if found.is_dir() else [Path(found.name)]
        names: dict[Path, str] = {}  # by the file they lead to: a link inside the folder is no second recording
        for name in sorted(listed, key=lambda name: (len(name.parts), _order(name.as_posix()))):
            target = (self.root / name).resolve()
            if target.is_relative_to(self.root):
                names.setdefault(target, name.as_posix())
        if not names:
            raise InputError(f"{quoted(path)} holds only links to recordings elsewhere; give their folder.")
        self.names = sorted(names.values(), key=_order)
        self._known = set(self.names)

    def open(self, name: object) -> Path | None:
        """The recording of a name, None if the page may not open it.

        The path is followed anew each time: a file may have become a link since the folder was listed.
        """
        if not isinstance(name, str) or name not in self._known:
            return None
        target = (self.root / name).resolve()
        return target if target.is_relative_to(self.root) and target.is_file() else None

    def numbered(self, text: object) -> str | None:
        """The name of a recording that the original's calls ask for.

        Args:
            text: a name, or its last part with or without the folder before it; or `<path>_<i>.wav`: recording i of
                those called `<path>_<number>`, or, if there are none, of all. A negative number asks for the last
                one, a number behind the last one for the first.

        Returns:
            None if there is none, or the text tries to leave the folder.
        """
        if not isinstance(text, str):
            return None
        asked = PurePosixPath(text.replace("\\", "/"))
        if asked.is_absolute() or ".." in asked.parts:
            return None
        if str(asked) in self._known:
            return str(asked)
        same = [name for name in self.names if PurePosixPath(name).name == asked.name]
        if len(same) == 1:
            return same[0]
        found = re.fullmatch(r"(.*)_(-?\d{1,9})", asked.stem)
        if not found:
            return None
        stem = re.compile(re.escape(found[1]) + r"_(\d{1,9})")
        family = {int(m[1]): name for name in self.names if (m := stem.fullmatch(PurePosixPath(name).stem))}
        family = family or dict(enumerate(self.names))
        number = int(found[2])
        return family.get(max(family) if number < 0 else min(family) if number > max(family) else number)


def _order(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts 2 before 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d{1,18}|\D+", name)]
