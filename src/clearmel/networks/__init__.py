"""Network architectures, one family per file, and their names in cards and flags."""

from clearmel.networks.attention import KeywordTransformer, MultiHeadAttention
from clearmel.networks.band_split import BandSplitSeparator
from clearmel.networks.base import Cutter, Denoiser, Network, Separator
from clearmel.networks.bcresnet import BCResNet
from clearmel.networks.frame_cutters import ConvolutionalCutter, RecurrentCutter
from clearmel.networks.fully_connected import FullyConnected
from clearmel.networks.gain_denoiser import GainDenoiser
from clearmel.networks.looking_to_listen import LookingToListen, LookingToListenFaces
from clearmel.networks.lstm import LSTMClassifier, LSTMDenoiser
from clearmel.networks.mask_snr import MaskSNR
from clearmel.networks.resnet import ResNet18, ResNet34, ResNet50
from clearmel.networks.speaker_encoder import SpeakerEncoder
from clearmel.networks.statistics import Statistics
from clearmel.networks.vgg import VGG11

CLASSIFIERS: dict[str, type[Network]] = {
    "lstm": LSTMClassifier,
    "bcresnet": BCResNet,
    "vgg11": VGG11,
    "resnet18": ResNet18,
    "resnet34": ResNet34,
    "resnet50": ResNet50,
    "mhatt": MultiHeadAttention,
    "kwt": KeywordTransformer,
    "fully_connected": FullyConnected,
    "statistics": Statistics,
    "mask_snr": MaskSNR,
}
"""Classifiers by their name in --network: one logit per class of a whole recording, or one for two classes."""
CUTTERS: dict[str, type[Cutter]] = {"crnn": RecurrentCutter, "conv1d": ConvolutionalCutter}
"""Cutters by their name in --network."""
SEPARATORS: dict[str, type[Separator]] = {
    "band_split": BandSplitSeparator,
    "looking_to_listen": LookingToListen,
    "looking_to_listen_faces": LookingToListenFaces,
}
"""Separators by their name in --network."""
SPEAKER_ENCODERS: dict[str, type[Network]] = {"tdnn": SpeakerEncoder}
"""Encoders of speakers by their name in --network: an embedding of a whole recording."""
NETWORKS: dict[str, type[Network]] = (
    {
        "lstm_classifier": LSTMClassifier,
        "lstm_denoiser": LSTMDenoiser,
        "gain_denoiser": GainDenoiser,
    }
    | {name: kind for name, kind in CLASSIFIERS.items() if name != "lstm"}
    | CUTTERS
    | SEPARATORS
    | SPEAKER_ENCODERS
)
__all__ = [
    "CLASSIFIERS",
    "CUTTERS",
    "NETWORKS",
    "SEPARATORS",
    "SPEAKER_ENCODERS",
    "VGG11",
    "BCResNet",
    "BandSplitSeparator",
    "ConvolutionalCutter",
    "Cutter",
    "Denoiser",
    "FullyConnected",
    "GainDenoiser",
    "KeywordTransformer",
    "LSTMClassifier",
    "LSTMDenoiser",
    "LookingToListen",
    "LookingToListenFaces",
    "MaskSNR",
    "MultiHeadAttention",
    "Network",
    "RecurrentCutter",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "Separator",
    "SpeakerEncoder",
    "Statistics",
]
