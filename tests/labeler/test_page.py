"""The labelling page in a real browser: headless Chromium, driven by Playwright."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from werkzeug.serving import make_server

from clearmel.audio import sound_file
from clearmel.labeler.routes import create_app
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile
from clearmel.web.serve import QuietHandler
from tests.browsers import chromium, playwright

RATE = 16000
FIRST, SECOND = "a_1.wav", "b_2.wav"
SECONDS = 6.0


browser = pytest.fixture(scope="module")(chromium)


@pytest.fixture
def clips(workplace: Path, rng: np.random.Generator) -> Path:
    """Two recordings of 6 s: a second of noise, a second of silence, and so on."""
    on = np.repeat([1, 0, 1, 0, 1, 0], RATE)
    for name in (FIRST, SECOND):
        wave = (rng.normal(0, 0.1, len(on)) * on).astype(np.float32)
        sound_file.write(workplace / "clips" / name, wave, RATE, "PCM_16")
    return workplace / "clips"


@pytest.fixture
def serve(workplace: Path) -> Iterator[Callable[..., str]]:
    """Serves a folder; gives the address."""
    servers = []

    def start(folder: Path, **more: object) -> str:
        recordings = Folder(folder)
        app = create_app(recordings, LabelFile(workplace / "labels.json", recordings.names), **more)
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


class Tab:
    """A tab of the page, and what goes wrong in it."""

    def __init__(self, context: "playwright.BrowserContext", address: str) -> None:
        self.page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text) if "Content Security" in line.text else None)
        self.address = address
        self.load()

    def wait(self, expression: str) -> None:
        """Playwright's own wait_for_function needs eval, which the page forbids."""
        for _ in range(400):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"never true: {expression}")

    def load(self) -> None:
        """Opens the page; later on, reloads it."""
        if self.page.url.startswith(self.address):
            self.page.reload()
        else:
            self.page.goto(self.address)
        self.page.wait_for_selector("html[data-ready=true]")
        self.wait("!document.querySelector('#saved').textContent.includes('…')")

    def x(self, time_s: float) -> float:
        """Where a time lies while the whole recording is shown."""
        box = self.page.locator("#wave").bounding_box()
        return box["x"] + box["width"] * time_s / SECONDS

    def drag(self, start_s: float, end_s: float, *, button: str = "left", lane: str = "#wave") -> None:
        box = self.page.locator(lane).bounding_box()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(self.x(start_s), y)
        self.page.mouse.down(button=button)
        self.page.mouse.move(self.x((start_s + end_s) / 2), y)
        self.page.mouse.move(self.x(end_s), y)
        self.page.mouse.up(button=button)

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self) -> None:
        self.wait("document.querySelector('#saved').textContent === 'Saved'")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def clock(self) -> float:
        minutes, seconds = self.text("#clock").strip().split(":")
        return 60 * int(minutes) + float(seconds)

    def playing(self) -> bool:
        return self.text("#play") == "Pause"

    def wait_for_sound(self) -> None:
        """Waits until the player has played sound."""
        self.wait("document.querySelector('audio').currentTime > 0.05 && !document.querySelector('audio').paused")


@pytest.fixture
def open_tab(browser: "playwright.Browser") -> Iterator[Callable[[str], Tab]]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(8000)
    tabs: list[Tab] = []

    def start(address: str) -> Tab:
        tabs.append(Tab(context, address))
        return tabs[-1]

    yield start
    context.close()
    assert [error for tab in tabs for error in tab.errors] == []


@pytest.fixture
def tab(clips: Path, serve: Callable[..., str], open_tab: Callable[[str], Tab]) -> Tab:
    return open_tab(serve(clips))


def stored(name: str = FIRST) -> list[list[float]]:
    return json.loads(Path("labels.json").read_text())["files"][name]["remove"]


def near(*spans: tuple[float, float]) -> list[object]:
    """Within two pixels of the page."""
    return [pytest.approx(span, abs=0.015) for span in spans]


def test_it_opens_with_files_pictures_and_nothing_labelled(tab: Tab) -> None:
    assert tab.text("#name") == FIRST
    assert tab.text("#counted") == "0 of 2 labelled"
    assert tab.text("#summary") == "Kept 0:06.00 of 0:06.00, 0 cuts"
    seen = "(id) => new Set(document.getElementById(id).getContext('2d').getImageData(0, 0, 1000, 60).data).size"
    for lane in ("wave", "mel", "overview"):
        tab.wait(f"({seen})('{lane}') > 3")
    assert not Path("labels.json").exists()


def test_drags_remove_keep_and_move_edges_and_all_is_saved(tab: Tab) -> None:
    tab.drag(1, 2)
    tab.drag(5, 3, lane="#mel")
    tab.drag(3.5, 4, button="right", lane="#strip")
    tab.saved()
    assert stored() == near((1, 2), (3, 3.5), (4, 5))
    tab.drag(2, 2.5)  # the edge
    tab.drag(4, 3.2)  # over the cut before, which it swallows
    tab.saved()
    assert stored() == near((1, 2.5), (3, 5))
    assert tab.text("#counted") == "1 of 2 labelled"
    tab.load()
    assert tab.text("#summary") == "Kept 0:02.50 of 0:06.00, 2 cuts"


def test_all_can_be_done_by_keys(tab: Tab) -> None:
    tab.keys("Home", *["ArrowRight"] * 50)
    assert tab.clock() == pytest.approx(3)
    tab.keys(*["Shift+ArrowRight"] * 10, "r")
    tab.saved()
    assert stored() == near((3.0, 3.6))
    tab.keys("Home", ".", "Shift+ArrowLeft", "k")  # selects the cut, and a piece of it
    tab.keys("Home", "i", "Alt+ArrowRight", "o", "r")
    tab.saved()
    assert stored()[0] == pytest.approx([0, 0.6])
    tab.keys("z", "z", "z")
    tab.saved()
    assert stored() == []
    tab.keys("Shift+Z", "Control+Shift+z", "z")
    tab.saved()
    assert stored() == near((3.0, 3.6))
    tab.keys("n")
    tab.wait(f"document.querySelector('#name').textContent === '{SECOND}'")
    tab.keys("Enter")
    tab.saved()
    assert stored(SECOND) == []
    assert tab.text("#counted") == "2 of 2 labelled"
    tab.keys("p")
    tab.wait(f"document.querySelector('#name').textContent === '{FIRST}'")
    tab.keys("z")  # what was done before is still there
    tab.saved()
    assert stored() == []
    tab.keys("?")
    assert tab.page.locator("#keys").is_visible()
    tab.keys("r", "Escape")
    assert not tab.page.locator("#keys").is_visible()
    tab.keys("/")
    tab.page.keyboard.type("b_")
    assert tab.page.locator("#files li:visible").count() == 1
    tab.keys("Enter")
    tab.wait(f"document.querySelector('#name').textContent === '{SECOND}'")


def test_it_plays_from_a_click_a_selection_and_at_other_speeds(tab: Tab) -> None:
    tab.page.mouse.click(tab.x(4), 250)
    tab.wait_for_sound()
    assert tab.playing()
    assert tab.clock() >= 4
    tab.keys("Space")
    assert not tab.playing()
    assert not Path("labels.json").exists()
    tab.keys("Home", "Shift+Alt+ArrowRight", "5")
    assert tab.page.evaluate("document.querySelector('audio').playbackRate") == 2
    tab.keys("a")
    tab.wait("document.querySelector('#play').textContent === 'Play'")
    assert tab.clock() == pytest.approx(0.6)


def test_the_preview_skips_what_is_removed(tab: Tab) -> None:
    tab.drag(0.2, 5.8)
    tab.saved()
    tab.keys("Home", "v")
    tab.wait("document.querySelector('#play').textContent === 'Play' && document.querySelector('audio').ended")
    assert tab.page.evaluate("document.querySelector('audio').duration") == pytest.approx(0.4, abs=0.03)
    assert tab.clock() == pytest.approx(SECONDS)


def test_zoom_and_scroll_keep_the_time_scale(tab: Tab) -> None:
    tab.page.mouse.move(tab.x(3), 250)
    tab.page.keyboard.down("Control")
    for _ in range(3):
        tab.page.mouse.wheel(0, -139)  # half the span, about
    tab.page.keyboard.up("Control")
    tab.drag(3, 3.8)  # in pixels of the whole view: an eighth of that now
    tab.saved()
    ((start_s, end_s),) = stored()
    assert start_s == pytest.approx(3, abs=0.02)
    assert end_s == pytest.approx(3.1, abs=0.03)
    tab.page.mouse.move(tab.x(0.1), 250)
    tab.page.mouse.wheel(-5000, 0)
    tab.page.mouse.wheel(-5000, 0)
    for _ in range(20):
        tab.page.mouse.wheel(-600, 0)
    tab.keys("0")
    tab.drag(0, 0.5)
    tab.saved()
    assert stored()[0] == pytest.approx([0, 0.5], abs=0.02)


def test_of_two_tabs_the_stale_one_is_told_and_loses_nothing(
    clips: Path, tab: Tab, open_tab: Callable[[str], Tab]
) -> None:
    other = open_tab(tab.address)
    other.drag(1, 2)
    other.saved()
    tab.drag(3, 4)
    tab.page.locator("#conflict").wait_for()
    assert "Nothing was overwritten" in tab.text("#conflict-text")
    assert stored() == near((1, 2))
    tab.page.click("#overwrite")
    tab.saved()
    assert stored() == near((3, 4))
    other.drag(4.5, 5)
    other.page.locator("#conflict").wait_for()
    other.page.click("#take")
    assert other.text("#summary") == "Kept 0:05.00 of 0:06.00, 1 cut"
    assert not other.page.locator("#conflict").is_visible()
    other.keys("z")  # back to its own marks, now made from what is stored
    other.saved()
    assert stored() == near((1, 2), (4.5, 5))


def test_marks_made_while_the_server_is_away_are_saved_when_it_is_back(tab: Tab) -> None:
    tab.page.route("**/api/labels", lambda route: route.abort())
    tab.drag(1, 2)
    tab.wait("document.querySelector('#saved').textContent.includes('does not respond')")
    tab.page.unroute("**/api/labels")
    tab.saved()
    assert stored() == near((1, 2))


def test_a_guess_is_shown_and_saved_only_when_it_is_accepted(
    clips: Path, serve: Callable[..., str], open_tab: Callable[[str], Tab]
) -> None:
    guess = [1.0] * 25 + [0.1] * 25 + [0.6] * 101
    tab = open_tab(serve(clips, predict=lambda path: guess))
    tab.page.locator("#suggested").wait_for()  # also where the model was not ready when the file was opened
    assert tab.text("#summary").endswith("1 cut")
    assert not Path("labels.json").exists()
    tab.keys("Enter")
    tab.saved()
    assert stored() == [[0.98, 1.98]]
    assert not tab.page.locator("#suggested").is_visible()


def test_every_control_has_a_name_and_the_focus_shows(tab: Tab) -> None:
    nameless = """() => [...document.querySelectorAll("button, select, input, progress, [role=slider]")].filter((e) =>
        !(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim())).map((e) => e.outerHTML)"""
    assert tab.page.evaluate(nameless) == []
    tab.page.click("#in")
    assert tab.page.evaluate("document.activeElement.id") == "timeline"  # so that Space plays after a click
    tab.page.focus("#preview")
    tab.keys("Space")
    tab.wait_for_sound()
    assert tab.page.get_attribute("#preview", "aria-pressed") == "true"
    reached = set()
    for _ in range(40):
        tab.keys("Tab")
        outline = tab.page.evaluate(
            "[document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]"
        )
        if outline[0]:
            reached.add(outline[0])
            assert outline[1] != "none", outline
    assert {"filter", "play", "preview", "speed", "timeline", "next", "help"} <= reached


CONTRAST = """() => {
  const part = (v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(part);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = (e) => {
    const colour = getComputedStyle(e).backgroundColor;
    return !/, 0\\)$/.test(colour) ? colour : e.parentElement ? ground(e.parentElement) : "rgb(255, 255, 255)";
  };
  const says = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const shown = (e) => e.checkVisibility() && !e.disabled && !e.closest(".lane") && says(e);
  return [...document.querySelectorAll("body *")].filter(shown).map((e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.outerHTML.slice(0, 90)];
  }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (3840, 2160)])
def test_it_is_readable_and_fits_the_screen(tab: Tab, scheme: str, width: int, height: int) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    tab.page.set_viewport_size({"width": width, "height": height})
    tab.drag(1, 2)
    tab.saved()
    assert tab.page.evaluate(CONTRAST) == []
    fits = "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
    assert tab.page.evaluate(fits)
    assert tab.page.locator("#mel").bounding_box()["height"] > height / 5
    bottom = tab.page.locator("#hint").bounding_box()
    assert bottom["y"] + bottom["height"] <= height


def test_the_script_serves_the_page_until_ctrl_c_and_a_kill_loses_nothing_saved(
    clips: Path, workplace: Path, open_tab: Callable[[str], Tab]
) -> None:
    command = [sys.executable, "-m", "clearmel", "label", "clips", "--port=0", "--no_browser"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for number, stop, status in ((1, signal.SIGINT, 0), (2, signal.SIGKILL, -9)):
        # A job that a shell puts into the background ignores Ctrl-C, and so would its children.
        heed = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=heed) as process:
            address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
            tab = open_tab(address)
            tab.drag(number, number + 0.5)
            tab.saved()
            tab.page.close()
            process.send_signal(stop)
            assert process.wait(20) == status
    assert stored() == near((1, 1.5))
    assert stored(SECOND) == near((2, 2.5))  # where it begins, as the first one is labelled
