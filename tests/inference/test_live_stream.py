"""A stream fed hop by hop gives what the file gives, as late as it says."""

import numpy as np
import pytest

from clearmel.audio import sound_file
from clearmel.checkpoints import weights_file
from clearmel.inference import denoise, denoise_stream, live
from clearmel.options import DenoiseOptions
from tests.inference.test_denoise import Untouched, gain_network, with_card
from tests.inference.test_live import SHIPPED, offline, sound


@pytest.mark.parametrize(("rate", "n_channels"), [(16000, 1), (44100, 2)])
def test_hops_and_chunks_of_any_size_give_what_the_file_gives(rate: int, n_channels: int, rng) -> None:
    wave = sound(rate, n_channels, 3.5)
    sound_file.write("in.wav", wave, rate, "FLOAT")
    wanted = offline("in.wav", "out.wav")
    network = weights_file.load_denoiser(SHIPPED)
    hop = denoise_stream.DenoiseStream(network, rate, n_channels).hop
    chunks = np.cumsum(rng.integers(1, 3 * hop, 10000))
    for cuts in (np.arange(hop, wave.shape[1], hop), chunks[chunks < wave.shape[1]]):
        pieces = np.split(wave, cuts, axis=1)
        options = DenoiseOptions(warm_up_s=0, passes=1)
        result = np.concatenate(list(denoise.denoise_blocks(network, pieces, rate, n_channels, options)), axis=1)
        np.testing.assert_allclose(result, wanted, atol=1e-5)


@pytest.mark.parametrize(("rate", "look_ahead"), [(16000, 0), (16000, 3), (8000, 0), (44100, 0), (48000, 2)])
def test_the_delay_is_what_it_says(rate: int, look_ahead: int, rng) -> None:
    stream = denoise_stream.DenoiseStream(gain_network(look_ahead=look_ahead), rate, 1)
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
    stream = denoise_stream.DenoiseStream(network, rate, 1)
    said, hop = live.delay(stream), stream.hop
    for at in (20 * hop, 21 * hop - 1):
        stream = denoise_stream.DenoiseStream(network, rate, 1)
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
