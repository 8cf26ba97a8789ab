"""Base classes of all networks: the sizes that rebuild a network, and the card inside its state dict."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Network(nn.Module):
    """A module whose `state_dict()` carries a card under PyTorch's own key `_extra_state`.

    The card holds plain str, int, float, list and dict only, so that `torch.load(weights_only=True)` reads it.
    """

    def __init__(self, **sizes: int | float | bool) -> None:
        """Stores the constructor's arguments: `type(network)(**network.sizes)` builds the same network."""
        super().__init__()
        self.sizes = sizes
        self.card: dict[str, Any] = {}

    def get_extra_state(self) -> dict[str, Any]:
        """The card; PyTorch stores it in the state dict."""
        return self.card

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Sets the card from a state dict."""
        self.card = state

    def begin_from(self, other: "Network") -> "Network":
        """The network to train if training starts from the weights of `other`: here `other` itself, of any size.

        If `other` is a classifier of another number of classes, the network is a new one with all its weights except
        the last layer's.

        Raises:
            ValueError: `other` has another architecture, whose weights cannot be used.
        """
        if type(other) is not type(self):
            raise ValueError(f"holds a {type(other).__name__}; expected a {type(self).__name__}")
        if other.sizes.get("n_classes") == self.sizes.get("n_classes"):
            return other
        network = type(self)(**other.sizes | {"n_classes": self.sizes["n_classes"]})
        state = network.state_dict()
        network.load_state_dict(
            state
            | {
                name: weight
                for name, weight in other.state_dict().items()
                if isinstance(weight, Tensor) and state[name].shape == weight.shape
            }
        )
        return network

    def train_only(self, words: str) -> None:
        """Freezes every parameter whose name starts with none of these prefixes.

        Args:
            words: the prefixes, separated by commas; if empty, no parameter is frozen.

        Raises:
            ValueError: a prefix fits no parameter.
        """
        wanted = [word for word in words.replace(" ", "").split(",") if word]
        names = [name for name, _ in self.named_parameters()]
        for word in wanted:
            if not any(name.startswith(word) for name in names):
                parts = dict.fromkeys(name.split(".")[0] for name in names)
                raise ValueError(f"{word}: no weight is named so; the network's parts are {', '.join(parts)}.")
        for name, weight in self.named_parameters():
            weight.requires_grad_(not wanted or name.startswith(tuple(wanted)))

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next((weight.device for weight in self.parameters()), torch.device("cpu"))

    def n_parameters(self) -> int:
        """Number of parameters."""
        return sum(weight.numel() for weight in self.parameters())


class Denoiser(Network):
    """A causal network that estimates a clean log-mel from a noisy one, frame by frame.

    fine_bins: STFT bins whose fine structure it can use, 0 for none. look_ahead: future frames that it requires.
    warm_up_s: opening seconds of a recording that initialise its state (priming).
    """

    fine_bins: int = 0
    look_ahead: int = 0
    warm_up_s: float = 0.0

    def forward(
        self, mel: Tensor, fine: Tensor | None = None, state: Any = None, last: bool = True
    ) -> tuple[Tensor, Tensor | None, Any]:
        """Processes the next frames of a batch of recordings; those of whole ones, without a state, in all passes.

        Args:
            mel: noisy log-mel (B, T, M).
            fine: fine structure (B, T, fine_bins) of the STFT, see `audio.gains.fine_structure`; None: not used.
            state: as returned for the previous frames; None at the start.
            last: whether the recordings end here. If not, the last `look_ahead` frames are held back.

        Returns:
            Estimates (B, T', M); log-factors of bins (B, T', fine_bins) in nepers of amplitude, or None; the state.
        """
        raise NotImplementedError

    def causal(
        self, mel: Tensor, fine: Tensor | None = None, state: Any = None, last: bool = True
    ) -> tuple[Tensor, Tensor | None, Any]:
        """As `forward`, and without the second pass that some networks run over a whole recording."""
        found: tuple[Tensor, Tensor | None, Any] = self(mel, fine, state, last)
        return found

    def prime(self, mel: Tensor, fine: Tensor | None = None) -> Any:
        """The state after the opening of recordings, to be used as their initial state.

        Args:
            mel: log-mel of the opening, (B, T, M).
            fine: its fine structure, as for `forward`.
        """
        *_, state = self(mel, fine, None, False)
        return state

    def estimate(self, mel: Tensor, lengths: Tensor, n_opening: int = 0) -> Tensor:
        """Estimates (B, T, M) of whole recordings.

        Args:
            mel: noisy log-mels (B, T, M), padded.
            lengths: (B,) frames without padding.
            n_opening: opening frames of each recording that prime the state, and its last frames that prime a second
                pass; a shorter recording is repeated.
        """
        state = None
        if n_opening:
            frames = torch.arange(n_opening, device=mel.device) % lengths[:, None]
            opening = mel.gather(1, frames[:, :, None].expand(-1, -1, mel.shape[2]))
            state = self.prime(opening)
        found: Tensor = self.causal(mel, None, state)[0]
        return found


class Cutter(Network):
    """A network that decides every `stride` frames of a log-mel whether the sound is kept.

    stride: frames from decision to decision; decision k covers the sound around frame k * stride.
    """

    stride: int = 1

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Logits of keeping (B, K), K = 1 + (T - 1) // stride, of a padded batch (B, T, M) with `lengths` (B,)."""
        raise NotImplementedError


class Separator(Network):
    """A network that estimates a complex mask for each voice of a mixture.

    n_voices: S. faces: whether it requires embeddings of the speakers' faces.
    """

    n_voices: int = 2
    faces: bool = False

    def forward(self, spectrum: Tensor, faces: Tensor | None = None) -> Tensor:
        """Complex masks (B, S, T, F) of a complex spectrum (B, T, F).

        Args:
            spectrum: of the mixture.
            faces: embeddings (B, S, P, 512) at 25 per second, for networks with faces.
        """
        raise NotImplementedError


def along_frames(layers: nn.LSTM | nn.GRU, x: Tensor, lengths: Tensor) -> Tensor:
    """Runs bidirectional recurrent layers over a padded batch; each item gives what it would give alone.

    Args:
        layers: with the batch first.
        x: (B, T, W).
        lengths: (B,) frames without padding.

    Returns:
        (B, T, 2 H), zeros in the padding.
    """
    packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    hidden: Tensor = pad_packed_sequence(layers(packed)[0], batch_first=True, total_length=x.shape[1])[0]
    return hidden
