"""One network out of several that were trained from one another."""

from collections.abc import Sequence
from typing import Any

import torch

from clearmel.core.errors import InputError
from clearmel.networks import BandSplitSeparator, Network


def average(networks: Sequence[Network], shares: Sequence[float]) -> Network:
    """The weighted mean of all weights.

    Weights that were fitted from one another, with other losses or data, lie in one valley: their mean often does
    better than each, and keeps what the last fit has worsened. Source: Wortsman et al., "Robust fine-tuning of
    zero-shot models", CVPR 2022, eq. 1.

    Args:
        networks: of one kind, sizes, features and task; separators may have fewer blocks than the last one.
        shares: of each; only their ratios count.

    Returns:
        The last network with averaged weights; its card has no scores, because none were measured.

    Raises:
        InputError: fewer than two, another number of shares, a share below 0 or all 0, or networks that differ.
    """
    if len(networks) < 2 or len(shares) != len(networks):
        raise InputError(
            f"{len(networks)} weights files and {len(shares)} shares; expected two or more, a share for each."
        )
    if not (min(shares) >= 0 and 0 < sum(shares) < float("inf")):
        raise InputError(f"shares {' '.join(f'{share:g}' for share in shares)}; expected 0 or more, not all 0.")
    last = networks[-1]
    networks = [_as_deep(network, last) for network in networks]
    # The network's own sizes: those on a card of an older version may lack what has a default now.
    cards = [network.card | {"sizes": network.sizes} for network in networks]
    for key in ("task", "network", "sizes", "features", "labels"):
        values = [card.get(key) for card in cards]
        if any(value != values[-1] for value in values):
            raise InputError(
                f"the weights files are of different {key}: {values[0]} and {values[-1]}. Give those of one kind."
            )
    states = [network.state_dict() for network in networks]
    with torch.no_grad():
        for key, value in states[-1].items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                parts = [share / sum(shares) * state[key].double() for share, state in zip(shares, states, strict=True)]
                value.copy_(torch.stack(parts).sum(dim=0))
    last.card = last.card | {"sizes": dict(last.sizes), "scores": {}}
    return last


def _as_deep(network: Network, last: Network) -> Network:
    """A separator with the blocks that it lacks, which change nothing; any other network itself."""
    if not isinstance(network, BandSplitSeparator) or not isinstance(last, BandSplitSeparator):
        return network
    found = last.begin_from(network)
    found.card = network.card
    return found


def halved(state: dict[str, Any]) -> dict[str, Any]:
    """A state dict with 16-bit floats in place of 32-bit ones; whoever loads it computes in 32 bits.

    Raises:
        InputError: a weight is beyond the range of 16 bits.
    """
    found = {
        key: value.half() if isinstance(value, torch.Tensor) and value.dtype == torch.float32 else value
        for key, value in state.items()
    }
    if large := [key for key, value in found.items() if isinstance(value, torch.Tensor) and not value.isfinite().all()]:
        raise InputError(f"{large[0]} holds weights beyond 65504, the largest 16-bit float; leave --half out.")
    return found
