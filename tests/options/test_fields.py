"""Limits of options, which stand beside their defaults."""

import math

import pytest

from clearmel.core.errors import InputError
from clearmel.options import CutOptions, DenoiseOptions, FitOptions, Limits, LossOptions, MixOptions


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "words"),
    [
        (Limits(low=1), [1, 7, 1e9], [0, -1, math.nan, math.inf], "1 or more"),
        (Limits(low=0, high=1), [0, 0.5, 1], [-0.1, 1.1, math.nan], "0 to 1"),
        (Limits(low=0, below=1), [0, 0.99], [1, -1], "0 to below 1"),
        (Limits(above=0), [1e-9, 5], [0, -1, math.inf], "above 0"),
        (Limits(above=0, below=1), [0.5], [0, 1], "above 0 to below 1"),
        (Limits(choices=("a", "b")), ["a"], ["c", ""], "a / b"),
        (Limits(), [0, -5, "x"], [], None),
    ],
)
def test_limits_permit_and_say_what_they_permit(
    limits: Limits, inside: list[float], outside: list[float], words: str | None
) -> None:
    assert all(map(limits.permit, inside))
    assert not any(map(limits.permit, outside))
    assert words is None or str(limits) == words


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: FitOptions(epochs=0), "--epochs 0; expected 1 or more"),
        (lambda: FitOptions(device="tpu"), "--device tpu; expected auto / cpu"),
        (lambda: FitOptions(learning_rate=math.nan), "--learning_rate nan; expected above 0"),
        (lambda: CutOptions(threshold=1.0), "--threshold 1.0; expected above 0 to below 1"),
        (lambda: DenoiseOptions(max_suppression_db=-1.0), "--max_suppression_db -1.0; expected 0 or more"),
        (lambda: MixOptions(snr_min=9.0, snr_max=3.0), "--snr_min 9.0, --snr_max 3.0; expected min <= max"),
        (lambda: LossOptions(mel_weight=0.0, spectrum_weight=0.0), "all 0"),
    ],
)
def test_values_out_of_range_are_named(build, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as found:
        build()
    assert words in found.value.line()


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InputError) as found:
        FitOptions(epochs=0, patience=-1)
    assert found.value.line().count("expected") == 2
