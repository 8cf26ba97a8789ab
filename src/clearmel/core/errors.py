"""The exception for errors that a user can fix, and helpers to word its message."""

from collections.abc import Sequence


class InputError(Exception):
    """An error that the user can fix: a wrong path, file or flag.

    The message is one line: the object, the value found, the value expected, and how to fix it. The command line
    prints it on stderr and exits with status 2.
    """

    def line(self) -> str:
        """The message in one line, without the traceback that a DataLoader worker wraps around it.

        The message may quote a damaged file, so control characters are shown as escapes.
        """
        return printable(str(self).strip().rsplit("InputError: ", 1)[-1])


class FullDiskError(InputError):
    """The disk is full. This ends a run, whereas a bad file in a folder is skipped."""


def raise_all(problems: Sequence[str], shown: int = 5) -> None:
    """Raises one InputError that lists the first problems and the number of the others.

    Raises:
        InputError: there is at least one problem.
    """
    if problems:
        more = len(problems) - shown
        raise InputError("; ".join(problems[:shown]) + (f"; and {more} more" if more > 0 else ""))


def reason(error: BaseException) -> str:
    """The message of the operating system or a library for an error, in one line and without the path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return shortened(printable("".join(str(text).strip().splitlines()[:1]) or type(error).__name__)).rstrip(".")


def printable(text: str) -> str:
    """The text with unprintable characters as escapes."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def shortened(text: str, longest: int = 300) -> str:
    """The text; if it exceeds the limit, its beginning and end with "..." between."""
    half = longest // 2 - 10
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"
