"""Several channels as one: a channel of inverted polarity does not cancel the others."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import clearmel
from clearmel.audio import sound_file
from clearmel.audio.channels import downmix
from tests.conftest import ROOT

SPEECH, RATE = sf.read(ROOT / "data/speech/en/vm-sorry.flac", dtype="float32")


def test_channels_of_one_polarity_give_their_mean(rng: np.random.Generator) -> None:
    for wave in (np.stack([SPEECH, SPEECH / 2]), rng.normal(0, 0.1, (6, 4000)).astype(np.float32), SPEECH[None]):
        assert np.array_equal(downmix(wave), wave.mean(axis=0))


@pytest.mark.parametrize("weights", [(1, -1), (1, -0.3), (-0.5, 1), (1, -1, 1, -1), (0, 1, -1)])
def test_an_inverted_channel_does_not_cancel(weights: tuple[float, ...], workplace: Path) -> None:
    wave = np.outer(weights, SPEECH).astype(np.float32)
    expected = SPEECH * np.mean(np.abs(weights))
    assert np.allclose(np.abs(downmix(wave)), np.abs(expected), atol=1e-6)
    sf.write("inverted.wav", wave.T, RATE, subtype="FLOAT")
    assert np.allclose(np.abs(sound_file.read("inverted.wav")[0]), np.abs(expected), atol=1e-6)


def test_opposite_phase_is_no_silence_for_any_model() -> None:
    inverted = np.stack([SPEECH, -SPEECH], axis=1)
    assert clearmel.classify(inverted, RATE) == clearmel.classify(SPEECH, RATE)
    assert clearmel.cut(inverted, RATE) == clearmel.cut(SPEECH, RATE)
    for voice, mono in zip(clearmel.separate(inverted, RATE), clearmel.separate(SPEECH, RATE), strict=True):
        assert np.allclose(voice, np.stack([mono, -mono], axis=1), atol=1e-5)
