"""What all options share: fields that become flags, with their limits beside their defaults."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from clearmel.core.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Permitted values of a field.

    low, high: bounds that belong to the range; above, below: bounds that do not. choices: permitted words.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] = ()

    def permit(self, value: Any) -> bool:
        """Whether a value lies within the limits; NaN and infinity never do."""
        if self.choices:
            return value in self.choices
        bounds = (self.low, self.high, self.above, self.below)
        return all(bound is None for bound in bounds) or (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.choices:
            return " / ".join(map(str, self.choices))
        start = f"{self.low:g}" if self.low is not None else f"above {self.above:g}"
        if self.high is None and self.below is None:
            return f"{start} or more" if self.low is not None else start
        return f"{start} to {f'{self.high:g}' if self.high is not None else f'below {self.below:g}'}"


def flag(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[Any, ...] = (),
) -> Any:
    """A field that becomes the flag of its name.

    Args:
        default: of the field; None: not given, which no limit refuses.
        text: of the flag's help.
        low: least value.
        high: greatest value.
        above: bound that values exceed.
        below: bound that values stay under.
        choices: the permitted values.
    """
    return field(default=default, metadata={"help": text, "limits": Limits(low, high, above, below, choices)})


class Options:
    """Base of all options: every field within its limits, and no two that contradict each other."""

    def __post_init__(self) -> None:
        """Checks all fields.

        Raises:
            InputError: names all that is wrong.
        """
        wrong = [
            f"--{item.name} {value}; expected {item.metadata['limits']}"
            for item in fields(self)  # type: ignore[arg-type]  # every subclass is a dataclass
            if "limits" in item.metadata
            and (value := getattr(self, item.name)) is not None
            and not item.metadata["limits"].permit(value)
        ]
        wrong += [text for bad, text in self.contradictions() if bad]
        if wrong:
            raise InputError("; ".join(wrong))

    def contradictions(self) -> list[tuple[bool, str]]:
        """Pairs of a condition that must not hold, and what to say then."""
        return []
