"""A page to listen to an evaluation: one HTML file with players, spectrograms and figures, and nothing from outside."""

import base64
import html
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from src.features import DECIBELS_PER_UNIT, MelFeatures, hz_to_mel
from src.files import FloatArray, replacing

RANGE_DB = 80
"""What the spectrograms show below the loudest point of an item."""
MAX_COLUMNS = 2000
TICKS_HZ = (250, 1000, 4000)


@dataclass(frozen=True)
class Entry:
    """One item: waves (N,) by title at the features' rate, all of one length, and its figures (nan: not defined)."""

    name: str
    waves: Mapping[str, FloatArray]
    scores: Mapping[str, float]


def write(
    path: Path, title: str, entries: Iterable[Entry], features: MelFeatures, summary: Mapping[str, float] | None = None
) -> None:
    """Writes the page, item by item, so that memory does not grow with their number.

    Args:
        path: of the HTML file.
        title: its heading.
        entries: the items.
        features: their sample rate, and what the spectrograms show.
        summary: figures of the whole set; default: the mean of each figure where it is defined.

    Raises:
        InputError: the file cannot be written. Nothing is left behind then, nor if `entries` fails.
    """
    head, tail = Path(__file__).with_name("page.html").read_text(encoding="utf-8").split("<!-- items -->")
    rows: list[dict[str, object]] = []
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(head.replace("{{title}}", html.escape(title)))
        for number, entry in enumerate(entries):
            file.write(_item(number, entry, features))
            scores = {key: value if math.isfinite(value) else None for key, value in entry.scores.items()}
            rows.append({"name": entry.name, "scores": scores})
        data = {"rows": rows, "summary": dict(summary or _means(rows))}
        file.write(tail.replace("{{data}}", _json(data)))


def _means(rows: list[dict[str, object]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row["scores"].items():  # type: ignore[attr-defined]
            if value is not None:
                found.setdefault(key, []).append(value)
    return {key: sum(values) / len(values) for key, values in found.items()}


def _json(data: object) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _item(number: int, entry: Entry, features: MelFeatures) -> str:
    """The HTML of an item: its sounds and spectrograms by title."""
    peak = max(float(np.abs(wave).max(initial=0)) for wave in entry.waves.values())
    scale = 1 / peak if peak > 1 else 1.0
    mels = {title: features.mel(torch.from_numpy(wave)).numpy() for title, wave in entry.waves.items()}
    top_db = max(float(mel.max()) for mel in mels.values()) * DECIBELS_PER_UNIT
    seconds = len(next(iter(entry.waves.values()))) / features.sample_rate
    low, high = hz_to_mel(torch.tensor([features.fmin, features.fmax], dtype=torch.float64)).tolist()
    ticks = "".join(
        f'<span style="bottom:{100 * (float(hz_to_mel(torch.tensor(float(hz)))) - low) / (high - low):.1f}%">'
        f"{hz if hz < 1000 else f'{hz // 1000}k'}</span>"
        for hz in TICKS_HZ
        if features.fmin < hz < features.fmax
    )
    parts = [
        f'<section class="item" id="item{number}" data-number="{number}" data-seconds="{seconds:.4f}">',
        f"<h2>{html.escape(entry.name)}</h2>",
        f'<p class="note">Played {20 * math.log10(peak):.1f} dB softer, all alike: a wave goes beyond full scale.</p>'
        if scale < 1
        else "",
        '<div class="controls"></div><div class="scores"></div>',
    ]
    for title, wave in entry.waves.items():
        parts.append(
            f'<figure data-title="{html.escape(title)}"><figcaption>{html.escape(title)}</figcaption>'
            f'<div class="axis" aria-hidden="true">{ticks}</div><div class="image" tabindex="-1">'
            f'<img alt="spectrogram, {html.escape(title)}" src="data:image/png;base64,'
            f'{_png(mels[title], top_db)}"><i class="cursor"></i></div>'
            f'<script type="application/octet-stream">{_flac(wave * scale, features.sample_rate)}</script></figure>'
        )
    parts.append(f'<p class="legend">{RANGE_DB} dB from dark to bright; Hz; {seconds:.1f} s</p></section>\n')
    return "\n".join(part for part in parts if part)


def _png(mel: FloatArray, top_db: float) -> str:
    """A log-mel (T, M) as a PNG in base64, lowest band at the bottom."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    step = -(-len(mel) // MAX_COLUMNS)
    shown = ((mel[::step].T[::-1] * DECIBELS_PER_UNIT - top_db) / RANGE_DB + 1).clip(0, 1)
    buffer = io.BytesIO()
    imsave(buffer, (colormaps["magma"](shown)[..., :3] * 255).astype(np.uint8), format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _flac(wave: FloatArray, sample_rate: int) -> str:
    buffer = io.BytesIO()
    sf.write(buffer, wave, sample_rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(buffer.getvalue()).decode()
