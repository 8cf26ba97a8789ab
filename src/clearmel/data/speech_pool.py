"""Clean speech of many speakers, drawn in segments of equal length."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from clearmel.audio import levels, sound_file
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted
from clearmel.data.waveform_cache import WaveformCache


class SpeechPool:
    """Recordings below a folder with one sub-folder per speaker.

    Args:
        root: the folder.
        names: paths of the recordings below it.
        sample_rate: in Hz.
        n_samples: length of a segment.
        min_range_db: recordings whose pauses are not this far below their speech are excluded.
        balance: 0 draws speakers in proportion to the length of their speech, 1 uniformly.
        cache: see `WaveformCache`.

    Raises:
        InputError: a recording cannot be read, or none has quiet enough pauses.
    """

    def __init__(
        self,
        root: Path,
        names: tuple[str, ...],
        sample_rate: int,
        n_samples: int,
        min_range_db: float = 0.0,
        balance: float = 0.0,
        cache: Path | None = None,
    ) -> None:
        self.rate, self.n_samples = sample_rate, n_samples
        self.recordings = WaveformCache(root, names, sample_rate, cache)
        clean = [k for k in range(len(self.recordings)) if self._is_clean(self.recordings[k], min_range_db)]
        if not clean:
            raise InputError(
                f"{quoted(root)}: in no recording do the pauses lie {min_range_db:g} dB below the speech. Give cleaner "
                "speech, or a lower --min_range_db."
            )
        self.clean = np.array(clean)
        self.speakers: dict[str, list[int]] = {}
        for index in clean:
            self.speakers.setdefault(self.speaker(index), []).append(index)
        seconds = self.recordings.seconds()
        total = {speaker: float(seconds[own].sum()) for speaker, own in self.speakers.items()}
        lengths = seconds[self.clean].astype(np.float64)
        share = lengths / np.array([total[self.speaker(k)] for k in clean]) ** balance
        self.seconds, self.share = float(lengths.sum()), share / share.sum()

    def speaker(self, index: int) -> str:
        """Speaker of a recording: the first folder of its path, or the file itself."""
        name = self.recordings.names[index]
        return name.split("/")[0] if "/" in name else name

    def piece(
        self, rng: np.random.Generator, speed: float = 1.0, taken: Collection[str] = (), speaker: str = ""
    ) -> tuple[FloatArray, int]:
        """A segment (n_samples,) that contains speech, and the index of its first recording.

        Short recordings are continued with others of the same speaker.

        Args:
            rng: random generator.
            speed: playback speed, which also shifts the pitch.
            taken: excluded speakers; at least one other speaker must exist.
            speaker: who speaks; drawn by default.
        """
        for _ in range(16):
            first = int(rng.choice(self.speakers[speaker])) if speaker else int(rng.choice(self.clean, p=self.share))
            while self.speaker(first) in taken:
                first = int(rng.choice(self.clean, p=self.share))
            own = self.speakers[self.speaker(first)]
            parts, missing = [change_speed(self.recordings[first], speed)], self.n_samples
            while sum(map(len, parts)) < missing:
                parts.append(np.zeros(int(rng.uniform(0.1, 0.5) * self.rate), np.float32))
                parts.append(change_speed(self.recordings[int(rng.choice(own))], speed))
            wave = np.concatenate(parts)
            start = int(rng.integers(len(wave) - missing + 1))
            piece = wave[start : start + missing]
            if np.isfinite(levels.active_level_db(piece, self.rate)):
                return piece, first
        return np.resize(wave[np.abs(wave).argmax() :], missing), first

    def head(self, rng: np.random.Generator, taken: Collection[str] = ()) -> tuple[FloatArray, int]:
        """The first n_samples of a random recording, and its index.

        Raises:
            InputError: no recording of the other speakers is long enough.
        """
        long = np.diff(self.recordings.starts) >= self.n_samples
        fit = [k for k in self.clean.tolist() if long[k] and self.speaker(k) not in taken]
        if not fit:
            raise InputError(
                f"{quoted(self.recordings.root)}: too few speakers have a recording of {self.n_samples / self.rate:g} "
                "s. Give a shorter --clip_s, or longer recordings."
            )
        first = int(rng.choice(fit))
        return self.recordings[first][: self.n_samples], first

    def _is_clean(self, wave: FloatArray, min_range_db: float) -> bool:
        return levels.dynamic_range_db(wave, self.rate) >= min_range_db and bool(wave.any())


def change_speed(wave: FloatArray, speed: float) -> FloatArray:
    """Plays a wave `speed` times as fast, which also shifts its pitch."""
    if speed == 1.0:
        return wave
    return sound_file.resample(wave, round(16000 * speed), 16000)
