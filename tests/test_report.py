import base64
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile as sf

from src import report
from src.features import MelFeatures

HOSTILE = "a/<script>alert('1')</script>\"'&</main> 🎧.wav"


def entry(name: str = "a.wav", loud: float = 0.5, **scores: float) -> report.Entry:
    rng = np.random.default_rng(0)
    waves = {side: rng.uniform(-loud, loud, 8000).astype(np.float32) for side in ("noisy", "denoised", "clean")}
    return report.Entry(name, waves, scores)


def page(*entries: report.Entry) -> str:
    report.write(Path("page.html"), "Title & <more>", entries, MelFeatures())
    return Path("page.html").read_text(encoding="utf-8")


def data(text: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def sounds(text: str) -> list[np.ndarray]:
    found = re.findall(r'<script type="application/octet-stream">(.*?)</script>', text)
    return [sf.read(io.BytesIO(base64.b64decode(sound)))[0] for sound in found]


def test_nothing_comes_from_outside() -> None:
    text = page(entry())
    assert not re.findall(r"https?://|@import|<link|src=\"(?!data:)", text)
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


def test_the_spectrograms_have_a_column_for_each_frame_and_a_row_for_each_band() -> None:
    images = re.findall(r"data:image/png;base64,([^\"]+)", page(entry()))
    shapes = {matplotlib.image.imread(io.BytesIO(base64.b64decode(image))).shape[:2] for image in images}
    assert shapes == {(80, 32)}
    assert len(images) == 3


def test_a_hostile_name_is_only_a_name() -> None:
    text = page(entry(HOSTILE, pesq_noisy=1.0))
    assert "<script>alert" not in text
    assert data(text)["rows"][0]["name"] == HOSTILE
    assert text.count("</main>") == 1


def test_what_is_not_defined_is_null_and_left_out_of_the_mean() -> None:
    found = data(page(entry(pesq_noisy=1.0), entry(pesq_noisy=math.nan), entry(pesq_noisy=2.0)))
    assert [row["scores"]["pesq_noisy"] for row in found["rows"]] == [1.0, None, 2.0]
    assert found["summary"] == {"pesq_noisy": 1.5}


def test_a_page_that_fails_midway_leaves_what_was_there() -> None:
    before = page(entry())

    def failing() -> Iterator[report.Entry]:
        yield entry("b.wav")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        report.write(Path("page.html"), "t", failing(), MelFeatures())
    assert Path("page.html").read_text(encoding="utf-8") == before
    assert [path.name for path in Path().iterdir()] == ["page.html"]
