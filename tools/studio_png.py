"""Writes docs/studio.png, a screenshot of the studio with a recording made from the sample clips.

Needs the packages of requirements-dev.txt and Chromium. Run `python tools/studio_png.py` in the root folder.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from clearmel.audio import sound_file
from clearmel.studio.library import Library
from clearmel.studio.routes import create_app
from clearmel.studio.session import Session
from clearmel.web import serve

ROOT = Path(__file__).parents[1]
RATE = 16000
NOISES = {"cafe interview.wav": "val_market", "harbour.wav": "val_harbour", "rain on the roof.wav": "rain"}


def make(folder: Path) -> list[Path]:
    """Writes recordings of sample clips in noise 8 dB below them."""
    rng = np.random.default_rng(4)
    clips = [sound_file.read(path, RATE)[0] for path in sorted((ROOT / "data/speech/en").rglob("*.flac"))]
    paths = []
    for name, noise_name in NOISES.items():
        pieces = [
            np.concatenate([clips[k], np.zeros(int(RATE * rng.uniform(0.2, 0.9)), np.float32)])
            for k in rng.permutation(len(clips))
        ]
        wave = np.concatenate(pieces)[: 30 * RATE]
        noise = np.resize(sound_file.read(ROOT / f"data/noise/{noise_name}.flac", RATE)[0], len(wave))
        noise *= np.sqrt(np.square(wave).mean() / np.square(noise).mean()) * 10 ** (-8 / 20)
        sound_file.write(folder / name, 0.6 * (wave + noise), RATE, "PCM_16")
        paths.append(folder / name)
    return paths


def until(page: Page, expression: str) -> None:
    """Waits; Playwright's own wait_for_function needs eval, which the page forbids."""
    while not page.evaluate(expression):
        page.wait_for_timeout(100)


def main() -> None:
    """Serves the page, lets two jobs run, and takes the screenshot."""
    folder = Path(tempfile.mkdtemp())
    library = Library(folder / "results", [folder])
    for path in make(folder):
        library.open(str(path))
    address, server = serve.in_background(create_app(Session(library)))
    with sync_playwright() as driver:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--mute-audio"])
        page = browser.new_page(viewport={"width": 1280, "height": 720}, locale="en")
        page.goto(address)
        until(page, "studio.state.file?.draft?.after_lufs != null")
        page.locator("#preset").select_option("cafe")
        for key in ("s", "4", "s", "1"):
            page.keyboard.press(key)
        until(
            page, "studio.shared.now.jobs.length === 2 && studio.shared.now.jobs.every((job) => job.state === 'done')"
        )
        until(page, "studio.state.file.draft.share === 1 && studio.state.file.draft.after_lufs != null")
        page.evaluate("studio.seek(9.2)")
        page.mouse.move(0, 0)
        page.wait_for_timeout(2500)  # the tiles
        page.screenshot(path=str(ROOT / "docs/studio.png"))
        browser.close()
    server.shutdown()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
