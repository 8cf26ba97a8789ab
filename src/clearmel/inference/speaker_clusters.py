"""Groups embeddings by speaker.

Shapes: E dimensions of an embedding, S speakers.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.floating]
SAME = 0.9
"""Inner product of two groups' mean embeddings from which on they are one speaker."""


@dataclass
class Group:
    """Embeddings of one speaker.

    total: (E,), the sum of the embeddings by weight. weight: seconds of speech. apart: numbers; groups that share one
    are never joined.
    """

    total: Vector
    weight: float
    apart: set[int] = field(default_factory=set)

    def joined(self, other: "Group") -> "Group":
        """Both groups as one."""
        return Group(self.total + other.total, self.weight + other.weight, self.apart | other.apart)

    def alike(self, embedding: Vector) -> float:
        """Cosine of the angle between the mean and an embedding or a sum of embeddings."""
        length = float(np.linalg.norm(self.total) * np.linalg.norm(embedding))
        return float(self.total @ embedding) / max(length, 1e-9)


def grouped(groups: Sequence[Group], n_speakers: int, same: float = SAME) -> list[Group]:
    """Joins groups until there are at most S, and goes on while two of them are one speaker.

    Of all pairs the one is joined whose w1 w2 / (w1 + w2) (1 - cosine) is the smallest, so that short uncertain pieces
    do not remain as speakers of their own. More than S groups are left if all of them have to stay apart.
    Source: Ward, "Hierarchical grouping to optimize an objective function", JASA 58, 1963, with cosines.
    """
    left = list(groups)
    while len(left) > 1:
        costs = {
            (one, other): left[one].weight
            * left[other].weight
            / (left[one].weight + left[other].weight)
            * (1 - left[one].alike(left[other].total))
            for one, other in itertools.combinations(range(len(left)), 2)
            if not left[one].apart & left[other].apart
        }
        if not costs:
            break
        one, other = min(costs, key=lambda pair: costs[pair])
        if len(left) <= n_speakers and left[one].alike(left[other].total) < same:
            break
        left[one] = left[one].joined(left.pop(other))
    return left
