"""What all options share: fields that become flags, and one message for all that is wrong."""

from dataclasses import field
from typing import Any

from clearmel.core.errors import InputError


def flag(default: Any, text: str) -> Any:
    """A field that becomes the flag of its name."""
    return field(default=default, metadata={"help": text})


def refuse(problems: list[tuple[bool, str]]) -> None:
    """Raises one InputError that names all problems whose condition holds."""
    wrong = [text for bad, text in problems if bad]
    if wrong:
        raise InputError("; ".join(wrong))
