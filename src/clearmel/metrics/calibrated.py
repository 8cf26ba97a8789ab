"""Probabilities of classes, of numpy arrays and torch tensors alike. Shapes: B batch, C classes."""

from clearmel.core import arrays
from clearmel.core.arrays import Array


def probabilities(logits: Array, temperature: float = 1.0) -> Array:
    """Probabilities (B, C) from logits (B, C), or (B, 2) from the logit (B, 1) of the second of two classes.

    Args:
        logits: in float32.
        temperature: divisor of the logits, see `clearmel.metrics.classification.fitted_temperature`.
    """
    math_of = arrays.module_of(logits)
    if logits.shape[1] == 1:
        logits = arrays.joined([0 * logits, logits], 1)
    powers = math_of.exp((logits - math_of.amax(logits, 1, keepdims=True)) / temperature)
    return powers / powers.sum(**arrays.axis(1, powers, keep=True))
