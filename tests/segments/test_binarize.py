"""Which parts stay, and how the rest is lowered."""

import numpy as np
import pytest

from clearmel.options import CutOptions
from clearmel.segments import binarize

PLAIN = CutOptions(hysteresis=1.0, min_keep_s=0, min_cut_s=0, margin_before_s=0, margin_after_s=0)


def probabilities(text: str) -> np.ndarray:
    """A digit per frame, in tenths."""
    return np.array([int(digit) / 10 for digit in text], np.float32)


def parts(text: str, **changes: float) -> list[tuple[float, float]]:
    """What stays, in frames of one second."""
    options = CutOptions(**{**vars(PLAIN), **changes})  # type: ignore[arg-type]
    return binarize.parts_to_keep(probabilities(text), 1.0, float(len(text)), options)


def test_the_threshold_decides_and_hysteresis_follows_a_part_down_to_the_lower_one() -> None:
    assert parts("0090330900") == [(2, 3), (7, 8)]
    assert parts("0094330930", hysteresis=0.5) == [(2, 6), (7, 9)]
    assert parts("0044440000", hysteresis=0.5) == []  # never reaches the upper one


def test_short_parts_go_short_cuts_close_and_margins_grow() -> None:
    assert parts("0900990000", min_keep_s=2) == [(4, 6)]
    assert parts("0099009900", min_cut_s=3) == [(0, 10)]
    assert parts("0009900000", margin_before_s=1, margin_after_s=2) == [(2, 7)]
    assert parts("9000000009", margin_before_s=2, margin_after_s=2) == [(0, 3), (7, 10)]
    assert parts("0000000000") == []
    assert parts("9999999999") == [(0, 10)]


def recording(n_samples: int = 5000, n_channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.2, (n_channels, n_samples)).astype(np.float32)


def in_blocks(wave: np.ndarray, size: int) -> list[np.ndarray]:
    return [wave[:, start : start + size] for start in range(0, wave.shape[1], size)]


KEPT = [(300, 1000), (1100, 1160), (2000, 4200)]


@pytest.mark.parametrize("size", [37, 5000])
def test_lowered_sound_keeps_its_length_and_what_is_kept(size: int) -> None:
    wave = recording()
    done = np.concatenate(list(binarize.attenuate(in_blocks(wave, size), KEPT, -20.0, 40)), axis=1)
    assert done.shape == wave.shape
    for start, end in KEPT:
        np.testing.assert_allclose(done[:, start + 20 : end - 20], wave[:, start + 20 : end - 20], atol=1e-6)
    np.testing.assert_allclose(done[:, :280], wave[:, :280] / 10, atol=1e-6)
    np.testing.assert_allclose(done[:, 4221:], wave[:, 4221:] / 10, atol=1e-6)
    nothing = np.concatenate(list(binarize.attenuate(in_blocks(wave, size), [], -20.0, 40)), axis=1)
    np.testing.assert_allclose(nothing, wave / 10, atol=1e-6)
