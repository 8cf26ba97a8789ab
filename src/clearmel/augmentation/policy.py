"""How often and how strongly training data is augmented: named probabilities and ranges, and the five policies in use.

The options of a command (SNR range, share of augmented items, share with reverberation) come on top of a policy.
"""

import bisect
import itertools
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from clearmel.augmentation.synthetic_noise import Rng

Range = tuple[float, float]
"""Lowest and highest value; values between them are drawn uniformly."""
NoiseKind = Literal["none", "coloured", "synthetic", "babble", "several", "crowd", "talkers", "music", "recorded"]
"""The noises of a mixture. "several": a recorded noise and one or two more. "recorded": one recorded noise."""


@dataclass(frozen=True)
class AugmentationPolicy:
    """Probabilities and ranges of every random change to a mixture; the default values change nothing.

    Probabilities are per mixture unless stated otherwise. Ranges end in their unit; those without one are ratios.

    Args:
        no_noise_probability: the mixture is speech alone.
        coloured_noise_probability: its only noise is white noise with a random spectral tilt.
        synthetic_noise_probability: its only noise is generated; see `synthetic_noise`.
        babble_probability: its only noise is a sum of several voices.
        several_noises_probability: a recorded noise and a second noise.
        crowd_probability: a crowd in a hall; see `scenes`. Half of them with a recorded noise.
        talkers_probability: one or two people talk in the background.
        music_probability: generated music. Whatever these eight probabilities leave of 1 is the probability of a single
            recorded noise.
        talkers_snr_min_db: lowest SNR over the talkers, so that the wanted speaker is the louder one.
        second_coloured_probability, second_synthetic_probability, second_babble_probability: kind of the second noise;
            otherwise it is recorded.
        third_noise_probability: a mixture of several noises has a third one, which is recorded.
        babble_voices: fewest and most voices in babble.
        babble_attenuation_range_db: each voice of the babble is attenuated by this much from a common level.
        snr_beta: parameters of the beta distribution of the SNR between its lowest and highest value; None: uniform.
        speech_speed_probability, speech_speed_range: playback speed of the speech, which also shifts its pitch.
        whisper_probability: the speech is whispered.
        formant_ratio_range: ratio of formant frequencies after and before `shift_formants`.
        noise_speed_probability, noise_speed_range: playback speed of a recorded noise.
        noise_gain_probability, noise_gain_range_db, noise_gain_step_s: a recorded noise gets a new random gain in every
            step, interpolated between steps.
        noise_tilt_probability, noise_tilt_range_db: spectral tilt of the noise alone.
        noise_span_probability: the noise starts late, ends early, or both, with or without a fade.
        silence_probability: both sides are digitally silent in up to half of the mixture, as behind a noise gate.
        level_probability, level_range_db: active speech level in dB re full scale.
        tilt_probability, tilt_range_db: spectral tilt of both sides, gain at 8 kHz re 100 Hz.
        highpass_probability, highpass_range_hz: lower band limit.
        lowpass_probability, lowpass_range_hz: upper band limit.
        band_edge_probability, band_edges_hz: steep upper band limit, one of those given, as resampling leaves it.
        codec_probability: both sides pass a lossy codec.
        hiss_probability, hiss_range_db: both sides get the same hiss, this far below the speech.
        floor_option_range_db: the same for mixtures that get their hiss through the option `--floor`.
        clipping_probability, clipping_range_db: the noisy side is clipped this far below its peak.
        faint_noise_probability, faint_noise_range_db: a recording that counts as clean has a noise nevertheless, this
            far below the speech.
        telephone_codec_probability: after all other draws, a codec replaces the one in the chain.
        telephone_band_probability: otherwise the band of a telephone replaces the band limits in the chain.
        telephone_highpass_range_hz, telephone_lowpass_range_hz: limits of that band.
        mixture_level_range_db: offset of a multi-speaker mixture's level.
        microphone_distance_range_m: distance of each speaker of a multi-speaker mixture in a room.
        partial_speech_probability: a further speaker starts later or ends earlier than the first.
        late_start_probability: such a speaker starts later; otherwise it ends earlier.
    """

    no_noise_probability: float = 0.0
    coloured_noise_probability: float = 0.0
    synthetic_noise_probability: float = 0.0
    babble_probability: float = 0.0
    several_noises_probability: float = 0.0
    crowd_probability: float = 0.0
    talkers_probability: float = 0.0
    music_probability: float = 0.0
    talkers_snr_min_db: float = 3.0
    second_coloured_probability: float = 0.0
    second_synthetic_probability: float = 0.0
    second_babble_probability: float = 0.0
    third_noise_probability: float = 0.0
    babble_voices: tuple[int, int] = (8, 8)
    babble_attenuation_range_db: Range = (0.0, 0.0)
    snr_beta: tuple[float, float] | None = None
    speech_speed_probability: float = 0.0
    speech_speed_range: Range = (1.0, 1.0)
    whisper_probability: float = 0.0
    formant_ratio_range: Range = (1.0, 1.0)
    noise_speed_probability: float = 0.0
    noise_speed_range: Range = (1.0, 1.0)
    noise_gain_probability: float = 0.0
    noise_gain_range_db: Range = (0.0, 0.0)
    noise_gain_step_s: float = 0.5
    noise_tilt_probability: float = 0.0
    noise_tilt_range_db: Range = (0.0, 0.0)
    noise_span_probability: float = 0.0
    silence_probability: float = 0.0
    level_probability: float = 0.0
    level_range_db: Range = (-26.0, -26.0)
    tilt_probability: float = 0.0
    tilt_range_db: Range = (0.0, 0.0)
    highpass_probability: float = 0.0
    highpass_range_hz: Range = (40.0, 40.0)
    lowpass_probability: float = 0.0
    lowpass_range_hz: Range = (7800.0, 7800.0)
    band_edge_probability: float = 0.0
    band_edges_hz: tuple[float, ...] = (7800.0,)
    codec_probability: float = 0.0
    hiss_probability: float = 0.0
    hiss_range_db: Range = (60.0, 60.0)
    floor_option_range_db: Range = (60.0, 60.0)
    clipping_probability: float = 0.0
    clipping_range_db: Range = (0.0, 0.0)
    faint_noise_probability: float = 0.0
    faint_noise_range_db: Range = (60.0, 60.0)
    telephone_codec_probability: float = 0.0
    telephone_band_probability: float = 0.0
    telephone_highpass_range_hz: Range = (150.0, 150.0)
    telephone_lowpass_range_hz: Range = (4200.0, 4200.0)
    mixture_level_range_db: Range = (0.0, 0.0)
    microphone_distance_range_m: Range = (1.0, 1.0)
    partial_speech_probability: float = 0.0
    late_start_probability: float = 0.0

    def __post_init__(self) -> None:
        for name, value in ((field.name, getattr(self, field.name)) for field in fields(self)):
            if name.endswith("_probability") and not 0 <= value <= 1:
                raise ValueError(f"{name} {value}; expected 0 to 1")
            if isinstance(value, tuple) and name not in ("snr_beta", "band_edges_hz") and value[0] > value[1]:
                raise ValueError(f"{name} {value}; expected the lowest value first")
        for total in (self._noise_kind_limits()[-1], sum(self.second_noise_probabilities()[:3]), self._telephone()[-1]):
            if total > 1 + 1e-9:
                raise ValueError(f"probabilities of alternatives sum to {total:g}; expected at most 1")

    def noise_kind(self, draw: float) -> NoiseKind:
        """The kind of noise that a uniform draw from [0, 1) selects."""
        kinds: tuple[NoiseKind, ...] = get_args(NoiseKind)
        return kinds[bisect.bisect_right(self._noise_kind_limits(), draw)]

    def second_noise_probabilities(self) -> tuple[float, float, float, float]:
        """Probabilities of coloured, synthetic, babble and recorded noise as the second one of a mixture."""
        coloured, synthetic = self.second_coloured_probability, self.second_synthetic_probability
        babble = self.second_babble_probability
        return coloured, synthetic, babble, _rounded(1 - coloured - synthetic - babble)

    def telephone(self, draw: float) -> Literal["codec", "band", ""]:
        """The part of a telephone line that a uniform draw from [0, 1) selects; "" for none."""
        codec, band = self._telephone()
        return "codec" if draw < codec else "band" if draw < band else ""

    def draw_snr_db(self, rng: Rng, low: float, high: float) -> float:
        """An SNR between two limits in dB."""
        return rng.uniform(low, high) if self.snr_beta is None else low + (high - low) * rng.beta(*self.snr_beta)

    def _noise_kind_limits(self) -> list[float]:
        return _cumulative(
            self.no_noise_probability,
            self.coloured_noise_probability,
            self.synthetic_noise_probability,
            self.babble_probability,
            self.several_noises_probability,
            self.crowd_probability,
            self.talkers_probability,
            self.music_probability,
        )

    def _telephone(self) -> list[float]:
        return _cumulative(self.telephone_codec_probability, self.telephone_band_probability)


def draw_optional(rng: Rng, probability: float, limits: Range, digits: int | None = None) -> float | None:
    """A value drawn from a range with a probability, None otherwise; rounded to `digits` decimals if given."""
    if rng.random() >= probability:
        return None
    value = rng.uniform(*limits)
    return value if digits is None else round(value, digits)


def _cumulative(*probabilities: float) -> list[float]:
    return [_rounded(total) for total in itertools.accumulate(probabilities)]


def _rounded(probability: float) -> float:
    """Without the rounding error of sums, so that 0.1 + 0.2 gives the threshold 0.3."""
    return round(probability, 9)


TRAINING = AugmentationPolicy(
    no_noise_probability=0.05,
    coloured_noise_probability=0.04,
    synthetic_noise_probability=0.1,
    babble_probability=0.06,
    several_noises_probability=0.25,
    crowd_probability=0.15,
    talkers_probability=0.05,
    music_probability=0.04,
    second_coloured_probability=0.2,
    second_synthetic_probability=0.25,
    second_babble_probability=0.15,
    third_noise_probability=0.2,
    babble_voices=(5, 11),
    babble_attenuation_range_db=(0, 9),
    snr_beta=(1.5, 2.0),
    speech_speed_probability=0.5,
    speech_speed_range=(0.86, 1.16),
    whisper_probability=0.03,
    formant_ratio_range=(0.82, 1.2),
    noise_speed_probability=0.4,
    noise_speed_range=(0.7, 1.4),
    noise_gain_probability=0.3,
    noise_gain_range_db=(-12, 6),
    noise_tilt_probability=0.5,
    noise_tilt_range_db=(-12, 12),
    noise_span_probability=0.12,
    silence_probability=0.06,
    level_probability=0.8,
    level_range_db=(-50, -8),
    tilt_probability=0.5,
    tilt_range_db=(-9, 9),
    highpass_probability=0.3,
    highpass_range_hz=(40, 350),
    lowpass_probability=0.2,
    lowpass_range_hz=(2800, 7800),
    band_edge_probability=0.15,
    band_edges_hz=(3000, 3400, 3800, 4000, 5200, 5500, 5900, 7000),
    codec_probability=0.06,
    hiss_probability=0.7,
    hiss_range_db=(36, 70),
    clipping_probability=0.05,
    clipping_range_db=(3, 12),
)
"""For speech and noise that are mixed anew for every step of training."""

DATASET = AugmentationPolicy(
    coloured_noise_probability=0.08,
    babble_probability=0.08,
    several_noises_probability=0.24,
    second_coloured_probability=0.3,
    noise_tilt_probability=0.6,
    noise_tilt_range_db=(-12.0, 12.0),
    level_probability=0.8,
    level_range_db=(-42.0, -14.0),
    tilt_probability=0.6,
    tilt_range_db=(-9.0, 9.0),
    highpass_probability=0.3,
    highpass_range_hz=(40.0, 350.0),
    lowpass_probability=0.35,
    lowpass_range_hz=(2800.0, 7800.0),
    codec_probability=0.2,
    hiss_probability=0.4,
    hiss_range_db=(34.0, 60.0),
    floor_option_range_db=(26.0, 50.0),
)
"""For the mixtures that `clearmel build dataset` writes. Babble replaces the recorded noise and has eight voices."""

NOISE_PRESENCE = replace(
    TRAINING,
    talkers_probability=0.0,
    faint_noise_probability=0.3,
    faint_noise_range_db=(26, 50),
    silence_probability=0.04,
    telephone_codec_probability=0.2,
    telephone_band_probability=0.2,
    telephone_highpass_range_hz=(150, 400),
    telephone_lowpass_range_hz=(2800, 4200),
)
"""For items that train and test a classifier of noise behind speech."""

CUTTING = replace(
    TRAINING,
    no_noise_probability=0.05,
    coloured_noise_probability=0.15,
    synthetic_noise_probability=0.12,
    babble_probability=0.05,
    several_noises_probability=0.15,
    crowd_probability=0.06,
    talkers_probability=0.0,
    music_probability=0.25,
    snr_beta=None,
    silence_probability=0.0,
)
"""For labelled clips, which train a cutter: without talkers, whose words would count as pauses, and without silence,
which would hide words that are to be kept."""

MULTI_SPEAKER = AugmentationPolicy(
    coloured_noise_probability=0.06,
    synthetic_noise_probability=0.1,
    several_noises_probability=0.2,
    crowd_probability=0.15,
    music_probability=0.05,
    second_coloured_probability=0.2,
    second_synthetic_probability=0.3,
    noise_tilt_probability=0.3,
    noise_tilt_range_db=(-9, 9),
    tilt_probability=0.3,
    tilt_range_db=(-9, 9),
    highpass_probability=0.2,
    highpass_range_hz=(40, 300),
    lowpass_probability=0.2,
    lowpass_range_hz=(2800, 7800),
    codec_probability=0.1,
    hiss_probability=0.5,
    hiss_range_db=(30, 70),
    speech_speed_range=(0.9, 1.12),
    formant_ratio_range=(0.85, 1.18),
    mixture_level_range_db=(-8, 8),
    microphone_distance_range_m=(0.4, 2.0),
    partial_speech_probability=0.5,
    late_start_probability=0.5,
)
"""For mixtures of several speakers. The option `--augment` gives the probabilities of other speeds and formants, and of
noisy mixtures with other noises and a recording chain."""
