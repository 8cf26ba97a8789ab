"""Keeps every speaker in one track across pauses, and gives a voice that speaks alone the recording itself.

Shapes: S voices, C channels, N samples, T frames, E dimensions of an embedding.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clearmel.audio.channels import downmix
from clearmel.audio.features import MelFeatures
from clearmel.core.file_io import FloatArray
from clearmel.inference import single_voice
from clearmel.inference.speaker_clusters import Group, grouped
from clearmel.inference.speaker_count import SpeakerCount
from clearmel.runtime.model import Model

PAUSE_S = 0.6
"""A pause at least this long ends a turn."""
LONGEST_S = 30.0
"""A turn that lasts longer is cut there."""
LOOK_AHEAD_S = 120.0
"""So much of the recording is known before a turn is given to a track."""
FAINT = 1e-3
"""Of the power of the loudest second so far: below it nobody speaks."""
EDGE_S = 0.1
"""Speech is taken with so much of the silence around it."""
LONGEST_WEIGHT_S = 10.0
"""Speech beyond this makes an embedding no better."""
LEAK = 0.1
"""Of the power of the loudest track: below it a track does not speak."""
SINGLE, CERTAIN = -2.0, 5.0
"""Logits of a single voice from which on a turn goes into one track, and the recording itself is that track."""
CHUNK_S, LEAST = 5.0, 0.0
"""The latter also needs this logit in each part of so many seconds, since a second voice may join in."""
FADE_S = 0.02


class Piece(NamedTuple):
    """Voices (S, C, N) as separated and as they are then denoised, and the recording (C, N)."""

    voices: FloatArray
    denoised: FloatArray
    recording: FloatArray


class Turn(NamedTuple):
    """Sound between two pauses.

    piece: its sound. embeddings: (E,) of the only voice, or of each track. weights: seconds of speech of each. loudest:
    the loudest track. logit: of a single voice. alone: whether one voice certainly speaks alone. Without embeddings,
    the turn is silent or goes on from the one before.
    """

    piece: Piece
    embeddings: list[npt.NDArray[np.float32]]
    weights: list[float]
    loudest: int
    logit: float = 0.0
    alone: bool = False

    @property
    def single(self) -> bool:
        """Whether one voice speaks alone."""
        return len(self.embeddings) == 1 < len(self.piece.voices)

    @property
    def n_samples(self) -> int:
        """N."""
        return int(self.piece.recording.shape[1])


class Turns:
    """Orders the voices of each turn by the embeddings of their speakers.

    Separators put a single voice into the track that they like best, whoever speaks, or spread it over several. Here
    the speakers of all turns so far and of the next two minutes are grouped, and each group is a track.

    Args:
        features: of the separator.
        n_voices: S.
        encoder: embeds speakers.
    """

    def __init__(self, features: MelFeatures, n_voices: int, encoder: Model) -> None:
        self.features, self.n_voices, self.hop, self.encoder = features, n_voices, features.hop_length, encoder
        self.mels = MelFeatures(**encoder.card["features"])
        self.tracks: list[Group | None] = [None] * n_voices
        self.order, self.loudest = list(range(n_voices)), 0.0
        self.count = SpeakerCount(n_voices)

    def apply(self, pieces: Iterable[Piece]) -> Iterator[FloatArray]:
        """The denoised voices (S, C, N) of the tracks, from pieces of a recording.

        Who speaks is decided by the voices before they were denoised. All pieces together are as long as before.
        """
        waiting, ready_s = list[Turn](), 0.0
        for turn in self._turns(pieces):
            waiting.append(turn)
            ready_s += turn.n_samples / self.features.sample_rate
            if ready_s > LOOK_AHEAD_S + LONGEST_S:
                groups = self._groups(waiting)
                while ready_s > LOOK_AHEAD_S:
                    ready_s -= waiting[0].n_samples / self.features.sample_rate
                    yield self._placed(waiting.pop(0), groups)
        groups = self._groups(waiting)
        for turn in waiting:
            yield self._placed(turn, groups)

    @property
    def one_voice(self) -> bool:
        """Whether the turns so far hold the same single voice."""
        return self.count.is_one([group for _, group in self._known()])

    @property
    def further_voice(self) -> bool:
        """Whether voices that spoke alone so far certainly are of more than S speakers."""
        return self.count.exceeds_tracks()

    def _turns(self, pieces: Iterable[Piece]) -> Iterator[Turn]:
        held: FloatArray | None = None  # voices, denoised voices and the recording (2 S + 1, C, N)
        goes_on = False
        for piece in pieces:
            sound = np.concatenate([piece.voices, piece.denoised, piece.recording[None]])
            held = sound if held is None else np.concatenate([held, sound], axis=2)
            while held.shape[2] and (end := self._end(held[: self.n_voices])):
                yield self._turn(held[..., :end], goes_on)
                goes_on, held = end >= LONGEST_S * self.features.sample_rate - self.hop, held[..., end:]
        if held is not None and held.shape[2]:
            yield self._turn(held, goes_on)

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

    def _turn(self, held: FloatArray, goes_on: bool) -> Turn:
        """Embeds the speech of a turn (2 S + 1, C, N)."""
        piece = Piece(held[: self.n_voices], held[self.n_voices : -1], held[-1])
        rate, mono = self.features.sample_rate, np.stack([downmix(wave) for wave in (*piece.voices, piece.recording)])
        first, second, *_ = np.argsort(-np.square(mono[:-1]).sum(axis=1)).tolist()
        total, size = single_voice.powers(mono[:-1], rate).sum(axis=0), round(single_voice.FRAME_S * rate)
        speaks = np.flatnonzero(total > FAINT * max(total.max(initial=0), self.loudest))
        if goes_on or not len(speaks):
            return Turn(piece, [], [], first)
        edge = round(EDGE_S * rate)
        speech = mono[:, max(0, speaks[0] * size - edge) : (speaks[-1] + 1) * size + edge]
        logit = single_voice.logit(self.encoder, speech[[first, second]])
        if logit > SINGLE:
            found, seconds = [self._embedding(speech[-1])], [len(speaks) * single_voice.FRAME_S]
        else:
            power = single_voice.powers(speech[:-1], rate)
            speaks_in = (power > LEAK * power.max(axis=0)) & (power.sum(axis=0) > FAINT * power.sum(axis=0).max())
            found = [self._embedding(wave) for wave in speech[:-1]]
            seconds = (speaks_in.sum(axis=1) * single_voice.FRAME_S).tolist()
        n_parts = max(1, round(speech.shape[1] / (CHUNK_S * rate)))
        parts = np.array_split(speech[[first, second]], n_parts, axis=1) if logit > CERTAIN and n_parts > 1 else []
        alone = logit > CERTAIN and all(single_voice.logit(self.encoder, part) > LEAST for part in parts)
        return Turn(piece, found, [min(value, LONGEST_WEIGHT_S) for value in seconds], first, logit, alone)

    def _embedding(self, wave: FloatArray) -> npt.NDArray[np.float32]:
        return self.encoder.embedding(self.mels.mel(wave))

    def _groups(self, turns: list[Turn]) -> list[Group | None]:
        """The speaker of each track, None where there is none, after these turns; speakers keep their tracks."""
        known = {track: Group(group.total, group.weight, {-1, -2 - track}) for track, group in self._known()}
        pieces = [
            Group(embedding * np.float32(weight), weight, {number})
            for number, turn in enumerate(turns)
            for embedding, weight in zip(turn.embeddings, turn.weights, strict=True)
            if weight
        ]
        left = grouped([*known.values(), *pieces], self.n_voices)
        found = [next((group for group in left if -2 - track in group.apart), None) for track in range(self.n_voices)]
        free = [track for track, group in enumerate(found) if group is None]
        new = sorted((group for group in left if -1 not in group.apart), key=lambda group: -group.weight)[: len(free)]
        orders = itertools.permutations(free, len(new))
        best = max(orders, key=lambda order: sum(map(lambda group, track: _in_place(group, track, turns), new, order)))
        for group, track in zip(new, best, strict=True):
            found[track] = group
        return found

    def _known(self) -> list[tuple[int, Group]]:
        return [(track, group) for track, group in enumerate(self.tracks) if group is not None]

    def _placed(self, turn: Turn, groups: list[Group | None]) -> FloatArray:
        """The voices (S, C, N) of a turn in the order of the tracks, whose history they join."""
        if not turn.embeddings:
            return turn.piece.denoised[self.order]
        self.count.add(turn.logit, max(turn.weights), turn.embeddings[0] if turn.single else None)
        orders = list(itertools.permutations(range(self.n_voices)))  # the voice of each track
        best = max(orders, key=lambda order: _fit(turn, order, groups))
        self.order = list(best)
        voices = turn.piece.denoised[self.order]
        if not turn.single:
            for track, voice in enumerate(self.order):
                self._learn(track, turn.embeddings[voice], turn.weights[voice])
            return voices
        track = self.order.index(turn.loudest)
        self._learn(track, turn.embeddings[0], turn.weights[0])
        if turn.alone:
            share = _fades(turn.n_samples, round(FADE_S * self.features.sample_rate))
            voices = voices * (1 - share)
            voices[track] += turn.piece.recording * share
        return voices

    def _learn(self, track: int, embedding: npt.NDArray[np.float32], weight: float) -> None:
        piece, before = Group(embedding * np.float32(weight), weight), self.tracks[track]
        if weight:
            self.tracks[track] = piece if before is None else before.joined(piece)


def _in_place(group: Group, track: int, turns: list[Turn]) -> float:
    """Seconds of a group's speech that lie in a track as the separator gave it."""
    total = 0.0
    for number in group.apart:
        turn = turns[number]
        if turn.single:
            total += turn.weights[0] * (turn.loudest == track)
        else:
            nearest = int(np.argmax([group.alike(embedding) for embedding in turn.embeddings]))
            total += turn.weights[nearest] * (nearest == track)
    return total


def _fit(turn: Turn, order: Sequence[int], groups: list[Group | None]) -> tuple[float, int]:
    """How well the voices of a turn fit the tracks in an order; of equal ones, the order as it is fits best."""
    kept = sum(voice == track for track, voice in enumerate(order))
    if turn.single:
        group = groups[order.index(turn.loudest)]
        return (-np.inf if group is None else group.alike(turn.embeddings[0])), kept
    return sum(
        turn.weights[voice] * group.alike(turn.embeddings[voice])
        for voice, group in zip(order, groups, strict=True)
        if group is not None
    ), kept


def _fades(n_samples: int, fade: int) -> FloatArray:
    """Ones (N,) that rise from 0 and fall to 0 at the ends."""
    place = np.arange(n_samples, dtype=np.float32)
    return np.asarray(np.clip(np.minimum(place, place[::-1]) / fade, 0, 1), np.float32)
