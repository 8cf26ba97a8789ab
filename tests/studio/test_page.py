"""The studio in a real browser: headless Chromium, driven by Playwright."""

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
import soundfile as sf
from werkzeug.serving import make_server

from clearmel.audio import sound_file
from clearmel.studio.library import Library
from clearmel.studio.routes import create_app
from clearmel.studio.session import Session
from clearmel.web.serve import QuietHandler
from tests.browsers import chromium, playwright, wait
from tests.conftest import ROOT

browser = pytest.fixture(scope="module")(chromium)
RATE = 16000
LATE = 2048
"""Samples by which the clock of an AudioContext and what its analyser gives may differ on a busy machine."""


class Tab:
    """A tab of the page, and what goes wrong in it."""

    def __init__(self, context: "playwright.BrowserContext", address: str) -> None:
        self.page, self.errors = context.new_page(), list[str]()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text) if "Content Security" in line.text else None)
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready=true]")

    def wait(self, expression: str) -> None:
        wait(self.page, expression)

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def played(self) -> "tuple[np.ndarray, int]":
        """The last samples that were played, and the sample at which the page believes to be."""
        found = self.page.evaluate(
            "() => { const { player } = studio, samples = new Float32Array(2048);"
            " player.analyser.getFloatTimeDomainData(samples);"
            " return [[...samples], player.sample]; }"
        )
        return np.array(found[0], np.float32), found[1]

    def settle(self) -> None:
        """Lets it play for as long as a fade, and the samples that `played` gives, last."""
        self.page.wait_for_timeout(300)


@pytest.fixture
def talk(workplace: Path, speech: "object") -> Path:
    """Speech in hiss with pauses, 13 s, of which no two pieces are alike."""
    wave = np.asarray(speech)[0]
    pause = np.zeros(2 * RATE, np.float32)
    joined = np.concatenate([wave, pause, wave, pause, wave])
    hiss = np.random.default_rng(1).normal(0, 0.01, len(joined))
    sound_file.write(workplace / "talk.wav", (joined + hiss).astype(np.float32), RATE, "PCM_16")
    return workplace / "talk.wav"


class Served:
    """A running server."""

    def __init__(self, workplace: Path) -> None:
        self.library = Library(Path("results"), [workplace])
        self.session = Session(self.library)
        self.server = make_server("127.0.0.1", 0, create_app(self.session), True, request_handler=QuietHandler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.session.end()


@pytest.fixture
def served(workplace: Path) -> Iterator[Served]:
    found = Served(workplace)
    yield found
    found.close()


@pytest.fixture
def open_tab(browser: "playwright.Browser") -> Iterator[Callable[[str], Tab]]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    context.set_default_timeout(20000)
    tabs = list[Tab]()

    def start(address: str) -> Tab:
        tabs.append(Tab(context, address))
        return tabs[-1]

    yield start
    context.close()
    assert [error for tab in tabs for error in tab.errors] == []


@pytest.fixture
def tab(talk: Path, served: Served, open_tab: Callable[[str], Tab]) -> Tab:
    """A tab with the talk, whose denoised picture is complete."""
    served.library.open(str(talk))
    made = open_tab(served.address)
    made.wait("studio.state.file?.draft?.share === 1 && studio.state.form !== null")
    return made


def place(piece: np.ndarray, wave: np.ndarray, atol: float = 1e-4) -> int:
    """Where a piece lies in a wave, which must hold it but for rounding."""
    energy = np.concatenate([[0], np.square(wave, dtype=np.float64).cumsum()])
    shared = np.correlate(wave.astype(np.float64), piece.astype(np.float64), "valid")
    found = int((energy[len(piece) :] - energy[: -len(piece)] - 2 * shared).argmin())
    np.testing.assert_allclose(piece, wave[found : found + len(piece)], atol=atol)
    return found


SWITCH = """async (index) => {
    const found = [];
    studio.hear(index);
    for (let k = 0; k < 14; k++) {
        await new Promise((done) => setTimeout(done, 8));
        const samples = new Float32Array(2048);
        studio.player.analyser.getFloatTimeDomainData(samples);
        found.push([studio.player.sample, [...samples]]);
    }
    return found;
}"""
"""What is played around a switch: pieces of 2048 samples, each with the sample that the page believes to play."""


def switched(pieces: "list[tuple[int, list[float]]]", old: np.ndarray, new: np.ndarray) -> bool:
    """Whether a piece begins with samples of one wave and ends with those that follow in the other one."""
    for sample, given in pieces:
        piece, first = np.array(given), max(0, sample - 2048 - LATE)
        for here in range(first, min(len(old) - 2048, sample + LATE)):
            begin, end = old[here : here + 512], new[here + 1536 : here + 2048]
            if np.abs(piece[:512] - begin).max() < 1e-4 and np.abs(piece[1536:] - end).max() < 1e-4:
                return True
    return False


def test_a_and_b_and_the_difference_play_at_the_same_sample(tab: Tab, served: Served, talk: Path) -> None:
    before = sf.read(talk, dtype="float64")[0]
    after = sf.read(served.session.drafts.get("r1").path, dtype="float64")[0]
    waves = [before, after, before - after]
    tab.keys("a", "Space")
    tab.wait("studio.player.playing && studio.player.sample > 4000")
    for old, new in ((0, 1), (1, 2), (2, 0), (0, 2), (2, 1)):
        for _ in range(5):  # a busy machine may read too late
            tab.page.evaluate(f"studio.hear({old}); studio.seek(1)")
            tab.wait("studio.player.playing && studio.player.sample > 20000")
            if found := switched(tab.page.evaluate(SWITCH, new), waves[old], waves[new]):
                break
        assert found, (old, new)
    tab.keys("l")
    start, end = tab.page.evaluate("studio.player.loop")
    assert end - start == 3 * RATE
    tab.page.evaluate(f"studio.seek({end / RATE - 0.2})")
    tab.wait(f"studio.player.playing && studio.player.first === {start}")
    tab.keys("Escape", "x")
    assert tab.page.evaluate("studio.player.gains") == {"before": 1, "after": 0}
    tab.keys("Space")
    tab.wait("!studio.player.playing")
    assert tab.text("#play") == "Play"


def test_a_change_of_strength_is_audible_while_it_plays_and_seen_in_a_second_tab(
    tab: Tab, served: Served, talk: Path, open_tab: Callable[[str], Tab]
) -> None:
    second = open_tab(served.address)
    second.wait("studio.state.file !== null")
    before = sf.read(talk, dtype="float32")[0]
    tab.keys("b", "Space")
    tab.wait("studio.player.playing && studio.player.sample > 3000")
    tab.page.locator("#strength").fill("0")
    tab.wait("studio.shared.now.files[0].settings.strength === 0")
    for _ in range(20):
        tab.settle()
        piece, _ = tab.played()
        shown = place(piece, before, atol=1) + len(piece)
        if np.abs(piece - before[shown - len(piece) : shown]).max() < 2e-3:
            break
    np.testing.assert_allclose(piece, before[shown - len(piece) : shown], atol=2e-3)
    assert tab.page.evaluate("studio.player.playing")
    second.wait("document.querySelector('#strength').value === '0'")
    assert second.text("#strength-text") == "0 %"
    assert "--strength 0" in second.text("#command code")
    second.page.locator("#preset").select_option("tape")
    tab.wait("document.querySelector('#preset').value === 'tape'")
    assert tab.page.locator("#limit").input_value() == "12"
    tab.page.reload()
    tab.page.wait_for_selector("html[data-ready=true]")
    tab.wait("document.querySelector('#preset').value === 'tape'")


def test_pauses_are_found_cut_played_and_saved(tab: Tab, served: Served, talk: Path) -> None:
    tab.keys("2")
    tab.page.locator("#find-cuts").click()
    tab.wait("studio.state.cuts?.length > 0")
    gentle = tab.text("#cut-summary")
    assert re.fullmatch(r"Kept 0:\d\d\.\d\d of 0:1\d\.\d\d, [12] cuts", gentle)
    tab.keys(*["]"] * 10)
    tab.wait(f"document.querySelector('#cut-summary').textContent !== {json.dumps(gentle)}")
    assert tab.text("#cut-strength-text") == "1.00"
    tab.page.get_by_label("edl").check()
    tab.wait("studio.shared.now.files[0].settings.timelines.includes('edl')")
    tab.keys("s")
    tab.wait("studio.shared.now.jobs.at(-1)?.task === 'cut' && studio.shared.now.jobs.at(-1).state === 'done'")
    result = sf.read("results/talk_cut.wav", dtype="float32")[0]
    assert Path("results/talk_cut.edl").read_text().startswith("TITLE")
    tab.keys("Home", "b", "Space")
    tab.wait("studio.player.playing && studio.player.sample > 60000")  # beyond the first join
    piece, shown = tab.played()
    assert abs(place(piece, result) + len(piece) - shown) <= LATE
    cut_s = tab.page.evaluate("studio.state.cuts[0][1] - studio.state.cuts[0][0]")
    position, here = tab.page.evaluate("[studio.position, studio.player.position]")
    assert position - here == pytest.approx(cut_s, abs=0.1)
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name="talk_cut.wav").click()
    assert Path(download.value.path()).read_bytes() == Path("results/talk_cut.wav").read_bytes()


def test_voices_are_soloed_and_muted_and_classes_listed(tab: Tab, served: Served) -> None:
    tab.keys("3")
    tab.page.locator("#panel-separate input").fill("1")
    tab.page.locator("#save-separate").click()
    tab.wait("studio.state.file.n_voices === 2")
    tab.page.get_by_role("button", name="Solo Voice 2").click()
    assert tab.page.evaluate("studio.player.gains") == {"before": 0, "voice_1": 0, "voice_2": 1}
    tab.page.get_by_role("button", name="Solo Voice 2").click()
    tab.page.get_by_role("button", name="Mute Voice 1").click()
    assert tab.page.evaluate("studio.player.gains") == {"before": 0, "voice_1": 0, "voice_2": 1}
    second = sf.read("results/talk_voices/voice_2.wav", dtype="float32")[0]
    tab.page.locator("#timeline").focus()
    tab.keys("Space")
    tab.wait("studio.player.playing && studio.player.sample > 4000")
    piece, shown = tab.played()
    assert abs(place(piece, second) + len(piece) - shown) <= LATE
    tab.keys("4")
    tab.page.locator("#classifier").select_option("noise_presence")
    tab.page.locator("#save-classify").click()
    tab.wait("studio.state.classes?.length > 1")
    assert tab.text("#class-summary").startswith("Most probable: ")
    assert Path("results/talk_classes.csv").is_file()


def test_a_drop_copies_and_opens_and_a_bad_file_is_named(served: Served, open_tab: Callable[[str], Tab]) -> None:
    tab = open_tab(served.address)
    assert tab.page.locator("#empty").is_visible()
    drop = """([name, data]) => {
        const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0)), transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }"""
    import base64

    data = base64.b64encode((ROOT / "data/noisy.wav").read_bytes()).decode()
    tab.page.evaluate(drop, ["cafe <b>1</b>.wav", data])
    tab.wait("studio.state.form !== null")
    assert tab.text("#name") == "cafe _b_1_.wav" or "b_" in tab.text("#name")
    assert len(list(Path("results/uploads").glob("*.wav"))) == 1
    tab.page.evaluate(drop, ["text.wav", base64.b64encode(b"no sound").decode()])
    tab.wait("!document.querySelector('#trouble').hidden")
    assert "text.wav" in tab.text("#trouble")
    tab.page.locator("#path").fill("/etc/passwd")
    tab.keys("Enter")
    tab.wait("document.querySelector('#trouble').textContent.includes('/etc/passwd lies outside')")
    tab.page.get_by_role("button", name=re.compile("^Close ")).click()
    tab.wait("studio.state.file === null")
    assert tab.page.locator("#empty").is_visible()
    assert len(list(Path("results/uploads").glob("*.wav"))) == 1


CONTRAST = """() => {
    const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
    const luminance = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const ground = (one) => {
        for (let at = one; at; at = at.parentElement) {
            const found = rgb(getComputedStyle(at).backgroundColor);
            if (found.length === 3 || found[3] > 0.99) return found;
        }
        return [255, 255, 255];
    };
    const found = [];
    for (const one of document.querySelectorAll("body *")) {
        const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !one.checkVisibility() || one.closest(":disabled, .unseen, option")) continue;
        const [a, b] = [luminance(rgb(getComputedStyle(one).color)), luminance(ground(one))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found.push([one.tagName, one.textContent.trim().slice(0, 30), ratio]);
    }
    return found;
}"""
"""Texts whose contrast is below 4.5 (WCAG 2.2, success criterion 1.4.3)."""


def test_contrast_names_focus_and_languages(tab: Tab) -> None:
    unnamed = (
        "[...document.querySelectorAll('button, input, select, [role]')].filter((one) => one.checkVisibility() && "
        "!one.ariaLabel && !one.labels?.length && !one.textContent.trim() && !one.getAttribute('aria-labelledby'))"
        ".map((one) => one.outerHTML)"
    )
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        for mode in "1234":
            tab.keys(mode)
            assert tab.page.evaluate(CONTRAST) == []
            assert tab.page.evaluate(unnamed) == []
    tab.page.locator("#language").select_option("ru")
    assert tab.text("#mode-denoise") == "Убрать шум"
    assert tab.page.evaluate("document.documentElement.lang") == "ru"
    latin = r"[...document.querySelectorAll('[data-t]')].filter((one) => /[a-z]{4}/.test(one.textContent))"
    assert tab.page.evaluate(f"{latin}.map((one) => one.textContent)") in (
        [],
        [tab.page.locator("#gone p").text_content()],
    )
    tab.keys("1")
    ear = tab.page.evaluate("studio.ear")
    russian = "new KeyboardEvent('keydown', { key: 'ч', code: 'KeyX', bubbles: true })"
    tab.page.evaluate(f"document.body.dispatchEvent({russian})")
    assert tab.page.evaluate("studio.ear") == 1 - ear
    tab.page.locator("#language").select_option("en")
    tab.page.locator("#mode-classify").focus()
    tab.keys("ArrowRight")  # around to the first
    assert tab.page.evaluate("document.activeElement.id") == "mode-denoise"
    assert tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keys("?")
    assert tab.page.locator("#keys-dialog").is_visible()
    tab.keys("Escape", "End")
    assert tab.page.evaluate("studio.player.sample") == tab.page.evaluate("studio.state.file.n_samples")
    for width, height in ((1280, 720), (3840, 2160)):
        tab.page.set_viewport_size({"width": width, "height": height})
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        box = tab.page.locator("#command").bounding_box()
        assert box["y"] + box["height"] <= height


def test_an_answer_that_breaks_off_names_the_server_and_keeps_the_page(
    served: Served, talk: Path, open_tab: Callable[[str], Tab]
) -> None:
    served.library.open(str(talk))
    tab = open_tab(served.address)
    tab.wait("studio.state.file !== null")
    tab.page.evaluate("window.kept = true")
    tab.page.route(
        "**/api/state?*", lambda route: route.fulfill(status=200, body='{"version": 1')
    )  # killed while it writes
    served.library.open(str(talk))  # ends the call under way
    tab.wait("!document.querySelector('#gone').hidden")
    tab.page.unroute("**/api/state?*")
    tab.wait("document.querySelector('#gone').hidden")
    assert tab.page.evaluate("window.kept")  # it was not loaded anew


def test_a_killed_server_is_named_and_a_new_one_is_taken(
    workplace: Path, talk: Path, open_tab: Callable[[str], Tab]
) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}

    def start(port: int) -> "tuple[subprocess.Popen[str], str]":
        flags = ["-m", "clearmel", "studio", str(talk), "--port", str(port), "--no_browser", "-o", "out"]
        process = subprocess.Popen([sys.executable, *flags], stdout=subprocess.PIPE, text=True, env=environment)
        line = process.stdout.readline()
        assert f"results in {workplace / 'out'}" in line
        return process, re.search(r"http://[\d.:]+/", line)[0]

    first, address = start(0)
    try:
        tab = open_tab(address)
        tab.wait("studio.state.file !== null")
        token = tab.page.locator("meta[name=clearmel-token]").get_attribute("content")
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        first.stdout.close()
    tab.wait("!document.querySelector('#gone').hidden")
    assert "clearmel studio" in tab.text("#gone")
    second, _ = start(int(re.search(r":(\d+)/", address)[1]))
    try:
        for _ in range(500):
            tab.page.wait_for_timeout(50)
            if tab.page.locator("meta[name=clearmel-token]").get_attribute("content") != token:
                break
        tab.page.wait_for_selector("html[data-ready=true]")
        tab.wait("studio.state.file !== null && document.querySelector('#gone').hidden")
    finally:
        second.send_signal(signal.SIGINT)
        assert second.wait(timeout=30) == 0
        second.stdout.close()
