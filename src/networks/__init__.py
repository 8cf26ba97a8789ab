"""Architectures, one family per file, by the name that a card gives them."""

from src.networks.attention import KeywordTransformer, MultiHeadAttention
from src.networks.base import Denoiser, Network
from src.networks.bcresnet import BCResNet
from src.networks.dense import FullyConnected
from src.networks.gain import GainDenoiser
from src.networks.lstm import LSTMClassifier, LSTMDenoiser
from src.networks.resnet import ResNet18, ResNet34, ResNet50
from src.networks.vgg import VGG11

NETWORKS: dict[str, type[Network]] = {
    "lstm_classifier": LSTMClassifier,
    "bcresnet": BCResNet,
    "vgg11": VGG11,
    "resnet18": ResNet18,
    "resnet34": ResNet34,
    "resnet50": ResNet50,
    "mhatt": MultiHeadAttention,
    "kwt": KeywordTransformer,
    "fully_connected": FullyConnected,
    "lstm_denoiser": LSTMDenoiser,
    "gain_denoiser": GainDenoiser,
}

CLASSIFIERS: dict[str, type[Network]] = {"lstm": LSTMClassifier} | {
    name: NETWORKS[name]
    for name in ("bcresnet", "vgg11", "resnet18", "resnet34", "resnet50", "mhatt", "kwt", "fully_connected")
}
"""Those that give one logit or one for each class of a whole recording, by the name of their flag."""

__all__ = [
    "CLASSIFIERS",
    "NETWORKS",
    "VGG11",
    "BCResNet",
    "Denoiser",
    "FullyConnected",
    "GainDenoiser",
    "KeywordTransformer",
    "LSTMClassifier",
    "LSTMDenoiser",
    "MultiHeadAttention",
    "Network",
    "ResNet18",
    "ResNet34",
    "ResNet50",
]
