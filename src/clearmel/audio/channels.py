"""One channel out of several."""

import numpy as np

from clearmel.core.file_io import FloatArray

OPPOSITE = -0.5
"""Correlation with the loudest channel below which a channel is taken for inverted."""
SHORTEST = 1000
"""Samples below which a correlation may be chance."""


def downmix(wave: FloatArray) -> FloatArray:
    """The mean (N,) of the channels (C, N), each in the polarity of the loudest one.

    The plain mean of a stereo recording with one inverted channel, [x, -x], is silence. A channel whose correlation
    with the loudest channel is below `OPPOSITE` is inverted first. All other recordings, and pieces of fewer than
    `SHORTEST` samples, give their plain mean.
    """
    if len(wave) > 1 and wave.shape[1] >= SHORTEST:
        products = wave.astype(np.float64) @ wave.T.astype(np.float64)  # (C, C)
        power = np.diag(products)
        loudest = int(np.argmax(power))
        inverted = products[loudest] < OPPOSITE * np.sqrt(power * power[loudest])
        if inverted.any():
            wave = np.where(inverted[:, None], -wave, wave)
    return np.asarray(wave.mean(axis=0), np.float32)
