"""What the flags of the scripts mean, as frozen dataclasses: defaults, help texts and checks in one place.

No torch here: `--help` must answer at once.
"""

from src.options.basis import flag, refuse
from src.options.mixing import BuildOptions, MixOptions, PoolOptions, VoiceOptions
from src.options.networks import (
    CLASSIFIERS,
    CUTTERS,
    FEATURE_PRESETS,
    SEPARATORS,
    ClassifierOptions,
    CutterOptions,
    FeatureOptions,
    SeparatorOptions,
)
from src.options.training import DEVICES, MIXED_PRECISION, SCHEDULES, AugmentOptions, FitOptions, LossOptions
from src.options.using import (
    FRAME_RATE_HZ,
    GENTLE,
    MODES,
    RAW_FORMATS,
    RECONSTRUCTIONS,
    THRESHOLD_SPAN,
    TIGHT,
    CleanOptions,
    ClipOptions,
    CutOptions,
    RawOptions,
)

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
    "CleanOptions",
    "ClipOptions",
    "CutOptions",
    "CutterOptions",
    "FeatureOptions",
    "FitOptions",
    "LossOptions",
    "MixOptions",
    "PoolOptions",
    "RawOptions",
    "SeparatorOptions",
    "VoiceOptions",
    "flag",
    "refuse",
]
