"""Architectures, one family per file, by the name that a card gives them."""

from src.networks.base import Denoiser, Network
from src.networks.gain import GainDenoiser
from src.networks.lstm import LSTMClassifier, LSTMDenoiser

NETWORKS: dict[str, type[Network]] = {
    "lstm_classifier": LSTMClassifier,
    "lstm_denoiser": LSTMDenoiser,
    "gain_denoiser": GainDenoiser,
}

__all__ = ["NETWORKS", "Denoiser", "GainDenoiser", "LSTMClassifier", "LSTMDenoiser", "Network"]
