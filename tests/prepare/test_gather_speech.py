"""Recorded speech out of packages: whose it is, and what is left out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from clearmel.audio import sound_file
from tools import gather_speech

RATE = 16000


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """As ktuberling-data is unpacked: words of two languages, one of them band-limited, a damaged and a silent file."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "usr/share/ktuberling/sounds"
    for language, rate, n_words in (("fr", 22050, 6), ("sv", 8000, 3)):
        (folder / language).mkdir(parents=True)
        for number in range(n_words):
            time = np.arange(rate) / rate
            word = rng.normal(0, 0.1, rate) * np.where(time % 0.5 < 0.3, 1, 0.001)
            sf.write(folder / language / f"word{number}.wav", word, rate)
    (folder / "fr/broken.wav").write_bytes(b"RIFF")
    sf.write(folder / "fr/silence.wav", np.zeros(22050), 22050)
    (folder / "README").write_text("no sound")
    return tmp_path


def test_short_words_are_joined_and_what_cannot_be_used_is_left_out(package: Path, tmp_path: Path) -> None:
    source = next(source for source in gather_speech.SOURCES if source.name == "ktuberling-data")
    found = gather_speech.speakers(source, package)
    assert {who: len(paths) for who, paths in found.items()} == {"fr": 8, "sv": 3}
    out = tmp_path / "out"
    assert gather_speech.write(out / "fr", found["fr"], 20) == pytest.approx(6, abs=0.01)
    assert [sound_file.inspect(path).n_samples / RATE for path in sorted(out.rglob("*.flac"))] == pytest.approx(
        [4, 2], abs=0.01
    )
    assert gather_speech.write(out / "sv", found["sv"], 20) == 0
    assert gather_speech.write(out / "clean", found["fr"], 90) == 0
    assert [path.name for path in out.iterdir()] == ["fr"]


@pytest.mark.parametrize(
    ("package", "path", "who"),
    [
        ("fillets-ng-data-nl", "usr/share/games/fillets-ng/sound/city/nl/vit-m-jak.ogg", "m"),
        ("fillets-ng-data-nl", "usr/share/games/fillets-ng/sound/share/borejokes/nl/x-m-1.ogg", None),
        ("klettres-data", "usr/share/klettres/pt_BR/alpha/a.ogg", "pt_BR"),
        ("tuxpaint-stamps-default", "usr/share/tuxpaint/stamps/animals/birds/duck_desc_el.ogg", "el"),
        ("tuxpaint-stamps-default", "usr/share/tuxpaint/stamps/animals/birds/duck.ogg", None),
        ("GCompris-voices", "pt_BR/words/aranha.ogg", "pt_BR"),
        ("GCompris-voices", "fi/misc/welcome.ogg", None),
        ("dataset-voice-kathleen", "data/arctic_b0539_1592524722.wav", "b"),
    ],
)
def test_whose_voice_a_file_holds(package: str, path: str, who: str | None, tmp_path: Path) -> None:
    source = next(source for source in gather_speech.SOURCES if source.name == package)
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    assert list(gather_speech.speakers(source, tmp_path)) == ([who] if who else [])
