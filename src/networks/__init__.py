"""Architectures, one family per file, by the name that a card gives them."""

from src.networks.base import Network
from src.networks.lstm import LSTMClassifier, LSTMDenoiser

NETWORKS: dict[str, type[Network]] = {"lstm_classifier": LSTMClassifier, "lstm_denoiser": LSTMDenoiser}

__all__ = ["NETWORKS", "LSTMClassifier", "LSTMDenoiser", "Network"]
