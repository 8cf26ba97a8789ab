"""How many speakers a recording certainly has, from the turns that `turns.Turns` has placed.

Shapes: E dimensions of an embedding, S tracks.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from clearmel.inference.speaker_clusters import Group, Vector, grouped

ONE, ONE_ALIKE = 1.0, 0.88
"""Mean logit of a single voice, and inner product of the tracks' mean embeddings, from which on there is one voice."""
COUNTED_S = 3.0
"""A turn of a single voice at least this long counts as a speaker's."""
MOST = 32
"""Of more such turns, the most alike are joined to half as many groups."""
OTHER, APART = 0.8, 1.6
"""Two groups are certainly two speakers if the inner product of their means is below the first, and if embeddings from
both are at least the second times as far apart as embeddings from one group."""


class SpeakerCount:
    """Gathers evidence turn by turn; memory is bounded.

    Args:
        n_tracks: S.
    """

    def __init__(self, n_tracks: int) -> None:
        self.n_tracks = n_tracks
        self.evidence, self.spoken_s = 0.0, 0.0
        self.alone = list[Group]()

    def add(self, logit: float, seconds: float, only: Vector | None) -> None:
        """A turn.

        Args:
            logit: of a single voice in it, see `single_voice.evidence`.
            seconds: of speech.
            only: embedding (E,) of its only voice; None if it has several.
        """
        self.evidence, self.spoken_s = self.evidence + logit * seconds, self.spoken_s + seconds
        if only is not None and seconds >= COUNTED_S:
            self.alone.append(Group(only, 1))
        if len(self.alone) > MOST:
            self.alone = grouped(self.alone, MOST // 2, same=np.inf)

    def is_one(self, tracks: Sequence[Group]) -> bool:
        """Whether all turns certainly hold the same single voice; `tracks`: the speech of each track."""
        pairs = itertools.combinations(tracks, 2)
        return self.evidence > ONE * self.spoken_s and all(one.alike(other.total) > ONE_ALIKE for one, other in pairs)

    def exceeds_tracks(self) -> bool:
        """Whether voices that spoke alone certainly are of more than S speakers."""
        return holds_more(self.alone, self.n_tracks)


def holds_more(groups: Sequence[Group], n_speakers: int) -> bool:
    """Whether turns of single voices certainly come from more than S speakers, each of whom had two turns or more.

    Args:
        groups: each one or several turns of one speaker. `total` is the sum of their embeddings, all of length 1, and
            `weight` their number.
        n_speakers: S.
    """
    left = grouped(groups, n_speakers + 1, same=np.inf)
    if len(left) <= n_speakers or min(group.weight for group in left) < 2:
        return False
    within = np.mean([(g.total @ g.total - g.weight) / (g.weight * (g.weight - 1)) for g in left])
    pairs = list(itertools.combinations(left, 2))
    between = max(one.total @ other.total / (one.weight * other.weight) for one, other in pairs)
    alike = max(one.alike(other.total) for one, other in pairs)
    return bool(alike < OTHER and 1 - between > APART * (1 - within))
