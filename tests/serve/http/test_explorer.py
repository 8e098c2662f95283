"""The page, in a real browser on a real service."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Route, expect, sync_playwright

from motet.recommender import Recommender
from motet.serve.http.app import create_app
from motet.serve.models.served import ServedModel
from motet.serve.rollout.lineup import Lineup
from motet.serve.service import Service
from serve.conftest import listening

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
MARKUP = "<img src=x onerror=alert(1)>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def address(recommender: Recommender) -> Iterator[str]:
    card = {"protocol": "random split", "metrics": {"stars": {"rmse": 0.912}}, "columns": [{"name": MARKUP}]}
    service = Service(Lineup.alone(ServedModel(recommender, name="films", version="1", card=card)))
    with listening(create_app(service)) as found:
        yield found
    service.close()


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    """One page for all tests, because each costs as much as a test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        context.set_default_timeout(10_000)
        yield context.new_page()
        browser.close()


@pytest.fixture
def visit(tab: Page, address: str) -> Iterator[Open]:
    """Opens the page at a state; whatever a test does, nothing may be logged as an error or leave the host."""
    complaints: list[str] = []
    quiet = False

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and not quiet:
            complaints.append(message.text)

    def asked(request: Request) -> None:
        if urlsplit(request.url).scheme.startswith("http") and not request.url.startswith(f"{address}/"):
            complaints.append(request.url)

    def visit(hash: str = "", *, width: int = 1280, dark: bool = False, fails: bool = False, **routes: Any) -> Page:
        nonlocal quiet
        quiet = fails  # the browser itself logs what is no 2xx
        tab.set_viewport_size({"width": width, "height": 800})
        tab.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        for path, answer in routes.items():
            tab.route(f"**/v1/{path}", answer)
        tab.goto(f"{address}/{hash}")
        return tab

    listeners = {"console": said, "request": asked, "pageerror": lambda error: complaints.append(str(error))}
    for name, listener in listeners.items():
        tab.on(name, listener)  # type: ignore[call-overload]
    yield visit
    tab.evaluate("localStorage.clear(); sessionStorage.clear()")
    tab.goto("about:blank")
    tab.unroute_all()
    for name, listener in listeners.items():
        tab.remove_listener(name, listener)
    assert complaints == []


def shows(page: Page, ids: list[str]) -> None:
    expect(page.locator(".ranking .title")).to_have_text(ids)


def user(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Find a user")


def recommended(recommender: Recommender, *, k: int = 10, **asked: Any) -> list[str]:
    ids: list[str] = recommender.recommend(3, k, **asked).ids.tolist()
    return ids


def test_a_user_is_found_by_keyboard(visit: Open, recommender: Recommender) -> None:
    page = visit()
    expect(page.get_by_role("heading", name="Whose recommendations do you want to see?")).to_be_visible()
    page.keyboard.press("/")
    expect(user(page)).to_be_focused()
    page.keyboard.type("3")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="User 3", exact=True)).to_be_visible()
    shows(page, recommended(recommender))
    events = recommender.log.frame().filter(recommender.log.frame()["customer"] == 3).sort("at", descending=True)
    expect(page.locator(".history .title")).to_have_text(events["title"].to_list())
    assert page.url.endswith("#user=3")
    expect(page.locator("#live")).to_contain_text("recommendations; first")


def test_search_says_when_nothing_is_found_and_escape_closes(visit: Open) -> None:
    page = visit()
    user(page).fill("zzz")
    expect(page.get_by_text("No user has such an id.")).to_be_visible()
    user(page).fill("1")
    expect(page.get_by_role("listbox")).to_be_visible()
    user(page).press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(user(page)).to_have_attribute("aria-expanded", "false")


def test_every_task_has_its_bar_its_colour_and_its_number(visit: Open, recommender: Recommender) -> None:
    page = visit("#user=3")
    first = page.locator(".pick").first
    expect(first.locator(".task")).to_have_text(list(recommender.model.tasks))
    stars = recommender.recommend(3, 1).tasks["stars"].item()
    expect(first.locator(".score.task-1 .value")).to_have_text(f"{stars:.3g}")
    shade = "element => getComputedStyle(element).getPropertyValue('--task')"
    bars = {page.locator(f".score.task-{task}").first.evaluate(shade) for task in (0, 1)}
    sliders = {page.locator(f".slider.task-{task}").evaluate(shade) for task in (0, 1)}
    assert bars == sliders
    assert len(bars) == 2
    expect(first.locator(".why em")).not_to_have_count(0)


def test_looking_at_an_item_lights_up_its_reasons(visit: Open) -> None:
    page = visit("#user=3")
    first = page.locator(".pick").first
    first.locator(".title").focus()
    reasons = set(first.locator(".why em").all_inner_texts())
    assert set(page.locator(".history .reason .title").all_inner_texts()) == reasons


def test_a_slider_orders_anew_and_can_be_taken_back(visit: Open, recommender: Recommender) -> None:
    page = visit("#user=3")
    shows(page, before := recommended(recommender))
    slider = page.get_by_role("slider", name="retrieval")
    slider.focus()
    page.keyboard.press("Home")
    shows(page, after := recommended(recommender, by={"stars": 1.0}))
    assert before != after
    expect(page.locator(".slider output")).to_have_text(["0 %", "100 %"])
    expect(slider).to_have_attribute("aria-valuetext", "0 % of the decision")
    assert page.locator(".moved").count() == sum(one != other for one, other in zip(before, after, strict=True))
    assert page.evaluate("document.getAnimations().length") == 0  # the reader wants no motion
    page.get_by_role("slider", name="stars").press("Home")
    expect(page.get_by_text("All objectives are at 0")).to_be_visible()
    page.get_by_role("button", name="Reset to the model").click()
    shows(page, before)
    expect(page.locator(".moved")).to_have_count(0)


def test_what_if_adds_and_removes_items(visit: Open, recommender: Recommender) -> None:
    page = visit("#user=3")
    shows(page, before := recommended(recommender))
    field = page.get_by_role("combobox", name="Try adding an item")
    field.fill(before[0])
    page.get_by_role("option", name=before[0], exact=True).click()
    expect(page.locator(".chips li")).to_have_count(1)
    expect(page.locator(".ranking .title").first).not_to_have_text(before[0])
    page.locator(".pick .round").first.click()
    expect(page.locator(".chips li")).to_have_count(2)
    assert page.url.count("with=") == 2
    for title in page.locator(".chips li span").all_inner_texts():
        page.get_by_role("button", name=f"Remove {title}", exact=True).click()
    shows(page, before)
    expect(field).to_be_focused()


def test_a_new_visitor_starts_without_history(visit: Open) -> None:
    page = visit()
    page.get_by_role("button", name="New visitor").click()
    expect(page.get_by_text("No history yet.")).to_be_visible()
    expect(page.locator(".pick")).not_to_have_count(0)
    page.locator(".pick .round").first.click()
    expect(page.locator(".pick").first.locator(".why")).to_be_visible()
    assert "guest=1" in page.url


def test_an_item_shows_its_columns_and_its_neighbours(visit: Open, recommender: Recommender) -> None:
    page = visit("#user=3&item=Film 8")
    dialog = page.get_by_role("dialog", name="Film 8")
    expect(dialog.get_by_text("war, drama")).to_be_visible()
    near = recommender.similar_items("Film 8", 10).ids.tolist()
    expect(dialog.locator(".near .title")).to_have_text(near)
    dialog.get_by_role("button", name=near[0], exact=True).click()
    expect(page.get_by_role("dialog", name=near[0])).to_be_visible()
    page.go_back()
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="What if it were in the history?").click()
    expect(page.locator(".chips li span")).to_have_text(["Film 8"])
    page.locator(".history .title").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("item="))


def test_the_map_can_be_used_with_a_mouse_and_without(visit: Open) -> None:
    page = visit("#view=map&user=3")
    canvas = page.get_by_role("application", name="Map of the catalogue")
    listed = page.locator(".inview li")
    expect(listed).to_have_count(12)
    expect(page.get_by_text("in the user")).to_be_visible()
    canvas.focus()
    for _ in range(6):
        page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    expect(listed).not_to_have_count(12)
    page.keyboard.press("0")
    expect(listed).to_have_count(12)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Show everything").click()
    page.get_by_role("combobox", name="Find an item").fill("Film 8")
    page.get_by_role("option", name="Film 8").click()
    box = canvas.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    expect(page.locator(".tip")).to_have_text("Film 8")
    page.mouse.wheel(0, -200)
    page.mouse.click(*middle)
    expect(page.get_by_role("dialog", name="Film 8")).to_be_visible()
    page.keyboard.press("Escape")
    canvas.press("Enter")
    expect(page.get_by_role("dialog", name="Film 8")).to_be_visible()
    page.get_by_role("button", name="Show on the map").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_model_shows_its_tasks_and_its_card(visit: Open) -> None:
    page = visit()
    page.get_by_role("link", name="Model").click()
    expect(page.get_by_role("row", name="stars")).to_contain_text("50 %")
    expect(page.get_by_text("random split")).to_be_visible()
    expect(page.get_by_text("0.912")).to_be_visible()
    expect(page.get_by_text(MARKUP)).to_be_visible()
    expect(page.get_by_text("This model has no report.")).to_be_visible()
    expect(page.get_by_role("link", name="Open the report")).to_have_count(0)


def with_report(route: Route) -> None:
    route.fulfill(json={**route.fetch().json(), "report": True})


def test_a_report_is_offered_where_there_is_one(visit: Open) -> None:
    page = visit("#view=model", model=with_report)
    expect(page.get_by_role("link", name="Open the report")).to_have_attribute("href", "v1/report")


def test_a_history_that_comes_late_is_not_shown_for_somebody_else(visit: Open) -> None:
    late: list[Route] = []
    page = visit("#user=3", **{"users/3/history?*": lambda route: late.append(route)})
    expect(page.locator(".pick")).not_to_have_count(0)
    page.get_by_role("button", name="New visitor").click()
    expect(page.get_by_text("No history yet.")).to_be_visible()
    for route in late:
        route.continue_()
    page.wait_for_timeout(300)
    expect(page.get_by_text("No history yet.")).to_be_visible()


def two_models(route: Route) -> None:
    body = route.fetch().json()
    route.fulfill(json={**body, "models": [*body["models"], {**body["models"][0], "name": "other", "share": 0}]})


def other_model(route: Route) -> None:
    """`other` is `films` with an order of its own."""
    asked = json.loads(route.request.post_data or "")
    if asked.get("model") == "other":
        asked |= {"model": "films", "by": {"stars": 1.0}}
        answer = route.fetch(post_data=asked).json()
        route.fulfill(json={**answer, "model": {"name": "other", "version": "1"}})
    else:
        route.continue_()


def test_two_models_side_by_side(visit: Open, recommender: Recommender) -> None:
    page = visit("#user=3", model=two_models, recommend=other_model)
    page.get_by_role("combobox", name="Compare with").select_option("other")
    expect(page.locator(".ranking")).to_have_count(2)
    mine, other = page.locator(".ranking").all()
    expect(mine.locator(".title")).to_have_text(recommended(recommender))
    expect(other.locator(".title")).to_have_text(recommended(recommender, by={"stars": 1.0}))
    expect(page.get_by_text("are in both lists")).to_be_visible()
    assert "beside=other" in page.url
    page.get_by_role("combobox", name="Compare with").select_option("")
    expect(page.locator(".ranking")).to_have_count(1)


def test_the_model_that_is_shown_is_the_one_that_answered(visit: Open) -> None:
    def others(route: Route) -> None:
        answer = route.fetch().json()
        route.fulfill(json={**answer, "model": {"name": "other", "version": "1"}})

    page = visit("#user=3", model=two_models, recommend=others)
    expect(page.get_by_role("combobox", name="Model")).to_have_value("other")


def test_a_model_of_every_weighting_can_be_asked_again(visit: Open, recommender: Recommender) -> None:
    asked: list[Any] = []

    def able(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "preference": True})

    def listen(route: Route) -> None:
        body = json.loads(route.request.post_data or "")
        asked.append((body.get("by"), body.pop("preference", None)))
        route.fulfill(json=route.fetch(post_data=body).json())

    page = visit("#user=3&by=1:stars&by=0.5:retrieval", model=able, recommend=listen)
    shows(page, recommended(recommender, by={"stars": 1.0, "retrieval": 0.5}))
    page.get_by_role("radio", name="Ask the model again").check()
    expect(page).to_have_url(re.compile("asked=preference"))
    shows(page, recommended(recommender))
    assert asked[-1] == (None, {"stars": 1.0, "retrieval": 0.5})


def test_an_address_holds_the_view(visit: Open, recommender: Recommender) -> None:
    page = visit("#user=3&k=20&by=2:stars&by=0.5:retrieval")
    shows(page, recommended(recommender, k=12, by={"stars": 2.0, "retrieval": 0.5}))
    expect(page.get_by_role("combobox", name="Number of items")).to_have_value("20")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.get_by_role("link", name="Map").click()
    page.go_back()
    expect(page.get_by_role("heading", name="User 3", exact=True)).to_be_visible()


@pytest.mark.parametrize("hash", ["#view=nowhere&k=7&by=x:stars&%=", f"#user={MARKUP}&with={MARKUP}"])
def test_an_address_that_makes_no_sense_shows_the_page_all_the_same(visit: Open, hash: str) -> None:
    expect(user(visit(hash))).to_be_visible()


def test_an_unknown_user_is_said_to_be_unknown(visit: Open) -> None:
    page = visit("#user=nobody")
    expect(page.get_by_text("The model does not know this user")).to_be_visible()
    expect(page.locator(".pick")).not_to_have_count(0)


@pytest.mark.parametrize("path", ["model", "recommend", "users/3/history?*", "map*", "similar"])
def test_a_failure_is_told_and_can_be_tried_again(visit: Open, path: str) -> None:
    failures = ["busy", "gone"]

    def failing(route: Route) -> None:
        if not failures:
            route.continue_()
        elif failures.pop() == "gone":
            route.abort()
        else:
            error = {"code": "busy", "message": "Try again in a second.", "field": None}
            route.fulfill(status=503, json={"error": error})

    hash = {"map*": "#view=map", "similar": "#item=Film 8"}.get(path, "#user=3")
    page = visit(hash, fails=True, **{path: failing})
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The service does not answer.")
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_contain_text("The service is busy. Try again in a second.")
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_have_count(0)


def test_a_token_is_asked_for_and_sent(visit: Open) -> None:
    def guarded(route: Route) -> None:
        token = route.request.headers.get("authorization", "").removeprefix("Bearer ")
        if token == "right":
            route.continue_()
        else:
            status, code = (403, "wrong_scope") if token == "writer" else (401, "no_token")
            route.fulfill(status=status, json={"error": {"code": code, "message": "", "field": None}})

    page = visit("#user=3", fails=True, **{"**": guarded})
    said = {"wrong": "That token was not accepted.", "writer": "That token lacks the scope read.", "right": None}
    for token, words in said.items():
        page.get_by_label("Token", exact=True).fill(token)
        page.get_by_role("button", name="Continue").click()
        if words is not None:
            expect(page.get_by_text(words)).to_be_visible()
    expect(page.locator(".pick")).not_to_have_count(0)


def test_the_theme_follows_the_system_until_it_is_chosen(visit: Open) -> None:
    page = visit(dark=True)
    button = page.get_by_role("button", name="Dark")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"


VIEWS = ["", "#user=3&with=Film 1&by=1:stars&by=0:retrieval", "#view=map&user=3", "#view=model", "#user=3&item=Film 8"]


@pytest.mark.parametrize("hash", VIEWS)
def test_every_view_fits_its_screen_and_axe_finds_nothing(visit: Open, hash: str) -> None:
    page = visit(hash, width=390, model=two_models)
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".skeleton, [aria-busy=true]")).to_have_count(0)
    for width in (390, 820, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
