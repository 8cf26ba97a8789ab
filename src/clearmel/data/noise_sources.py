"""Noises of mixtures that are made on the fly: recorded, synthetic and built ones, drawn by a policy."""

from pathlib import Path

import numpy as np

from clearmel.audio import levels
from clearmel.augmentation import mix, scenes
from clearmel.augmentation.policy import AugmentationPolicy
from clearmel.augmentation.synthetic_noise import synthetic_noise
from clearmel.core.file_io import FloatArray
from clearmel.data.speech_pool import SpeechPool, change_speed
from clearmel.data.splits import Pool
from clearmel.data.waveform_cache import WaveformCache

SYNTHETIC = "made"
"""Name of synthetic noise in recipes and reports."""
CROWD, TALKERS, MUSIC = "crowd", "talkers", "music"
"""Names of built scenes."""


class NoiseSources:
    """Draws the names of a mixture's noises, and gives their waves.

    Args:
        pool: the recorded noises.
        speech: the voices of babble, crowds and talkers.
        policy: probabilities and ranges.
        n_samples: length of a mixture.
        cache: see `WaveformCache`.
    """

    def __init__(
        self, pool: Pool, speech: SpeechPool, policy: AugmentationPolicy, n_samples: int, cache: Path | None
    ) -> None:
        self.speech, self.policy, self.rate, self.n_samples = speech, policy, speech.rate, n_samples
        self.recordings = WaveformCache(Path(pool.noise_root), pool.noise, speech.rate, cache)

    def draw(self, rng: np.random.Generator, augment: bool) -> list[str]:
        """Names of the noises of a mixture, as `wave` takes them; without `augment`, one recorded noise."""
        policy, recorded = self.policy, self._draw_recorded(rng)
        kind = policy.noise_kind(rng.random()) if augment else "recorded"
        if kind == "recorded":
            return [recorded]
        if kind == CROWD and rng.random() < 0.5:
            return [CROWD, recorded]
        if kind != "several":
            return {"none": [], "synthetic": [SYNTHETIC]}.get(kind, [kind])
        kinds = ("coloured", SYNTHETIC, "babble", self._draw_recorded(rng))
        noises = [recorded, str(rng.choice(kinds, p=policy.second_noise_probabilities()))]
        if rng.random() < policy.third_noise_probability:
            noises.append(self._draw_recorded(rng))
        return noises

    def kind(self, name: str) -> str:
        """What a name stands for: the folder of a recorded noise, otherwise the name itself."""
        return self.recordings.names[self._number(name)].split("/")[0] if name.startswith("noise/") else name

    def wave(self, name: str, rng: np.random.Generator, augment: bool) -> FloatArray:
        """The wave of a noise; with `augment`, a recorded noise may have another speed and a changing level."""
        policy = self.policy
        if name in (CROWD, TALKERS):
            n_voices = scenes.draw_crowd_size(rng) if name == CROWD else int(rng.integers(1, 3))
            scene = scenes.crowd if name == CROWD else scenes.talkers
            return scene([self.speech.piece(rng)[0] for _ in range(n_voices)], self.rate, rng)
        if name == MUSIC:
            return scenes.music(self.n_samples, self.rate, rng)
        if name == "babble":
            low, high = policy.babble_voices
            voices = [self.speech.piece(rng)[0] for _ in range(rng.integers(low, high + 1))]
            attenuation_db = [
                levels.active_level_db(voice, self.rate) + rng.uniform(*policy.babble_attenuation_range_db)
                for voice in voices
            ]
            wave = sum(v * np.float32(10 ** (-level / 20)) for v, level in zip(voices, attenuation_db, strict=True))
            return np.asarray(wave, dtype=np.float32)
        if name == SYNTHETIC:
            return synthetic_noise(self.n_samples, self.rate, rng)
        wave = self.recordings[self._number(name)]
        if augment and rng.random() < policy.noise_speed_probability:
            longest = self.n_samples * 2
            if len(wave) > longest:
                wave = mix.audible_segment(wave, longest, rng)
            wave = change_speed(wave, rng.uniform(*policy.noise_speed_range))
        if augment and rng.random() < policy.noise_gain_probability:
            knots = np.arange(0, len(wave) + self.rate, int(policy.noise_gain_step_s * self.rate))
            gain_db = rng.uniform(*policy.noise_gain_range_db, len(knots))
            gain = np.interp(np.arange(len(wave)), knots, 10 ** (gain_db / 20))
            wave = np.asarray(wave * gain, dtype=np.float32)
        return wave

    def _draw_recorded(self, rng: np.random.Generator) -> str:
        return f"noise/{rng.integers(len(self.recordings))}"

    @staticmethod
    def _number(name: str) -> int:
        return int(name.split("/")[1])
