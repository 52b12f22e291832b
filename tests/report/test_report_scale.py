"""Ten thousand items on a page: only those in view exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from qwenbatch.core.outcomes import ItemState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.report.conftest import Book, Watched

MANY = 10_000
MOST_NODES = 2_500

SCROLL = """async () => {
    const long = [];
    new PerformanceObserver((list) => long.push(...list.getEntries().map((it) => it.duration)))
        .observe({ entryTypes: ["longtask"] });
    const frames = [];
    let most = 0, last = performance.now();
    const end = document.documentElement.scrollHeight;
    for (let step = 1; step <= 60; step += 1) {
        scrollTo(0, end * step / 60);
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - last);
        last = now;
        most = Math.max(most, document.querySelectorAll("*").length);
    }
    scrollTo(0, end);
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    frames.sort((a, b) => a - b);
    return { most, median: frames[30], worst: frames[59], long: Math.max(0, ...long) };
}"""


def test_page_of_ten_thousand_holds_only_what_is_in_view(
    book: Book, window: Watched, record_property: Callable[[str, object], None]
) -> None:
    items = [
        book.item(number, ItemState.FAILED if number % 500 == 0 else ItemState.SAVED)
        for number in range(1, MANY + 1)
    ]
    page = window.open(book.write(items))
    expect(page.locator("#count")).to_have_text("10,000 items")
    assert page.evaluate("document.querySelectorAll('*').length") < MOST_NODES

    scrolled = page.evaluate(SCROLL)

    assert scrolled["most"] < MOST_NODES
    expect(page.locator("#shelf li").last).to_contain_text("shoes/09999.png")
    expect(page.locator("#shelf li").last).to_be_in_viewport()
    searched = page.evaluate(
        """() => {
            const box = document.getElementById("search");
            const began = performance.now();
            box.value = "shoes/077 wooden";
            box.dispatchEvent(new Event("input"));
            return performance.now() - began;
        }"""
    )
    expect(page.locator("#count")).to_have_text("34 of 10,000 items")
    for name, figure in {**scrolled, "search": searched}.items():
        record_property(name, figure)


def test_page_walks_through_ten_thousand_by_keys(book: Book, window: Watched) -> None:
    page = window.open(book.write([book.item(number) for number in range(1, MANY + 1)]))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    last = page.locator(".card:focus")
    expect(last).to_contain_text("shoes/10000.png")
    expect(last).to_be_in_viewport(ratio=0.99)
    page.keyboard.press("PageUp")
    expect(page.locator(".card:focus")).to_be_in_viewport(ratio=0.99)
    # What has the focus stays there when it is scrolled out of view, or the keys would start anew.
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("document.querySelector('[data-place=\"0\"]') !== null")
    assert page.evaluate("document.activeElement.className") == "card"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
