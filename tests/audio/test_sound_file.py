"""Every kind of sound file becomes every other kind, with its rate, channels, length, place in time and level."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from clearmel.audio import sound_file
from tests.sounds import lag, speech

CONTAINERS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3", ".aiff": "AIFF", ".au": "AU", ".caf": "CAF"}
CONTAINERS |= {".w64": "W64", ".rf64": "RF64", ".opus": "OGG"}


def sources() -> list[tuple[str, str, int, int]]:
    """Suffix, sample format, channels and rate of every kind of file that libsndfile writes from 1 or 2 channels."""
    kinds = [(suffix, subtype) for suffix, name in CONTAINERS.items() for subtype in sf.available_subtypes(name)]
    kinds = [(suffix, subtype) for suffix, subtype in kinds if (suffix == ".opus") == (subtype == "OPUS")]
    return [(*kind, *form) for kind in kinds for form in ((1, 8000), (2, 44100), (1, 48000))]


@pytest.mark.parametrize("target", CONTAINERS)
def test_every_kind_of_file_becomes_this_kind(target: str, workplace: Path) -> None:
    tried = 0
    for suffix, subtype, n_channels, rate in sources():
        source, result = Path(f"in{suffix}"), Path(f"out{target}")
        try:  # libsndfile lists kinds that it does not write, or does not read
            sf.write(source, speech(n_channels, rate), rate, subtype=subtype, format=CONTAINERS[suffix])
            before = sf.read(source, always_2d=True)[0]
        except sf.LibsndfileError:
            continue
        tried += 1
        info = sound_file.inspect(source)
        with sound_file.writing(result, info.sample_rate, info.n_channels, info.subtype) as append:
            for block in sound_file.blocks(source, 0.3):
                append(block)
        kind = (suffix, subtype, n_channels, rate, target)
        new, after = sound_file.inspect(result), sf.read(result, always_2d=True)[0]
        new_rate = 48000 if (rate, target) == (44100, ".opus") else rate  # the only rate of Opus (RFC 6716) above it
        assert (new.sample_rate, new.n_channels) == (new_rate, n_channels), kind
        assert abs(len(after) / new_rate - len(before) / rate) <= 1 / rate, kind
        before = np.stack([sound_file.resample(one, rate, new_rate) for one in before.T], axis=1)
        assert lag(before[:, 0], after[:, 0]) == 0, kind
        levels = np.sqrt(np.mean(after**2, axis=0)) / np.sqrt(np.mean(before**2, axis=0))
        assert np.all(np.abs(20 * np.log10(levels)) < 0.5), (*kind, levels)
    assert tried > 60
