import base64
import io
import json
import math
import re
import weakref
from collections.abc import Iterator
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile as sf

from clearmel.audio.features import MelFeatures
from clearmel.reporting import html_report

HOSTILE = "a/<script>alert('1')</script>\"'&</main> 🎧.wav"


def entry(name: str = "a.wav", loud: float = 0.5, **scores: float) -> html_report.Entry:
    rng = np.random.default_rng(0)
    waves = {side: rng.uniform(-loud, loud, 8000).astype(np.float32) for side in ("noisy", "denoised", "clean")}
    return html_report.Entry(name, waves, scores)


def page(*entries: html_report.Entry) -> str:
    html_report.write(Path("page.html"), "Title & <more>", entries, MelFeatures())
    return Path("page.html").read_text(encoding="utf-8")


def data(text: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def sounds(text: str) -> list[np.ndarray]:
    found = re.findall(r'<script type="application/octet-stream">(.*?)</script>', text)
    return [sf.read(io.BytesIO(base64.b64decode(sound)))[0] for sound in found]


def test_nothing_comes_from_outside() -> None:
    text = page(entry())
    assert not re.findall(r"https?://|@import|url\(|<link|src=\"(?!data:)", text)
    assert "Title &amp; &lt;more&gt;" in text


def test_the_sounds_are_the_waves_to_sixteen_bits() -> None:
    item = entry()
    for wave, found in zip(item.waves.values(), sounds(page(item)), strict=True):
        np.testing.assert_allclose(found, wave, atol=1.01 / 32768)


def test_all_sounds_of_an_item_that_goes_beyond_full_scale_are_softer_alike_and_it_says_so() -> None:
    item = entry(loud=2.0)
    peak = max(np.abs(wave).max() for wave in item.waves.values())
    text = page(item)
    for wave, found in zip(item.waves.values(), sounds(text), strict=True):
        np.testing.assert_allclose(found, wave / peak, atol=1.01 / 32768)
    assert f"{20 * math.log10(peak):.1f} dB softer" in text
    assert "softer" not in page(entry())


def pictures(text: str) -> list[np.ndarray]:
    found = re.findall(r'<img alt="spectrogram, [^"]*" src="data:image/png;base64,([^"]+)"', text)
    return [matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)))[..., :3] for picture in found]


def test_the_spectrograms_have_a_column_for_each_frame_and_a_row_for_each_band() -> None:
    assert [picture.shape[:2] for picture in pictures(page(entry()))] == [(80, 32)] * 3


def test_the_spectrogram_of_a_long_sound_is_narrower_and_keeps_a_click() -> None:
    wave = np.zeros(2 * html_report.MAX_COLUMNS * 256, np.float32)
    wave[256 * 1000 + 3] = 0.5
    (picture,) = pictures(page(html_report.Entry("long", {"noisy": wave}, {})))
    columns = picture.sum(axis=(0, 2))
    assert picture.shape[1] == -(-(len(wave) // 256 + 1) // 3) <= html_report.MAX_COLUMNS
    assert columns.argmax() == 1000 // 3
    assert columns[:330].max() == columns[340:].max() == columns.min()


def test_low_tones_stand_low_and_all_spectrograms_of_an_item_share_one_range() -> None:
    time = np.arange(16000, dtype=np.float32) / 16000
    waves = {"noisy": np.sin(6000 * np.pi * time) / 2, "clean": np.sin(600 * np.pi * time) / 200}
    loud, soft = (picture.sum(axis=(1, 2)) for picture in pictures(page(html_report.Entry("tones", waves, {}))))
    assert loud.argmax() < 30
    assert soft.argmax() > 65
    assert soft.max() < 0.8 * loud.max()  # 40 dB below


def test_a_hostile_name_is_only_a_name() -> None:
    text = page(entry(HOSTILE, pesq_noisy=1.0))
    assert "<script>alert" not in text
    assert data(text)["rows"][0]["name"] == HOSTILE
    assert text.count("</main>") == 1


def test_a_file_name_that_is_no_text_does_not_end_the_evaluation() -> None:
    assert data(page(entry("caf\udce9.wav")))["rows"][0]["name"] == "caf?.wav"


def test_what_is_not_defined_is_null_and_left_out_of_the_mean() -> None:
    rows = [{"pesq_noisy": 1.0, "stoi": math.nan}, {"pesq_noisy": math.nan}, {"pesq_noisy": 2.0, "stoi": math.inf}]
    found = data(page(*(entry(**scores) for scores in rows)))
    assert [row["scores"]["pesq_noisy"] for row in found["rows"]] == [1.0, None, 2.0]
    assert found["summary"] == {"pesq_noisy": 1.5, "stoi": None}


def test_a_summary_of_the_caller_stands_as_it_is() -> None:
    html_report.write(Path("page.html"), "t", [entry(a=1.0)], MelFeatures(), {"a": 7.0, "b": math.nan})
    assert data(Path("page.html").read_text(encoding="utf-8"))["summary"] == {"a": 7.0, "b": None}


def test_the_page_plays_at_the_rate_of_the_sounds() -> None:
    html_report.write(Path("page.html"), "t", [entry()], MelFeatures(8000, 512, 128, 40, 20.0, 4000.0))
    text = Path("page.html").read_text(encoding="utf-8")
    assert data(text)["sample_rate"] == 8000
    assert 'data-seconds="1.000000"' in text
    assert "4 kHz" in text
    assert "8 kHz" not in text


def test_a_page_that_fails_midway_leaves_what_was_there() -> None:
    before = page(entry())

    def failing() -> Iterator[html_report.Entry]:
        yield entry("b.wav")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        html_report.write(Path("page.html"), "t", failing(), MelFeatures())
    assert Path("page.html").read_text(encoding="utf-8") == before
    assert [path.name for path in Path().iterdir()] == ["page.html"]


def test_a_first_page_that_fails_leaves_nothing() -> None:
    def failing() -> Iterator[html_report.Entry]:
        yield entry()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        html_report.write(Path("new.html"), "t", failing(), MelFeatures())
    assert list(Path().iterdir()) == []


def test_items_are_written_one_by_one() -> None:
    alive: list[weakref.ref[html_report.Entry]] = []

    def items() -> Iterator[html_report.Entry]:
        for number in range(4):
            assert sum(item() is not None for item in alive) <= 1
            item = entry(f"{number}.wav")
            alive.append(weakref.ref(item))
            yield item
            del item

    html_report.write(Path("page.html"), "t", items(), MelFeatures())
    assert len(alive) == 4
