"""The flags of the commands as frozen dataclasses: defaults, help texts and limits in one place.

No torch here: `--help` must answer at once.
"""

from clearmel.options.fields import Limits, Options, flag
from clearmel.options.inference import (
    FRAME_RATE_HZ,
    GENTLE,
    MODES,
    RAW_FORMATS,
    RECONSTRUCTIONS,
    THRESHOLD_SPAN,
    TIGHT,
    ClipOptions,
    CutOptions,
    DenoiseOptions,
    MediaOptions,
    RawOptions,
    lufs,
)
from clearmel.options.mixing import BuildOptions, ClipNoiseOptions, MixOptions, MultiSpeakerOptions, PoolOptions
from clearmel.options.networks import (
    CLASSIFIERS,
    CUTTERS,
    FEATURE_PRESETS,
    SEPARATORS,
    ClassifierOptions,
    CutterOptions,
    FeatureOptions,
    SeparatorOptions,
)
from clearmel.options.training import DEVICES, MIXED_PRECISION, SCHEDULES, AugmentOptions, FitOptions, LossOptions

__all__ = [
    "CLASSIFIERS",
    "CUTTERS",
    "DEVICES",
    "FEATURE_PRESETS",
    "FRAME_RATE_HZ",
    "GENTLE",
    "MIXED_PRECISION",
    "MODES",
    "RAW_FORMATS",
    "RECONSTRUCTIONS",
    "SCHEDULES",
    "SEPARATORS",
    "THRESHOLD_SPAN",
    "TIGHT",
    "AugmentOptions",
    "BuildOptions",
    "ClassifierOptions",
    "ClipNoiseOptions",
    "ClipOptions",
    "CutOptions",
    "CutterOptions",
    "DenoiseOptions",
    "FeatureOptions",
    "FitOptions",
    "Limits",
    "LossOptions",
    "MediaOptions",
    "MixOptions",
    "MultiSpeakerOptions",
    "Options",
    "PoolOptions",
    "RawOptions",
    "SeparatorOptions",
    "flag",
    "lufs",
]
