"""The one exception of ours, and how it is worded."""

from collections.abc import Sequence


class InputError(Exception):
    """Something that the user can mend: a path, a file, a flag.

    The message is one line: what is wrong with which thing and the value seen, what was wanted, what to do.
    `src.cli.run` prints it on stderr and exits with 2.
    """

    def line(self) -> str:
        """The message alone, also after a DataLoader worker has wrapped it in its traceback."""
        return str(self).strip().rsplit("InputError: ", 1)[-1].splitlines()[0]


class FullDiskError(InputError):
    """Nothing more can be written there: other than a bad file in a folder, it ends a run."""


def raise_all(problems: Sequence[str], shown: int = 5) -> None:
    """Raises one InputError for all problems: the first five, then how many more.

    Raises:
        InputError: if there is any problem.
    """
    if problems:
        more = len(problems) - shown
        raise InputError("; ".join(problems[:shown]) + (f"; and {more} more" if more > 0 else ""))


def reason(error: BaseException) -> str:
    """The operating system's or a library's words for an error, in one line and without its path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip().splitlines()[0].rstrip(".")
