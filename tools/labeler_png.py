"""Writes docs/labeler.png, a screenshot of the labelling page with recordings made from the sample clips.

Needs the packages of requirements-dev.txt and Chromium. Run `python tools/labeler_png.py` in the root folder.
"""

import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from clearmel.audio import sound_file
from clearmel.labeler.routes import create_app
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile

ROOT = Path(__file__).parents[1]
RATE = 16000
LABELLED = 5


def make(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Writes twelve recordings of sample clips with pauses; returns the pauses by name."""
    rng = np.random.default_rng(3)
    clips = [sound_file.read(path, RATE)[0] for path in sorted((ROOT / "data/speech").rglob("*.flac"))]
    pauses: dict[str, list[tuple[float, float]]] = {}
    for number in range(12):
        parts: list[np.ndarray] = []
        spans, place = [], 0.0
        for clip in (clips[k] for k in rng.permutation(len(clips))[:14]):
            pause = rng.normal(0, 0.002, int(RATE * rng.uniform(0.3, 1.4)))
            parts += [clip, pause]
            start_s, place = place + len(clip) / RATE, place + (len(clip) + len(pause)) / RATE
            spans.append((start_s + 0.08, place - 0.08))
        name = f"interview/part_{number + 1}.flac"
        pauses[name] = spans
        sound_file.write(folder / name, np.concatenate(parts).astype(np.float32), RATE, "PCM_16")
    return pauses


def main() -> None:
    """Serves the page, labels most pauses, and takes the screenshot."""
    folder = Path(tempfile.mkdtemp())
    pauses = make(folder)
    recordings = Folder(folder)
    store = LabelFile(folder / "labels.json", recordings.names)
    for name in recordings.names[:LABELLED]:
        duration_s = sound_file.inspect(folder / name).duration_s
        store.save(name, pauses[name][: 3 if name == recordings.names[LABELLED - 1] else None], duration_s, "")
    server = make_server("127.0.0.1", 0, create_app(recordings, store), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as driver:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"http://127.0.0.1:{server.server_port}/#{recordings.names[LABELLED - 1].replace('/', '%2F')}")
        page.wait_for_selector("html[data-ready=true]")
        box = page.locator("#wave").bounding_box()
        page.keyboard.press("+")
        for _ in range(5):
            page.keyboard.press("Alt+ArrowRight")
        page.mouse.move(box["x"] + box["width"] * 0.62, box["y"] + 60)
        page.keyboard.down("Shift")
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.71, box["y"] + 60, steps=5)
        page.mouse.up()
        page.keyboard.up("Shift")
        page.wait_for_timeout(2500)
        page.screenshot(path=str(ROOT / "docs/labeler.png"))
        browser.close()
    server.shutdown()
    server.server_close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
