"""The level at which networks receive sound: ordinary recordings as they are, all others at `WORKING_DB`.

The networks are trained on speech whose active level lies in `ORDINARY_DB`. A recording at such a level keeps the gain
of exactly 1. Any other, such as one at -65 dBFS or floats in the range of int16, is brought to `WORKING_DB` for the
network alone: what is written has the input's own level.

Shapes: C channels, N samples, T frames, F STFT bins, M mel bands. Powers are mean squares of samples, so
that a full-scale square wave has 1.
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from clearmel.audio import mel_scale
from clearmel.audio.features import FLOOR, MelFeatures
from clearmel.core.file_io import FloatArray

Powers = npt.NDArray[np.floating]
ORDINARY_DB = (-45.0, -12.0)
"""Active levels in dB re full scale that need no gain: those of the speech in training."""
WORKING_DB = -25.0
FRAME_S = 0.02
BIN_DB = 0.5
EDGES_DB = (-150.0, 150.0)
"""Levels that are told apart; those beyond count as the outermost."""
FLOOR_SHARE = 0.1
ACTIVE_DB = 30.0
"""Frames further below the loud ones are pauses."""
LOUD_SHARE, MOST_LOUD = 0.05, 25
"""The loud frames: this share of all, at most so many, so that a minute of speech in an hour of pauses decides."""

RUNNING_S = 30.0
"""Time constant in which a running level forgets."""
FIRST_S = 3.0
"""Sound after which a running level is trusted. Many recordings begin with the noise of a quiet room."""
CHANGE_DB_PER_S = 20.0
"""A network takes a sudden change of the gain for a change of the noise."""
FAR_DB, LATE_DB = 6.0, -3.0
"""A frame so far beyond full scale is brought to `WORKING_DB` at the start; later ones come to `LATE_DB`."""
RETURN_DB = 10.0
"""A recording is ordinary again when its level is so far above the lowest of `ORDINARY_DB`."""


class FrameLevels:
    """Levels of the frames of a recording in pieces, in constant memory.

    They are counted in steps of `BIN_DB`, so that percentiles are that exact; means are exact.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(round((EDGES_DB[1] - EDGES_DB[0]) / BIN_DB))
        self.sums = np.zeros_like(self.counts)

    def add(self, powers: Powers) -> None:
        """Adds frames (T,) by their powers; digital silence is left out."""
        powers = powers[powers > 0].astype(np.float64)
        places = ((10 * np.log10(powers) - EDGES_DB[0]) / BIN_DB).astype(int).clip(0, len(self.counts) - 1)
        np.add.at(self.counts, places, 1)
        np.add.at(self.sums, places, powers)

    def forget(self, share: float) -> None:
        """Multiplies the weight of all frames so far."""
        self.counts *= share
        self.sums *= share

    def active_db(self) -> float:
        """Mean power of all frames that are no pauses in dB re full scale; -inf for silence.

        `clearmel.audio.levels.active_level_db` measures a whole wave alike.
        """
        n_frames = self.counts.sum()
        if n_frames < 1e-6:
            return -np.inf
        louder = self.counts[::-1].cumsum()[::-1]  # frames in each bin and above
        loud = int(np.flatnonzero(louder >= min(MOST_LOUD, LOUD_SHARE * n_frames))[-1])
        active = slice(max(0, loud - round(ACTIVE_DB / BIN_DB)), None)
        return float(10 * np.log10(self.sums[active].sum() / self.counts[active].sum()))

    def floor_db(self) -> float:
        """Level in dB below which a tenth of the frames lies; -inf for silence."""
        if not self.counts.any():
            return -np.inf
        place = int(np.flatnonzero(self.counts.cumsum() >= FLOOR_SHARE * self.counts.sum())[0])
        return EDGES_DB[0] + (place + 0.5) * BIN_DB


def factor(level_db: float) -> float:
    """The gain for the network's input at an active level: exactly 1 within `ORDINARY_DB`, and for silence."""
    if not np.isfinite(level_db) or ORDINARY_DB[0] <= level_db <= ORDINARY_DB[1]:
        return 1.0
    return float(10 ** ((WORKING_DB - level_db) / 20))


class LevelMeter:
    """Measures the levels of a recording in frames of 20 ms: the mean power of its channels, without constant offset.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self.levels, self.size = FrameLevels(), max(1, round(FRAME_S * sample_rate))
        self.held: FloatArray | None = None

    def push(self, block: FloatArray) -> None:
        """Takes the next piece (C, N)."""
        held = block if self.held is None or not self.held.shape[1] else np.concatenate([self.held, block], axis=1)
        count = held.shape[1] // self.size * self.size
        self.levels.add(_powers(held[:, :count], self.size))
        self.held = held[:, count:].copy()

    def snr_db(self) -> float:
        """How far the active level lies above the level below which a tenth of the frames lies; inf for silence."""
        return self.levels.active_db() - self.levels.floor_db() if self.levels.counts.any() else np.inf

    def gain(self) -> float:
        """The gain for the network's input, see `factor`."""
        if self.held is not None and self.held.shape[1] and not self.levels.counts.any():  # shorter than a frame
            self.levels.add(_powers(self.held, self.held.shape[1]))
        return factor(self.levels.active_db())


def measure(blocks: Iterable[FloatArray], sample_rate: int) -> LevelMeter:
    """Measures a whole recording in pieces (C, N)."""
    meter = LevelMeter(sample_rate)
    for block in blocks:
        meter.push(block)
    return meter


def _powers(wave: FloatArray, size: int) -> Powers:
    """Power (T,) of the frames of a wave (C, T * size)."""
    power: Powers = wave.reshape(len(wave), -1, size).var(axis=2, dtype=np.float64).mean(axis=0)
    return power


def spectrum_powers(power: FloatArray) -> Powers:
    """Mean squares (T,) of frames under a Hann window, from their power spectra (T, F); without constant offset."""
    n_fft = 2 * (power.shape[-1] - 1)
    found: Powers = 2 * power[:, 2:].sum(axis=1) / (0.375 * n_fft**2)
    return found


def measured_mel(mel: FloatArray, features: MelFeatures) -> float:
    """The gain for a recording of which only the log-mel (T, M) is known; see `factor`.

    A band's power times half the width of its triangle in Hz is the power of the bins that are nearest to it.
    """
    if features.top_db or features.exponent != 2:  # the level has no effect, or is not in the mel
        return 1.0
    bands = np.exp((mel.astype(np.float64) - 1) * 10) - FLOOR
    edges = mel_scale.triangles(features.fmin, features.fmax, features.n_mels, features.n_fft, features.sample_rate)[1]
    sums = np.maximum(bands, 0) @ ((edges[2:] - edges[:-2]) / 2)
    level = FrameLevels()
    level.add(2 * sums / (0.375 * features.n_fft**2))
    return factor(level.active_db())


def scaled_mel(mel: FloatArray, gain: float) -> FloatArray:
    """The log-mel (..., T, M) of the recording times a gain."""
    if gain == 1:
        return mel
    power = np.maximum(np.exp((mel.astype(np.float64) - 1) * 10) - FLOOR, 0)
    return (1 + np.log(FLOOR + power * gain**2) / 10).astype(mel.dtype)


class RunningGain:
    """The gain for a stream, frame by frame, from what has come in so far.

    It is 1 as long as the level is ordinary. When the level as the network receives it is below `ORDINARY_DB`, the gain
    rises slowly until that is `WORKING_DB`; it returns to 1 when the recording becomes ordinary. A frame beyond full
    scale lowers it at once.

    Args:
        frame_s: seconds from frame to frame.
    """

    def __init__(self, frame_s: float) -> None:
        self.frame_s, self.level, self.sound_s, self.gain_db = frame_s, FrameLevels(), 0.0, 0.0
        self.rises = False

    def gains(self, powers: Powers) -> Powers:
        """Amplitude gains (T,) for the next frames by their powers (T,)."""
        found = np.ones(len(powers))
        for number, power in enumerate(powers.tolist()):
            if power > 0:
                self._follow(power)
            found[number] = 10 ** (self.gain_db / 20)
        return found

    def _follow(self, power: float) -> None:
        self.level.forget(1 - self.frame_s / RUNNING_S)
        self.level.add(np.array([power]))
        self.sound_s += self.frame_s
        frame_db = 10 * math.log10(power)
        if frame_db + self.gain_db > 0:
            # Far beyond, it is of another range. A large step within a recording is taken for a change of the noise.
            early_db = WORKING_DB if frame_db + self.gain_db > FAR_DB else ORDINARY_DB[1]
            target_db = early_db if self.sound_s < FIRST_S else LATE_DB
            self.gain_db, self.rises = target_db - frame_db, False
        if self.sound_s < FIRST_S:
            return
        level_db, step = self.level.active_db(), CHANGE_DB_PER_S * self.frame_s
        self.rises = level_db + self.gain_db < (WORKING_DB if self.rises else ORDINARY_DB[0])
        if self.rises:
            self.gain_db += min(step, WORKING_DB - level_db - self.gain_db)
        elif self.gain_db > 0 and level_db > ORDINARY_DB[0] + RETURN_DB:
            self.gain_db = max(0.0, self.gain_db - step)
