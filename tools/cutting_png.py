"""Draws docs/cutting.png: the cuts in the English sample prompts, and a join without and with a cross-fade."""

from pathlib import Path

import matplotlib
import numpy as np

from clearmel.audio import sound_file
from clearmel.audio.splice import FADE_S, Spliced
from clearmel.core.file_io import FloatArray, replacing
from clearmel.inference.cut import Editor
from clearmel.options import CutOptions
from clearmel.reporting import drawing

ROOT = Path(__file__).parents[1]
RATE = 16000
HUM_DB, HISS_DB = -38.0, -85.0
"""Levels re full scale."""


def talk() -> FloatArray:
    """The English prompts with pauses between them, over mains hum, which makes hard joins click most."""
    prompts = [sound_file.read(path, RATE)[0] for path in sorted((ROOT / "data/speech/en").glob("*.flac"))]
    rng = np.random.default_rng(0)
    parts = [part for wave in prompts for part in (wave, np.zeros(int(rng.uniform(0.2, 1.0) * RATE), np.float32))]
    wave = np.concatenate(parts)
    time = np.arange(len(wave)) / RATE
    hum = np.sin(2 * np.pi * 50 * time) + np.sin(2 * np.pi * 150 * time) / 3
    hiss = rng.normal(0, 10 ** (HISS_DB / 20), len(wave))
    return np.asarray(wave + hum * 10 ** (HUM_DB / 20) + hiss, np.float32)


def main() -> None:
    """Writes the picture."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    source = Path("plots/talk.wav")
    sound_file.write(source, talk(), RATE)
    editor = Editor.load("cutter.pth")
    timeline = editor.timeline(source, CutOptions.of_strength(0.5, editor.threshold))
    with Spliced(source, timeline.cuts()) as spliced:
        faded = spliced.read(0, spliced.n_samples)[0]
        places = [part.place for part in spliced.parts[1:]]
    original = talk()
    hard = np.concatenate([original[round(a * RATE) : round(b * RATE)] for a, b in timeline.kept])
    step = max(places, key=lambda place: abs(float(hard[place] - hard[place - 1])))
    figure = plt.figure(figsize=(11, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    axis = figure.add_subplot(grid[0, :])
    drawing.draw_cuts(axis, timeline, 0.0, timeline.duration_s)
    axis.set_title(f"six prompts: {timeline.summary()} (shaded)", fontsize=10)
    axis.set_xlabel("time (s)")
    for column, (title, wave) in enumerate({"hard join": hard, f"cross-fade of {FADE_S * 1000:.0f} ms": faded}.items()):
        axis = figure.add_subplot(grid[1, column])
        piece = wave[step - 800 : step + 800]
        axis.specgram(piece, NFFT=128, Fs=RATE, noverlap=120, cmap="magma", vmin=-140, vmax=-70)
        axis.set(title=title, xlabel="time (s), the join in the middle", ylabel="frequency (Hz)")
    with replacing(ROOT / "docs/cutting.png") as temporary:
        figure.savefig(temporary, format="png", dpi=90)


if __name__ == "__main__":
    main()
