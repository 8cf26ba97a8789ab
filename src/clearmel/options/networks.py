"""Which network, of which sizes, on which features."""

from dataclasses import dataclass
from typing import Any

from clearmel.options.fields import Options, flag

FEATURE_PRESETS: dict[str, dict[str, int | float]] = {
    "mel80": {},
    "speech40": {"n_fft": 480, "hop_length": 160, "n_mels": 40, "top_db": 80.0},
    "esc50": {
        "sample_rate": 44100,
        "n_fft": 4096,
        "win_length": 3969,
        "hop_length": 308,
        "n_mels": 256,
        "fmax": 17000.0,
        "top_db": 80.0,
    },
    "mel100": {"n_fft": 512, "hop_length": 160},
    "podcast": {
        "sample_rate": 22050,
        "n_fft": 2048,
        "win_length": 1102,
        "hop_length": 880,
        "fmin": 0.0,
        "fmax": 11025.0,
        "pre_emphasis": 0.97,
        "exponent": 1,
    },
}
"""Numbers of `MelFeatures` by name, where they differ from its defaults."""


@dataclass(frozen=True)
class FeatureOptions(Options):
    """Numbers of the mel features; one that is not given is the preset's."""

    features: str = flag(
        "mel80",
        f"preset of the mel features: {' / '.join(FEATURE_PRESETS)}; the flags below override single numbers",
        choices=tuple(FEATURE_PRESETS),
    )
    sample_rate: int | None = flag(None, "in Hz")
    n_fft: int | None = flag(None, "length of the FFT in samples, even")
    win_length: int | None = flag(None, "length of the window in samples, 0 for n_fft")
    hop_length: int | None = flag(None, "samples from frame to frame")
    n_mels: int | None = flag(None, "mel bands")
    fmin: float | None = flag(None, "lower edge of the lowest band in Hz")
    fmax: float | None = flag(None, "upper edge of the highest band in Hz")
    top_db: float | None = flag(None, "count from the loudest value down to this far below it; 0: absolute values")

    def numbers(self) -> dict[str, Any]:
        """Arguments of `MelFeatures`."""
        given = {key: value for key, value in vars(self).items() if key != "features" and value is not None}
        return FEATURE_PRESETS[self.features] | given


CLASSIFIERS = (
    "lstm",
    "bcresnet",
    "vgg11",
    "resnet18",
    "resnet34",
    "resnet50",
    "mhatt",
    "kwt",
    "fully_connected",
    "statistics",
    "mask_snr",
)


@dataclass(frozen=True)
class ClassifierOptions(Options):
    """Which classifier; a size that is not given is as published."""

    network: str = flag("lstm", f"network: {' / '.join(CLASSIFIERS)}", choices=CLASSIFIERS)
    hidden_dim: int | None = flag(None, "lstm, mhatt, kwt, vgg11, fully_connected, statistics, mask_snr: width", low=1)
    num_layers: int | None = flag(None, "lstm, mhatt, kwt, mask_snr: layers", low=1)
    scale: int | None = flag(None, "bcresnet: 1, 8 and 16 are usual", low=1)
    width: int | None = flag(
        None, "resnets, vgg11: channels of the first stage; statistics: of a resnet18 whose output joins them", low=1
    )
    num_heads: int | None = flag(None, "mhatt, kwt: attention heads", low=1)
    patch_frames: int | None = flag(None, "kwt: frames in a patch", low=1)
    window: int | None = flag(None, "fully_connected: frames that are seen at once", low=1)
    members: int | None = flag(None, "statistics: perceptrons whose answers are averaged", low=1)
    dropout: float | None = flag(None, "in training", low=0, below=1)

    def sizes(self) -> dict[str, Any]:
        """Those that are given."""
        return {key: value for key, value in vars(self).items() if key != "network" and value is not None}


CUTTERS = ("crnn", "conv1d")


@dataclass(frozen=True)
class CutterOptions(Options):
    """Which cutter; a size that is not given is the network's default."""

    network: str = flag("crnn", "network: crnn, or conv1d as in the original system", choices=CUTTERS)
    hidden_dim: int | None = flag(None, "crnn: width", low=1)
    num_layers: int | None = flag(None, "crnn: layers of the GRU", low=1)
    members: int | None = flag(None, "crnn: networks whose answers are averaged", low=1)
    levels: int | None = flag(None, "conv1d: how often the width halves", low=0, high=10)
    repeat: int | None = flag(None, "conv1d: convolutions of each width", low=1)
    level_1: int | None = flag(None, "conv1d: width of the first convolution", low=1)
    dropout: float | None = flag(None, "in training", low=0, below=1)

    def sizes(self) -> dict[str, Any]:
        """Those that are given."""
        return {key: value for key, value in vars(self).items() if key != "network" and value is not None}


SEPARATORS = ("band_split", "looking_to_listen", "looking_to_listen_faces")


@dataclass(frozen=True)
class SeparatorOptions(Options):
    """Which separator; a size that is not given is the network's default."""

    network: str = flag("band_split", f"network: {' / '.join(SEPARATORS)}", choices=SEPARATORS)
    hidden_dim: int | None = flag(None, "width", low=1)
    num_layers: int | None = flag(None, "band_split: blocks", low=1)
    channels: int | None = flag(None, "looking_to_listen: width of the convolutions", low=1)
    linear_dim: int | None = flag(None, "looking_to_listen: width of the linear layers", low=1)
    dropout: float | None = flag(None, "in training", low=0, below=1)
    phase: bool = flag(False, "band_split: phases as input and complex masks as output; needs many hours of speech")
    n_fft: int = flag(1024, "length of the window and the FFT in samples at 16 kHz")
    win_length: int = flag(0, "length of the window where it is shorter than the FFT, 0: as long")
    hop_length: int = flag(512, "samples from frame to frame; half of it costs twice as much")

    def sizes(self) -> dict[str, Any]:
        """Those that are given."""
        own = ("hidden_dim", "num_layers", "channels", "linear_dim", "dropout")
        given = {key: value for key in own if (value := getattr(self, key)) is not None}
        return given | {"phase": True} if self.phase else given


SPEAKER_ENCODERS = ("tdnn",)


@dataclass(frozen=True)
class SpeakerEncoderOptions(Options):
    """Which encoder of speakers; a size that is not given is the network's default."""

    network: str = flag("tdnn", f"network: {' / '.join(SPEAKER_ENCODERS)}", choices=SPEAKER_ENCODERS)
    hidden_dim: int | None = flag(None, "width", low=1)
    embedding_dim: int | None = flag(None, "dimension of an embedding", low=1)

    def sizes(self) -> dict[str, Any]:
        """Those that are given."""
        return {key: value for key, value in vars(self).items() if key != "network" and value is not None}
