"""Scores of separated voices whose order is not fixed."""

import pytest
import torch

from clearmel.metrics.permutation import swapped


@pytest.mark.parametrize("n_voices", [2, 3])
def test_segments_in_another_order_are_counted(n_voices: int) -> None:
    voices = torch.randn(n_voices, 10 * 100, generator=torch.Generator().manual_seed(0))
    estimates = voices + 0.3 * torch.randn(voices.shape, generator=torch.Generator().manual_seed(1))
    assert swapped(estimates, voices, 100) == 0
    estimates[:, 200:500] = estimates[:, 200:500].roll(1, dims=0)
    assert swapped(estimates, voices, 100) == pytest.approx(0.3)
    voices[:, 500:] = 0  # silence counts neither way
    assert swapped(estimates, voices, 100) == pytest.approx(3 / 5)


def test_equal_estimates_are_in_every_order() -> None:
    voices = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    assert swapped(voices.sum(dim=0).expand(2, -1), voices, 100) == 0
