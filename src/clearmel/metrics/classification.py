"""Figures of merit of classifiers: confusion, precision and recall, ROC-AUC, calibrated probabilities."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def confusion(predicted: Tensor, target: Tensor, n_classes: int) -> Tensor:
    """Counts (n_classes, n_classes) of class indices (B,): rows are true classes, columns predicted ones."""
    return torch.bincount(target * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def class_figures(counts: Tensor) -> dict[str, Tensor]:
    """Precision, recall and F1 (C,) of each class from `confusion`; 0 for classes never predicted or absent."""
    right, called, true = counts.diagonal().double(), counts.sum(dim=0), counts.sum(dim=1)
    precision, recall = right / called.clamp(min=1), right / true.clamp(min=1)
    return {"precision": precision, "recall": recall, "f1": 2 * right / (called + true).clamp(min=1)}


def roc_auc(scores: Tensor, positive: Tensor) -> float:
    """Probability that a positive item scores higher than a negative one (ties count half); nan without both.

    Args:
        scores: (B,).
        positive: (B,) booleans.
    """
    values, places = torch.unique(scores.double(), return_inverse=True)
    n_positive = torch.bincount(places[positive], minlength=len(values)).double()
    n_negative = torch.bincount(places[~positive], minlength=len(values)).double()
    below = n_negative.cumsum(0) - n_negative / 2
    total = float(n_positive.sum() * n_negative.sum())
    return float((n_positive * below).sum()) / total if total else float("nan")


def equal_error_rate(scores: Tensor, positive: Tensor) -> float:
    """Mean of miss and false-alarm rate at the threshold where they are closest; nan without both classes."""
    if not positive.any() or positive.all():
        return float("nan")
    thresholds = torch.cat([torch.unique(scores), scores.max()[None] + 1]).double()
    wanted, other = (scores.double()[chosen].sort().values for chosen in (positive, ~positive))
    missed = torch.searchsorted(wanted, thresholds) / len(wanted)
    alarms = 1 - torch.searchsorted(other, thresholds) / len(other)
    nearest = int((missed - alarms).abs().argmin())
    return float(missed[nearest] + alarms[nearest]) / 2


def fitted_temperature(logits: Tensor, target: Tensor) -> float:
    """The temperature, a divisor of the logits, that minimises the cross-entropy and so calibrates the probabilities.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        logits: (B, C) as for `clearmel.metrics.calibrated.probabilities`.
        target: (B,) class indices.

    Returns:
        From 0.05 to 20.
    """
    low, high = math.log(0.05), math.log(20.0)
    for _ in range(40):  # ternary search: there is a single minimum
        left, right = low + (high - low) / 3, high - (high - low) / 3
        losses = [cross_entropy(logits.double() / math.exp(x), target).mean() for x in (left, right)]
        low, high = (low, right) if losses[0] < losses[1] else (left, high)
    return math.exp((low + high) / 2)


def cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy (B,) of logits (B, C), or of the logit (B, 1) of the second of two classes.

    Args:
        logits: of the classes; for members (B, K, C), the mean of their cross-entropies is returned.
        target: (B,) class indices.
        smoothing: label smoothing, the part of the target that is spread evenly over all classes.
    """
    if logits.ndim == 3:
        each = cross_entropy(logits.flatten(0, 1), target.repeat_interleave(logits.shape[1]), smoothing)
        return each.reshape(logits.shape[:2]).mean(dim=1)
    if logits.shape[1] == 1:
        wanted = target.to(logits) * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits[:, 0], wanted, reduction="none")
    return functional.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
