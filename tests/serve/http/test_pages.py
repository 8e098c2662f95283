"""Swagger UI at `/docs`, in a real browser."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from motet.serve.http.app import create_app
from motet.serve.service import Service
from serve.conftest import listening

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")


def test_the_description_can_be_read_and_tried_and_nobody_else_is_asked(service: Service) -> None:
    said: list[str] = []
    asked: list[str] = []
    with listening(create_app(service)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/docs")
        page.get_by_role("button", name="POST /v1/recommend").first.click()
        expect(page.get_by_text("No token")).to_be_visible()
        page.get_by_role("button", name="GET /readyz").first.click()
        page.locator("[id$=ready_readyz_get]").get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
        browser.close()
    assert said == []
    assert [url for url in asked if not url.startswith((f"{address}/", "data:"))] == []
