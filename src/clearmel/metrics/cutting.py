"""Figures of cutters: recall and precision of keep and cut, curves over thresholds, cuts as events, seconds.

"Keep" is the positive class. Hand labels are accurate to one or two frames, so most figures are given twice: over all
frames, and without those near a label change ("_collar").
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from clearmel.core.file_io import FloatArray
from clearmel.metrics import classification
from clearmel.options import CutOptions
from clearmel.segments.binarize import Parts, parts_to_keep
from clearmel.segments.frames import FRAME_S

KEEP_RECALL = 0.99
"""Keep recall on the validation set at the threshold of the card."""
OVERLAP = 0.5
"""Intersection over union above which two cuts match."""
Flags = npt.NDArray[np.bool_]


class FrameDecisions(NamedTuple):
    """Decisions (K,): probability of keeping, the correct answer, and whether a label change is near."""

    probability: FloatArray
    keep: Flags
    near: Flags


def concatenate(parts: Sequence[FrameDecisions]) -> FrameDecisions:
    """Concatenates the decisions of several recordings."""
    return FrameDecisions(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def threshold_for_keep_recall(decisions: FrameDecisions, share: float = KEEP_RECALL) -> float:
    """The highest threshold with at least this keep recall; 0.5 if no frame is to be kept."""
    kept = np.sort(decisions.probability[decisions.keep])
    return float(kept[int((1 - share) * len(kept) + 1e-9)]) if len(kept) else 0.5


def figures(decisions: FrameDecisions, threshold: float) -> dict[str, float]:
    """Recall and precision of cut and keep, and ROC-AUC, each also "_collar"; the threshold; the number of frames.

    Precision without predictions is 0; recall of an absent class and AUC of a single class are nan.
    """
    found: dict[str, float] = {}
    for suffix, chosen in (("", np.ones(len(decisions.keep), bool)), ("_collar", ~decisions.near)):
        probability, keep = decisions.probability[chosen], decisions.keep[chosen]
        kept = probability >= threshold
        found |= {
            f"cut_recall{suffix}": _share(~kept, ~keep),
            f"cut_precision{suffix}": _share(~keep, ~kept) if not kept.all() else 0.0,
            f"keep_recall{suffix}": _share(kept, keep),
            f"keep_precision{suffix}": _share(keep, kept) if kept.any() else 0.0,
            f"roc_auc{suffix}": classification.roc_auc(torch.from_numpy(probability), torch.from_numpy(keep)),
        }
    return found | {"threshold": threshold, "n_frames": len(decisions.keep)}


def curve(decisions: FrameDecisions, most: int = 400) -> list[dict[str, float]]:
    """Both recalls at rising thresholds, which are denser where more frames to be kept lie between them."""
    kept = np.sort(decisions.probability[decisions.keep])
    levels = np.concatenate([np.linspace(0, 0.05, most // 2), np.linspace(0.05, 1, most // 4)])
    own = kept[(levels * (len(kept) - 1)).astype(int)] if len(kept) else kept
    thresholds = np.unique(np.concatenate([own.astype(np.float64), np.linspace(0.01, 0.99, most // 4)]))
    inner = ~decisions.near
    rows: list[dict[str, float]] = []
    for threshold in thresholds.tolist():
        above = decisions.probability >= threshold
        rows.append(
            {
                "threshold": threshold,
                "cut_recall": _share(~above, ~decisions.keep),
                "keep_recall": _share(above, decisions.keep),
                "cut_recall_collar": _share(~above[inner], ~decisions.keep[inner]),
                "keep_recall_collar": _share(above[inner], decisions.keep[inner]),
            }
        )
    return rows


def at_keep_recall(decisions: FrameDecisions, share: float = KEEP_RECALL) -> dict[str, float]:
    """ROC-AUC and cut recall at this keep recall, each also "_collar"."""
    inner = FrameDecisions(
        decisions.probability[~decisions.near], decisions.keep[~decisions.near], decisions.near[~decisions.near]
    )
    found: dict[str, float] = {}
    for suffix, part in (("", decisions), ("_collar", inner)):
        own = figures(part, threshold_for_keep_recall(part, share))
        found |= {f"roc_auc{suffix}": own["roc_auc"], f"cut_recall{suffix}": own["cut_recall"]}
    return found


def edited(decisions: FrameDecisions, options: CutOptions) -> dict[str, float]:
    """Figures of the edit of a recording: seconds wrongly removed and wrongly kept, and matching cuts.

    Args:
        decisions: of one recording, in order.
        options: how decisions become cuts.

    Returns:
        "removed_wrongly_s", "kept_wrongly_s", "cuts", "cuts_found", "cuts_true".
    """
    duration_s = len(decisions.keep) * FRAME_S
    cuts = _cuts(parts_to_keep(decisions.probability, FRAME_S, duration_s, options), duration_s)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~decisions.keep, [False]]).astype(np.int8))).reshape(-1, 2)
    true = [(float(a * FRAME_S), float(b * FRAME_S)) for a, b in edges if (b - a) * FRAME_S >= options.min_cut_s]
    centres = (np.arange(len(decisions.keep)) + 0.5) * FRAME_S
    removed = np.zeros(len(centres), bool)
    for start, end in cuts:
        removed |= (centres >= start) & (centres < end)
    return {
        "removed_wrongly_s": float((removed & decisions.keep).sum() * FRAME_S),
        "kept_wrongly_s": float((~removed & ~decisions.keep).sum() * FRAME_S),
        "cuts": len(cuts),
        "cuts_found": _matches(cuts, true),
        "cuts_true": len(true),
    }


def summed(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The sums of `edited` over recordings, and the F1 of the cuts: 2 found / (made + true)."""
    total = {key: sum(row[key] for row in rows) for key in rows[0]}
    both = total["cuts"] + total["cuts_true"]
    return total | {"event_f1": 2 * total["cuts_found"] / both if both else float("nan")}


def smoothed_energy(mel: FloatArray, stride: int) -> FloatArray:
    """A simple baseline: the mean log-mel (K,) every `stride` frames, smoothed by a mean and a maximum over 5.

    Args:
        mel: (T, M).
        stride: frames from decision to decision.
    """
    padded = np.pad(mel.mean(axis=1)[::stride], 2, mode="edge")
    mean = np.pad(np.lib.stride_tricks.sliding_window_view(padded, 5).mean(axis=1), 2, mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(mean, 5).max(axis=1), np.float32)


def _share(part: Flags, total: Flags) -> float:
    return float((part & total).sum() / total.sum()) if total.any() else float("nan")


def _cuts(parts: Parts, duration_s: float) -> Parts:
    edges = [0.0, *(edge for part in parts for edge in part), duration_s]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]


def _matches(found: Parts, true: Parts) -> int:
    """Number of matching pairs; with `OVERLAP` of 0.5 or more no cut is in two pairs."""
    return sum(
        min(b, d) - max(a, c) > OVERLAP * (max(b, d) - min(a, c)) for a, b in found for c, d in true if a < d and c < b
    )


def rows_of(records: Sequence[dict[str, Any]], threshold: float, options: CutOptions) -> list[dict[str, Any]]:
    """One row per clip: loss, `figures` and `edited`."""
    return [
        {"name": record["name"], "loss": record["loss"]}
        | {key: value for key, value in figures(record["decisions"], threshold).items() if key != "threshold"}
        | edited(record["decisions"], options)
        for record in records
    ]
