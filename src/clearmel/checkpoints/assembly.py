"""The network of torch that a checked card describes.

A weights file may come from anywhere. A size in its card that the file's own tensors do not bear out would otherwise
be met with terabytes of memory or an endless construction.
"""

import contextlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints.cards import expect, shown_by
from clearmel.networks import NETWORKS, Network


def build(card: Mapping[str, Any], state: Mapping[str, Any]) -> Network:
    """The network that a checked card describes, with the tensors of a state dict.

    Raises:
        Exception: any, where they do not fit: torch's layers raise various exceptions.
    """
    features, kind = MelFeatures(**card["features"]), NETWORKS[card["network"]]
    known = inspect.signature(kind).parameters
    for key, value in card["sizes"].items():
        expect(key in known, f"{card['network']} has no size {str(key)[:40]}")
        kinds = (int, float) if type(known[key].default) is float else (type(known[key].default),)
        expect(type(value) in kinds, f"its {key} is no {kinds[0].__name__}")
    tensors = [value for value in state.values() if isinstance(value, Tensor)]
    expect(all(map(is_plain, tensors)), "its tensors are no plain numbers")
    with warnings.catch_warnings(), _no_larger_than(tensors):
        warnings.simplefilter("ignore")  # of sizes that go oddly together
        network = kind(**card["sizes"])
    sizes, n_bins = network.sizes, features.n_fft // 2 + 1
    for key, wanted in shown_by(features).items():  # of the network, too, whose defaults the card need not name
        expect(sizes.get(key, wanted) == wanted, f"{key} {sizes.get(key)}, but the features have {wanted}")
    expect(sizes.get("fine_bins", 0) <= n_bins, f"fine_bins {sizes.get('fine_bins')}, but the features have {n_bins}")
    network.load_state_dict({**state, "_extra_state": dict(card)}, strict=True)
    return network


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is dense, of real numbers, and as large in the file as it says."""
    dense = tensor.layout == torch.strided and not tensor.is_complex() and not tensor.is_quantized
    return dense and tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()


@contextlib.contextmanager
def _no_larger_than(tensors: list[Tensor]) -> Iterator[None]:
    """Within it, a module with more parameters than these tensors, or larger ones, stops being built.

    Parameters are registered before they are filled, so that their memory is not touched by then.
    """
    left = [len(tensors), sum(tensor.numel() for tensor in tensors)]

    def count(module: nn.Module, name: str, weight: nn.Parameter | None) -> None:
        left[0] -= 1
        left[1] -= 0 if weight is None else weight.numel()
        expect(min(left) >= 0 or weight is None, "its sizes are larger than its tensors")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
