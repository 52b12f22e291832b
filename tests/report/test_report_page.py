"""The report's page as people use it: filters, search, order, keys, the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # has none
from playwright.sync_api import expect

from qwenbatch.core.outcomes import ItemState
from qwenbatch.report.page_data import PagePicture

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from qwenbatch.report.page_data import PageItem
    from tests.report.conftest import Book, Watched

STATES = {
    5: ItemState.FAILED,
    9: ItemState.UNCERTAIN,
    12: ItemState.INVALID,
    14: ItemState.LOST,
    17: ItemState.FAILED,
}


def mixed(book: Book) -> list[PageItem]:
    """Thirty items of which five did not come out."""
    items = [book.item(number, STATES.get(number, ItemState.SAVED)) for number in range(1, 31)]
    items[11] = msgspec.structs.replace(
        items[11], before=PagePicture(note="there is no such file"), attempts=0, seconds=None
    )
    return items


@pytest.fixture
def page(book: Book, window: Watched) -> Page:
    """The report of those thirty."""
    return window.open(book.write(mixed(book)))


def count(page: Page, words: str) -> None:
    expect(page.locator("#count")).to_have_text(words)


def paths(page: Page, most: int = 3) -> list[str]:
    """The paths on the first cards, in the order of the document."""
    return page.locator("#shelf .line bdi").all_inner_texts()[:most]


def at(page: Page) -> float:
    return float(page.get_by_role("slider").get_attribute("aria-valuenow") or "")


def test_page_tells_totals_money_and_failures(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("spring collection")
    count(page, "30 items")
    expect(page.get_by_role("button", name="25 saved")).to_be_visible()
    expect(page.locator("#money")).to_contain_text("$66.22")
    expect(page.locator("#money")).to_contain_text("perhaps paid")
    finding = page.get_by_role("button", name="2 moderated")
    expect(finding).to_contain_text("refused by the service's content inspection")
    page.get_by_text("Last runs").click()
    expect(page.get_by_role("table")).to_contain_text("finished, not every item saved")


def test_page_begins_with_what_needs_attention(page: Page) -> None:
    assert paths(page) == ["shoes/00005.png", "shoes/00017.png", "shoes/00014.png"]


def test_page_filters_by_state_and_by_kind(page: Page) -> None:
    page.get_by_role("button", name="2 failed").click()
    count(page, "2 of 30 items")
    expect(page.get_by_role("button", name="2 failed")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="1 lost").click()
    count(page, "3 of 30 items")
    page.get_by_label("Failure").select_option("unfetched")
    count(page, "1 of 30 items")
    page.get_by_role("button", name="Show all").click()
    count(page, "30 items")
    page.get_by_role("button", name="2 moderated").click()
    count(page, "2 of 30 items")
    expect(page.get_by_label("Failure")).to_have_value("moderated")


def test_page_searches_every_text(page: Page) -> None:
    for text, found in (
        ("WOODEN table", 10),
        ("shoes/00007", 1),
        ("3daccb10-0021", 1),
        ("gave up", 1),
        ("white 00003", 1),
        ("nowhere", 0),
    ):
        page.get_by_role("searchbox").fill(text)
        count(page, f"{found} of 30 items")
        expect(page.get_by_text("No item is like that.")).to_be_visible(visible=not found)


def test_page_sorts_and_turns_the_order(page: Page) -> None:
    page.get_by_label("Sort", exact=True).select_option("manifest")
    assert paths(page) == ["shoes/00001.png", "shoes/00002.png", "shoes/00003.png"]
    page.get_by_role("button", name="Reverse the order").click()
    assert paths(page) == ["shoes/00030.png", "shoes/00029.png", "shoes/00028.png"]
    page.get_by_role("button", name="Reverse the order").click()
    page.get_by_label("Sort", exact=True).select_option("slow")
    assert paths(page)[0] == "shoes/00030.png"
    page.get_by_label("Sort", exact=True).select_option("size")
    assert paths(page)[0] == "shoes/00003.png"


def test_page_keys_search_and_clear(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("wooden/")
    count(page, "0 of 30 items")
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_have_value("")
    count(page, "30 items")
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).not_to_be_focused()


def test_page_arrow_keys_move_between_cards(page: Page) -> None:
    page.get_by_label("Sort", exact=True).select_option("manifest")
    page.locator("body").evaluate("document.activeElement.blur()")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    focused = page.locator(".card:focus")
    expect(focused).to_contain_text("shoes/00004.png")
    expect(page.locator("li", has=focused)).to_have_attribute("aria-posinset", "4")
    expect(page.locator(".card[tabindex='0']")).to_have_count(1)
    page.keyboard.press("End")
    expect(page.locator(".card:focus")).to_contain_text("shoes/00030.png")
    expect(page.locator(".card:focus")).to_be_in_viewport(ratio=0.99)
    page.keyboard.press("Home")
    expect(page.locator(".card:focus")).to_contain_text("shoes/00001.png")
    expect(page.locator(".card:focus")).to_be_in_viewport(ratio=0.99)


def test_viewer_opens_steps_and_closes_by_keys(page: Page) -> None:
    page.get_by_label("Sort", exact=True).select_option("manifest")
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 of 30")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("shoes/00003.png")
    page.keyboard.press("ArrowLeft")
    expect(dialog).to_contain_text("2 of 30")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".card:focus")).to_contain_text("shoes/00002.png")


def test_viewer_tells_all_of_an_item(book: Book, window: Watched) -> None:
    item = book.item(
        7,
        id="hat-1",
        negative="blurry",
        take=2,
        watermark=True,
        columns={"sku": "4711"},
        attempts=3,
    )
    page = window.open(book.write([item]))
    page.locator(".card").click()
    facts = page.get_by_role("region", name="All about this item")
    for told in (
        "remove the price tag",
        "saved",
        "shoes/00007.png",
        "photos/00007.jpg",
        "512×512 px, 792 kB",
        "$0.055",
        "16 s",
        "2 Jan 2026, 03:00",
        "3daccb10-0007",
        "hat-1",
        "blurry",
        "7 of shop.csv, line 8",
        "4711",
        f"{7:064x}",
    ):
        expect(facts).to_contain_text(told)


def test_viewer_tells_why_an_item_did_not_come_out(page: Page) -> None:
    page.locator(".card").first.click()
    failure = page.locator(".failure")
    expect(failure).to_contain_text("moderated: refused by the service's content inspection")
    expect(failure).to_contain_text("What to do: change the picture or the instruction")
    expect(page.get_by_role("slider")).to_have_count(0)
    expect(page.locator("#comparison")).to_contain_text("refused by")


def test_slider_follows_the_pointer(page: Page) -> None:
    page.get_by_role("button", name="25 saved").click()
    page.locator(".card").first.click()
    box = page.locator("#comparison").bounding_box()
    assert box is not None
    assert at(page) == 50
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 40)
    assert at(page) == 25
    page.mouse.move(box["x"] - 200, box["y"] + 40)
    assert at(page) == 0
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    assert at(page) == 0
    clip = page.locator(".picture.before").evaluate("it => getComputedStyle(it).clipPath")
    assert clip == "inset(0px 100% 0px 0px)"
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog")).to_contain_text("2 of 25")


def test_slider_obeys_keys(page: Page) -> None:
    page.get_by_role("button", name="25 saved").click()
    page.locator(".card").first.click()
    slider = page.get_by_role("slider", name="Border between before and after")
    slider.focus()
    for key, place in (
        ("ArrowRight", 52),
        ("ArrowLeft", 50),
        ("Shift+ArrowRight", 60),
        ("PageDown", 50),
        ("End", 100),
        ("ArrowUp", 100),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        expect(slider).to_have_attribute("aria-valuenow", str(place))
    expect(slider).to_have_attribute("aria-valuetext", "0% before, 100% after")
    expect(page.get_by_role("dialog")).to_contain_text("1 of 25")


def test_slider_follows_a_finger(book: Book, window: Watched) -> None:
    page = window.open(book.write([book.item(1)]))
    page.locator(".card").click()
    box = page.locator("#comparison").bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    y = box["y"] + 50

    def touch(kind: str, share: float) -> None:
        points = [] if kind == "touchEnd" else [{"x": box["x"] + box["width"] * share, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.5)
    touch("touchMove", 0.65)
    touch("touchMove", 0.8)
    touch("touchEnd", 0.8)
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuenow", "80")


def test_viewer_shows_both_side_by_side(page: Page) -> None:
    page.get_by_role("button", name="25 saved").click()
    page.locator(".card").first.click()
    page.get_by_role("button", name="Side by side").click()
    expect(page.get_by_role("slider")).to_have_count(0)
    before, after = (page.get_by_role("img", name=name).last for name in ("Before", "After"))
    left, right = before.bounding_box(), after.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]


def test_page_follows_the_system_and_remembers_a_choice(page: Page) -> None:
    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    light = ground()
    page.emulate_media(color_scheme="dark")
    dark = ground()
    assert light != dark
    button = page.get_by_role("button", name="Colours")
    button.click()
    assert ground() == light
    button.click()
    page.emulate_media(color_scheme="light")
    assert ground() == dark
    # Chromium keeps it in another process, which a reload may come before.
    assert any(page.reload() and ground() == dark for _ in range(20))
    button.click()
    assert ground() == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("opened", [None, 0, 6])
def test_page_has_no_faults_that_axe_knows(page: Page, scheme: str, opened: int | None) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    if opened is not None:
        page.locator(".card").nth(opened).click()
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [320, 768])
def test_page_needs_no_sideways_scrolling(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
    for state in ("2 failed", "25 saved"):
        page.get_by_role("button", name=state).click()
        page.locator(".card").last.click()
        dialog = page.get_by_role("dialog")
        assert dialog.evaluate("it => it.scrollWidth - it.clientWidth") == 0
        expect(page.get_by_role("button", name="Close")).to_be_in_viewport(ratio=0.99)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Show all").click()
