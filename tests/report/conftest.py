"""Reports in a real browser: Debian's Chromium, from the disk, every complaint of it a failure."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from playwright.sync_api import sync_playwright

from qwenbatch.core.outcomes import ItemState
from qwenbatch.core.report_files import PAGE, PICTURES, CopySide, copy_name
from qwenbatch.imaging.copies import copied
from qwenbatch.observe.words import KIND_WORDS
from qwenbatch.report.page import write_page
from qwenbatch.report.page_data import (
    PageHead,
    PageItem,
    PagePicture,
    PageRun,
    PageWords,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, Page, Request

IMAGES = Path(__file__).parent.parent / "images"
INSTRUCTIONS = ("make the background white", "remove the price tag", "show it on a wooden table")
KINDS = {
    ItemState.FAILED: "moderated",
    ItemState.LOST: "unfetched",
    ItemState.UNCERTAIN: "gave_up",
}


def copy_of(name: str, folder: Path) -> PagePicture:
    """A picture of the tests' own, copied into a folder as a report copies it."""
    path = IMAGES / name
    digest = name.encode().ljust(32, b"\0")
    with path.open("rb") as file:
        made = copied(file, path.stat().st_size, list(CopySide))
    for side, content in zip(CopySide, made.copies, strict=True):
        (folder / copy_name(digest, side)).write_bytes(content)
    return PagePicture(
        card=f"{PICTURES}/{copy_name(digest, CopySide.CARD)}",
        view=f"{PICTURES}/{copy_name(digest, CopySide.VIEW)}",
        width=made.width,
        height=made.height,
        size=path.stat().st_size,
    )


@dataclass(frozen=True, slots=True)
class Copied:
    """A folder with copies of a few pictures, made once for all tests."""

    folder: Path
    pictures: tuple[PagePicture, ...]


@dataclass(slots=True)
class Book:
    """A folder in which pages are written, with the copied pictures."""

    folder: Path
    pictures: tuple[PagePicture, ...]

    def item(self, number: int, state: ItemState = ItemState.SAVED, **changes: object) -> PageItem:
        """An item as a run leaves it."""
        saved = state is ItemState.SAVED
        after = self.pictures[(number + 1) % 4] if saved else PagePicture()
        plain = PageItem(
            number=number,
            line=number + 1,
            manifest=0,
            state=state,
            kind=KINDS.get(state, ""),
            reason="no such file" if state is ItemState.INVALID else "",
            source=f"photos/{number:05}.jpg",
            instruction=INSTRUCTIONS[number % 3],
            before=self.pictures[number % 4],
            after=after,
            path=f"shoes/{number:05}.png",
            link=f"shoes/{number:05}.png" if saved else "",
            cost=0.055 if saved else 0.0,
            seconds=8 + number % 40 + 0.5,
            finished=f"2026-01-02T03:{number // 60 % 60:02}:{number % 60:02}Z",
            request=f"3daccb10-{number:04}",
            attempts=1,
            key=f"{number:064x}",
        )
        return msgspec.structs.replace(plain, **changes)

    def write(self, items: Sequence[PageItem], **changes: object) -> Path:
        """A page with these items; its path."""
        path = self.folder / PAGE
        with path.open("w", encoding="utf-8", newline="") as to:
            write_page(msgspec.structs.replace(head_of(items), **changes), items, to)
        return path


def head_of(items: Sequence[PageItem]) -> PageHead:
    """What is said of the whole, counted from the items."""
    counts = {state.value: sum(item.state == state for item in items) for state in ItemState}
    kinds = sorted({item.kind for item in items} - {""})
    return PageHead(
        title="spring collection",
        made="2026-01-02T06:00:00Z",
        sandbox=False,
        running=False,
        total=len(items),
        shown=len(items),
        counts=counts,
        failures={kind: sum(item.kind == kind for item in items) for kind in kinds},
        spent="$66.22",
        exposure="$0.11" if counts["uncertain"] else "",
        twice="",
        manifests=["shop.csv"],
        runs=[
            PageRun(
                source="shop.csv",
                started="2026-01-01T23:00:00Z",
                seconds=7503.0,
                spent="$66.22",
                ended="finished, not every item saved",
            ),
        ],
        states={state: PageWords(name=state, means=f"what {state} means") for state in ItemState},
        kinds={
            kind: PageWords(name=kind.replace("_", " "), means=words.means, advice=words.advice)
            for kind, words in KIND_WORDS.items()
        },
    )


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copied:
    folder = tmp_path_factory.mktemp("copies")
    names = ("astronaut.png", "rocket.jpg", "coffee.png", "chelsea.png")
    return Copied(folder, tuple(copy_of(name, folder) for name in names))


@pytest.fixture
def book(tmp_path: Path, copies: Copied) -> Book:
    shutil.copytree(copies.folder, tmp_path / PICTURES)
    return Book(tmp_path, copies.pictures)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module: Playwright holds an event loop, and other tests run theirs."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("the report's tests need Chromium: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@dataclass  # without slots: Playwright marks whoever's method it is to call
class Watched:
    """A browser's window, and what went wrong or out of it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, path: Path) -> Page:
        self.page.goto(path.as_uri())
        return self.page

    def note(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.outside.append(request.url)


@pytest.fixture
def window(browser: Browser) -> Iterator[Watched]:
    """A window 1280 × 800; errors, violations of the policy and requests outside fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, timezone_id="UTC")
    watched = Watched(context.new_page())
    watched.page.set_default_timeout(10_000)
    watched.page.on("console", lambda said: watched.complaints.append(said.text))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
    watched.page.on("request", watched.note)
    yield watched
    context.close()
    assert watched.complaints == []
    assert watched.outside == []
