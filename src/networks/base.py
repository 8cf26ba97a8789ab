"""What every network has: sizes that rebuild it, and a card that travels inside its state dict."""

from typing import Any

from torch import nn


class Network(nn.Module):
    """A module whose `state_dict()` carries a card under PyTorch's own key `_extra_state`.

    The card holds plain str, int, float, list and dict only, so that `torch.load(weights_only=True)` reads it.
    """

    def __init__(self, **sizes: int | float | bool) -> None:
        """Keeps the constructor's arguments: `type(network)(**network.sizes)` builds the same network."""
        super().__init__()
        self.sizes = sizes
        self.card: dict[str, Any] = {}

    def get_extra_state(self) -> dict[str, Any]:
        """The card; PyTorch stores it in the state dict."""
        return self.card

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Takes the card from a state dict."""
        self.card = state

    def n_parameters(self) -> int:
        """Trainable numbers."""
        return sum(weight.numel() for weight in self.parameters())
