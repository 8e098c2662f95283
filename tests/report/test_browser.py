"""The page in a real browser: it draws every chart, in both schemes, on a phone as on a desk, and asks nobody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
DRAWN = "document.querySelectorAll('.plot[data-drawn] svg').length === document.querySelectorAll('.plot').length"
GROUND = "getComputedStyle(document.body).backgroundColor"

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_draws_everything_and_asks_nobody(browser: sync_api.Browser, page: Path, scheme: str) -> None:
    said: list[str] = []
    asked: list[str] = []
    context = browser.new_context(color_scheme=scheme)
    tab = context.new_page()
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    for width in (390, 820, 1440):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_function(DRAWN)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.evaluate("document.querySelector('.verdict p').append('clicked_on_recommended_'.repeat(9))")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, "a long name is broken"
    assert tab.locator(".plot").count() > 10
    for chart in tab.locator(".chart").all():
        assert chart.locator(".plot").get_attribute("aria-label") == chart.locator("figcaption").inner_text()
    assert tab.evaluate(GROUND) == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 22, 26)"}[scheme]
    point = tab.locator("#sweep-front-stars-rmse-retrieval-unseen-ndcg-10 path[aria-roledescription=point]").first
    point.scroll_into_view_if_needed()
    point.hover()
    tab.wait_for_selector(".vg-tooltip.visible")
    assert "weights.retrieval" in tab.locator(".vg-tooltip").inner_text()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    context.close()
