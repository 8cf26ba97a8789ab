"""Writes one self-contained HTML file with players, spectrograms and scores of an evaluation."""

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

from clearmel.audio.features import DECIBELS_PER_UNIT, MelFeatures
from clearmel.audio.mel_scale import hz_to_mel
from clearmel.core.file_io import FloatArray, replacing

RANGE_DB = 80
"""Range of the spectrograms below the loudest point of an item."""
MAX_COLUMNS = 4000
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)
TICKS_S = tuple(digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5))


@dataclass(frozen=True)
class Entry:
    """One item of an evaluation.

    Args:
        name: any text; it is escaped.
        waves: title (such as noisy, denoised, clean): wave (N,) float32 at the features' rate, all of equal length.
        scores: name: score; nan if a score is undefined.
    """

    name: str
    waves: Mapping[str, FloatArray]
    scores: Mapping[str, float]


def write(
    path: Path, title: str, entries: Iterable[Entry], features: MelFeatures, summary: Mapping[str, float] | None = None
) -> None:
    """Writes the page item by item, so that memory use does not depend on their number.

    Args:
        path: of the HTML file.
        title: heading of the page.
        entries: the items.
        features: sample rate, and settings of the spectrograms.
        summary: scores of the complete set; default: the mean of the defined values of each score.

    Raises:
        InputError: the file cannot be written. No partial file remains, nor if `entries` raises.
    """
    head, tail = Path(__file__).with_name("page.html").read_text(encoding="utf-8").split("<!-- items -->")
    rows: list[dict[str, object]] = []
    known: dict[str, list[float]] = {}  # the finite values of each score
    # A file name may hold bytes that are not valid text; they become question marks.
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace") as file:
        file.write(head.replace("{{title}}", html.escape(title)))
        for number, entry in enumerate(entries):
            file.write(_item(number, entry, features))
            rows.append({"name": entry.name, "scores": _defined(entry.scores)})
            for key, value in entry.scores.items():
                known.setdefault(key, []).extend([value] if math.isfinite(value) else [])
        if summary is None:
            summary = {key: sum(values) / len(values) if values else math.nan for key, values in known.items()}
        data = {"sample_rate": features.sample_rate, "rows": rows, "summary": _defined(summary)}
        file.write(tail.replace("{{data}}", _json(data)))


def _defined(scores: Mapping[str, float]) -> dict[str, float | None]:
    """The scores for JSON: None if a score is not finite."""
    return {key: float(value) if math.isfinite(value) else None for key, value in scores.items()}


def _json(data: object) -> str:
    """JSON escaped for a script element."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _item(number: int, entry: Entry, features: MelFeatures) -> str:
    """The HTML of an item with its players and spectrograms."""
    peak = max(float(np.abs(wave).max(initial=0)) for wave in entry.waves.values())
    scale = 1 / peak if peak > 1 else 1.0
    levels = {
        title: (features.mel(torch.from_numpy(wave)) * DECIBELS_PER_UNIT).numpy() for title, wave in entry.waves.items()
    }  # (T, M) in dB
    top_db = max(float(level.max()) for level in levels.values())
    # A column covers half a hop on either side of the centre of its frame.
    hop_s = features.hop_length / features.sample_rate
    n_samples = len(next(iter(entry.waves.values())))
    seconds, span_s = n_samples / features.sample_rate, features.n_frames(n_samples) * hop_s
    step_s = next(step for step in TICKS_S if seconds <= 8 * step)
    times = [k * step_s for k in range(int(seconds / step_s) + 1)]
    low, high, *marks = hz_to_mel(torch.tensor([features.fmin, features.fmax, *TICKS_HZ], dtype=torch.float64)).tolist()
    bands = "".join(
        _tick("bottom", (mark - low) / (high - low), f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz")
        for hz, mark in zip(TICKS_HZ, marks, strict=True)
        if features.fmin <= hz <= features.fmax
    )
    legend = "".join(
        _tick("left", 1 + level / RANGE_DB, f"{level} dB".replace("-", "&minus;")) for level in range(-RANGE_DB, 1, 20)
    )
    parts = [
        f'<section class="item" id="item{number}" tabindex="-1" aria-labelledby="name{number}" data-number="{number}"'
        f' data-seconds="{seconds:.6f}" data-span="{span_s:.6f}" data-start="{hop_s / 2:.6f}">',
        f'<h2 id="name{number}">{html.escape(entry.name)}</h2>',
        f'<p class="note">All players are {20 * math.log10(peak):.1f} dB softer, because a wave exceeds full scale.</p>'
        if scale < 1
        else "",
        '<div class="controls" role="group" aria-label="player"></div><div class="scores"></div>',
        '<div class="position" role="slider" tabindex="0" aria-label="position in seconds">',
    ]
    for title, wave in entry.waves.items():
        parts.append(
            f'<figure data-title="{html.escape(title)}"><figcaption>{html.escape(title)}</figcaption>'
            f'<div class="axis hz" aria-hidden="true">{bands}</div><div class="image">'
            f'<img alt="spectrogram, {html.escape(title)}" src="data:image/png;base64,{_png(levels[title], top_db)}">'
            '<i class="cursor"></i></div>'
            f'<script type="application/octet-stream">{_flac(wave * scale, features.sample_rate)}</script></figure>'
        )
    colours = np.arange(-RANGE_DB, 1, dtype=np.float32).reshape(-1, 1)
    parts.append(
        '<div class="axis time" aria-hidden="true">'
        + "".join(_tick("left", (time + hop_s / 2) / span_s, f"{time:g} s") for time in times)
        + f'</div></div><div class="legend"><div class="image"><img alt="colours, {RANGE_DB} dB from dark to bright"'
        f' src="data:image/png;base64,{_png(colours, 0)}"></div><div class="axis">{legend}</div>'
        "0 dB is the loudest point of the item</div></section>\n"
    )
    return "\n".join(part for part in parts if part)


def _tick(side: str, place: float, text: str) -> str:
    return f'<span style="{side}:{100 * place:.2f}%">{text}</span>'


def _png(level: FloatArray, top_db: float) -> str:
    """Levels (T, M) in dB as a base64 PNG, with `top_db` brightest and the lowest band at the bottom.

    In a long recording each column shows the maximum of several frames. Rounding to 1 dB makes the file a quarter
    smaller.
    """
    from matplotlib import colormaps
    from matplotlib.image import imsave

    step = -(-len(level) // MAX_COLUMNS)
    loudest = np.maximum.reduceat(level, np.arange(0, len(level), step))
    shown = ((loudest - top_db).round() / RANGE_DB + 1).clip(0, 1)
    buffer = io.BytesIO()
    imsave(buffer, (colormaps["magma"](shown.T[::-1])[..., :3] * 255).astype(np.uint8), format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _flac(wave: FloatArray, sample_rate: int) -> str:
    buffer = io.BytesIO()
    sf.write(buffer, wave, sample_rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(buffer.getvalue()).decode()
