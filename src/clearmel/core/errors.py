"""InputError, the only exception type of this package, and the wording of its message."""

from collections.abc import Sequence


class InputError(Exception):
    """An error that the user can correct: a path, a file, a flag.

    The message is one line: what is wrong with which thing and the value seen, what was wanted, what to do.
    `src.cli.run` prints it on stderr and exits with 2.
    """

    def line(self) -> str:
        """The message alone, also after a DataLoader worker has wrapped it in its traceback.

        What it quotes may come from a broken file: signs that a terminal would obey are shown as escapes.
        """
        return printable(str(self).strip().rsplit("InputError: ", 1)[-1])


class FullDiskError(InputError):
    """The disk is full, which ends a run; a bad file in a folder does not."""


def raise_all(problems: Sequence[str], shown: int = 5) -> None:
    """Raises one InputError for all problems: the first five, then how many more.

    Raises:
        InputError: if there is any problem.
    """
    if problems:
        more = len(problems) - shown
        raise InputError("; ".join(problems[:shown]) + (f"; and {more} more" if more > 0 else ""))


def reason(error: BaseException) -> str:
    """The message of the operating system or of a library, in one line and without the path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return shortened(printable("".join(str(text).strip().splitlines()[:1]) or type(error).__name__)).rstrip(".")


def printable(text: str) -> str:
    """The text with unprintable characters as escapes."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def shortened(text: str, longest: int = 300) -> str:
    """The text, or its beginning and its end where it is longer."""
    half = longest // 2 - 10
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"
