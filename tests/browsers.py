"""Headless Chromium for the tests of the pages, driven by Playwright; they are skipped where there is none."""

import os
import shutil
from collections.abc import Iterator

import pytest

playwright = pytest.importorskip("playwright.sync_api") if "CI" not in os.environ else None
if playwright is None:
    from playwright import sync_api as playwright
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def chromium() -> Iterator["playwright.Browser"]:
    """A browser; a fixture of each module of tests."""
    if CHROMIUM is None:
        if "CI" in os.environ:
            pytest.fail("no Chromium: apt-get install chromium")
        pytest.skip("the pages need Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # The sandbox cannot be had as root, and the pages are our own.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--mute-audio"])
        yield browser
        browser.close()


def wait(page: "playwright.Page", expression: str) -> None:
    """Waits until an expression is true: Playwright's own wait_for_function needs eval, which the pages forbid."""
    for _ in range(1500):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never true: {expression}")
