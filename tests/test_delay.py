"""The delay that is stated is the delay that there is."""

import numpy as np
import pytest

from src import enhancement, live
from tests.test_enhancement import Untouched, gains, with_card


@pytest.mark.parametrize(("rate", "look_ahead"), [(16000, 0), (16000, 3), (8000, 0), (44100, 0), (48000, 2)])
def test_the_delay_is_what_it_says(rate: int, look_ahead: int, rng) -> None:
    stream = enhancement.GainStream(gains(look_ahead=look_ahead), rate, 1)
    said, n_in, n_out, worst = live.delay(stream), 0, 0, 0
    for _ in range(4 * rate // stream.hop):
        n_in += stream.hop
        ready = stream.push(rng.normal(0, 0.1, (1, stream.hop)).astype(np.float32)).shape[1]
        if ready:
            worst, n_out = max(worst, n_in - n_out), n_out + ready
    assert worst <= said <= worst + stream.hop
    if rate == 16000:
        assert said == worst == 1024 + 256 * look_ahead


@pytest.mark.parametrize("rate", [16000, 48000])
def test_an_impulse_comes_out_within_the_delay_and_where_it_was(rate: int) -> None:
    network = with_card(Untouched())
    stream = enhancement.GainStream(network, rate, 1)
    said, hop = live.delay(stream), stream.hop
    for at in (20 * hop, 21 * hop - 1):
        stream = enhancement.GainStream(network, rate, 1)
        wave = np.zeros((1, 40 * hop), np.float32)
        wave[0, at] = 0.5
        out = np.zeros((1, 0), np.float32)
        for start in range(0, wave.shape[1], hop):
            out = np.concatenate([out, stream.push(wave[:, start : start + hop])], axis=1)
            if start + hop >= at + said:
                break
        assert out.shape[1] > at
        assert out[0].argmax() == at
        assert abs(out[0, at] - 0.5) < 1e-5
