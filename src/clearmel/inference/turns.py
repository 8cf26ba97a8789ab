"""Keeps every speaker in one track across pauses, by the mean spectrum of what each track holds so far.

Shapes: S voices, C channels, N samples, T frames, M mel bands.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from clearmel.audio.features import DECIBELS_PER_UNIT, MelFeatures
from clearmel.audio.stft import power_of
from clearmel.core.file_io import FloatArray

Sums = npt.NDArray[np.float64]
PAUSE_S = 0.6
"""A pause at least this long ends a turn."""
LONGEST_S = 30.0
"""A turn that lasts longer is decided then, and the rest of it goes with it."""
FAINT = 1e-3
"""Of the power of the loudest second so far: below it nobody speaks."""
DOMINANT = 0.8
"""Share of a frame's power from which on it belongs to one voice."""
SHORTEST_S = 1.2
"""Speech of one voice from which on its mean spectrum is trusted."""
NOVEL_DB = 4.0
"""Distance of mean spectra from which on a voice is rather that of a track without history. Of 6 s of one speaker each,
95 % are nearer than 3.1 dB; of two speakers, 75 % are farther apart than 4.7 dB."""
MARGIN_DB = 0.5
"""By so much another order of the voices must be nearer."""


class Turns:
    """Orders the voices of each turn, between two pauses, by their tracks' history.

    Separators put a single voice into the track that they like best, whoever speaks. The distance of two voices is the
    RMS difference of their mean log-mel spectra in dB, without their levels.

    Args:
        features: of the separator.
        n_voices: S.
    """

    def __init__(self, features: MelFeatures, n_voices: int) -> None:
        self.features, self.n_voices, self.hop = features, n_voices, features.hop_length
        self.sums, self.counts = np.zeros((n_voices, features.n_mels)), np.zeros(n_voices)
        self.order, self.decided, self.loudest = tuple(range(n_voices)), False, 0.0

    def apply(self, pieces: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """The voices (S, C, N) in pieces, each turn in the order of the tracks; all pieces together are as long."""
        held: FloatArray | None = None
        for piece in pieces:
            held = piece if held is None else np.concatenate([held, piece], axis=2)
            while held.shape[2] and (end := self._end(held)):
                yield self._ordered(held[..., :end])
                held = held[..., end:]
        if held is not None and held.shape[2]:
            yield self._ordered(held)

    def _end(self, held: FloatArray) -> int:
        """Samples up to the middle of the first pause behind speech; 0 where the turn goes on."""
        count = int(held.shape[2]) // self.hop
        frames = np.square(held[..., : count * self.hop], dtype=np.float64).mean(axis=1)
        power = frames.reshape(self.n_voices, count, self.hop).mean(axis=2).sum(axis=0)  # (T,)
        second = round(self.features.sample_rate / self.hop)
        if count >= second:
            self.loudest = max(self.loudest, np.convolve(power, np.full(second, 1 / second), "valid").max())
        speaks = np.concatenate([[False], power > FAINT * self.loudest, [True]])
        changes = np.flatnonzero(np.diff(speaks.astype(int)))
        wanted, begun = round(PAUSE_S * second), False
        for start, end in itertools.pairwise(changes.tolist()):
            if speaks[start + 1]:
                begun = True
            elif begun and end - start >= wanted:
                return int(start + wanted // 2) * self.hop
        if count >= LONGEST_S * second:
            return count * self.hop
        return 0

    def _ordered(self, turn: FloatArray) -> FloatArray:
        """The voices (S, C, N) of a turn in the order of the tracks, whose history they join."""
        spectra, counts = self._spectra(turn)
        wanted = SHORTEST_S * self.features.sample_rate / self.hop
        if not self.decided and counts.max() >= wanted:
            orders = itertools.permutations(range(self.n_voices))
            costs = {order: self._cost(order, spectra, counts, wanted) for order in orders}
            best = min(costs, key=lambda order: costs[order])
            if costs[best] + MARGIN_DB < costs[self.order]:
                self.order = best
        if counts.max() >= wanted:
            self.sums += spectra[list(self.order)]
            self.counts += counts[list(self.order)]
        self.decided = turn.shape[2] >= LONGEST_S * self.features.sample_rate - self.hop
        return turn[list(self.order)]

    def _cost(self, order: Sequence[int], spectra: Sums, counts: Sums, wanted: float) -> float:
        """Mean distance in dB of the voices from their tracks in an order."""
        total = 0.0
        for track, voice in enumerate(order):
            if counts[voice] >= wanted:
                distance = NOVEL_DB
                if self.counts[track] >= wanted:
                    distance = _distance(self.sums[track] / self.counts[track], spectra[voice] / counts[voice])
                total += distance * counts[voice]
        return float(total / counts[counts >= wanted].sum())

    def _spectra(self, turn: FloatArray) -> tuple[Sums, Sums]:
        """Sums (S, M) of the log-mels of each voice in dB over the frames that are its own, and their numbers (S,)."""
        power = power_of(self.features.stft(turn)).mean(axis=1)
        mel = (self.features.mel_of_power(power) * DECIBELS_PER_UNIT).astype(np.float64)  # (S, T, M)
        total = power.sum(axis=2).astype(np.float64)  # (S, T)
        loud = total.sum(axis=0) > 1e-2 * total.sum(axis=0).max(initial=0)
        own = (total > DOMINANT * total.sum(axis=0)) & loud
        sums = [mel[voice][own[voice]].sum(axis=0) for voice in range(self.n_voices)]
        return np.stack(sums), own.sum(axis=1).astype(np.float64)


def _distance(one: Sums, other: Sums) -> float:
    difference = (one - one.mean()) - (other - other.mean())
    return float(np.sqrt(np.square(difference).mean()))
