"""The page in a real browser: it draws every chart, in both schemes, on a phone as on a desk, and asks nobody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.report import charts
from motet.report.blocks import Figure, Figures, Section
from motet.report.page import page as write_page
from motet.report.runs import Runs

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
DRAWN = "document.querySelectorAll('.plot[data-drawn] svg').length === document.querySelectorAll('.plot').length"
CUT_OFF = """[...document.querySelectorAll('.plot')].flatMap(plot => {
  const edge = plot.querySelector('svg').getBoundingClientRect().right;
  const cut = [...plot.querySelectorAll('text')].filter(text => text.getBoundingClientRect().right > edge + 1);
  return cut.map(text => text.textContent);
})"""
TOUCHING = """[...document.querySelectorAll('.plot .mark-text.role-axis-label')].flatMap(axis => {
  const shown = [...axis.querySelectorAll('text')].filter(text => text.getAttribute('opacity') !== '0');
  const places = shown.map(text => [text.textContent, text.getBoundingClientRect()]);
  return places.slice(1).flatMap(([text, { left, top }], number) => {
    const [before, box] = places[number];
    return box.top === top && left - box.right < 4 ? [before + text] : [];
  });
})"""
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


def test_nothing_of_a_chart_is_cut_off(browser: sync_api.Browser, tmp_path: Path) -> None:
    ends = {"joint": (0.833, 0.969), "rated only": (0.850, 0.996), "user + item bias": (0.789, 0.906)}
    rows = [
        {"name": name, "value": (low + high) / 2, "low": low, "high": high, "own": False, "faint": False}
        for name, (low, high) in ends.items()
    ]
    alike = {"name": "global mean", "value": 0.5, "low": 0.5, "high": 0.5, "own": False, "faint": False}
    apart = [{**alike, "name": "user + item bias", "value": 0.71, "low": 0.69, "high": 0.73}, alike]
    names = ["completed", "find_completed", "rated", "refunded"]
    shares = [
        {"epoch": epoch, "series": name, "value": 0.2, "low": 0.2, "high": 0.2} for name in names for epoch in (1, 2)
    ]
    figures = [
        Figure("rmse", "rmse", charts.intervals(rows, "rated/rmse")),
        Figure("auc", "auc", charts.intervals(apart, "rated/auc")),
        Figure("share", "share", charts.curves(shares, "share", domain=(0, 1))),
    ]
    file = tmp_path / "page.html"
    file.write_text(write_page(Runs(), [Section("charts", [Figures(figures)])]), encoding="utf-8")
    tab = browser.new_page()
    for width in (360, 390, 600, 1280):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.goto(file.as_uri())
        tab.wait_for_function(DRAWN)
        assert tab.evaluate(CUT_OFF) == [], width
        assert tab.evaluate(TOUCHING) == [], width
    tab.close()
