"""Names and texts that want more than to be read; and a page without its pictures."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect

from qwenbatch.report import shown_text
from qwenbatch.report.page import SCRIPTS, STYLES

if TYPE_CHECKING:
    from tests.report.conftest import Book, Watched

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(3)>",
    '"><svg onload=alert(4)>',
    "'; alert(5); '",
    "{{data}} {{script}} ${alert(6)} $&",
    "javascript:alert(7)",
    "line\u2028and\u2029para",
    "\u202egnp.exe",
    "مرحبا بالعالم",
    "%2Fetc%2Fpasswd",
    "&lt;b&gt; &amp;",
    "__proto__",
)


def data_of(path: Path) -> dict[str, Any]:
    """The page's data, as a reader that knows only HTML finds it."""
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script', path.read_text(), re.DOTALL
    )
    assert found is not None
    return dict(msgspec.json.decode(found[1]))


def test_page_shows_hostile_texts_as_text(book: Book, window: Watched) -> None:
    items = [
        book.item(
            number,
            instruction=text,
            id=text,
            request=text,
            reason=text,
            source=text,
            path=text,
            negative=text,
            columns={text: text},
        )
        for number, text in enumerate(HOSTILE, 1)
    ]
    path = book.write(items, title="</title><script>alert(8)</script>", manifests=[HOSTILE[1]])

    page = window.open(path)

    expect(page.locator("#count")).to_have_text(f"{len(HOSTILE)} items")
    assert page.title() == "</title><script>alert(8)</script>: qwenbatch report"
    assert page.evaluate("document.scripts.length") == 2
    assert page.evaluate("({}).polluted") is None
    for text in HOSTILE[:7]:
        page.get_by_role("searchbox").fill(text)
        page.locator(".card").first.click()
        expect(page.locator("#facts .words")).to_have_text(text)
        page.keyboard.press("Escape")
    assert [item["instruction"] for item in data_of(path)["items"]] == list(HOSTILE)


def test_page_turns_no_direction_and_obeys_no_control(book: Book, window: Watched) -> None:
    name = "a\nb\t\u202ec\x1b[31m.png"
    page = window.open(book.write([book.item(1, path=name, instruction="say\n\u202ethis")]))
    expect(page.locator(".card .line bdi")).to_have_text("a↵b⇥⟨U+202E⟩c⟨U+001B⟩[31m.png")
    page.locator(".card").click()
    expect(page.locator("#facts .words")).to_have_text("say ⟨U+202E⟩this")


LINKED = ("a b#c?d%2F&e'f.png", "ü/日本 (1).png", "50%.png", 'q"<x>.png', "..;x/new\nline.png")


def test_page_links_to_results_of_any_name(book: Book, window: Watched) -> None:
    items = [
        book.item(number, path=name, link=shown_text.link_to(name))
        for number, name in enumerate(LINKED, 1)
    ]
    page = window.open(book.write(items))
    page.locator(".card").first.click()
    for name in LINKED:
        address = page.locator("#facts a").evaluate("it => it.href")
        assert address == (book.folder / name).as_uri()
        page.keyboard.press("ArrowRight")


def test_page_policy_lets_no_other_script_run_and_nothing_be_fetched(
    book: Book, window: Watched
) -> None:
    page = window.open(book.write([book.item(1)]))
    broken = page.evaluate(
        """async () => {
            const broken = [];
            addEventListener("securitypolicyviolation", (it) => broken.push(it.effectiveDirective));
            const script = document.createElement("script");
            try { script.textContent = "window.ran = 1"; } catch { broken.push("script"); }
            try { document.body.innerHTML = "<b>x</b>"; } catch { broken.push("html"); }
            await fetch("http://127.0.0.1:9/x").catch(() => {});
            const image = new Image();
            image.src = "http://127.0.0.1:9/x.png";
            const form = document.createElement("form");
            form.action = "http://127.0.0.1:9/";
            document.body.append(form);
            form.submit();
            await new Promise((done) => setTimeout(done, 200));
            return broken;
        }"""
    )
    assert {"script", "html", "connect-src", "img-src", "form-action"} <= set(broken)
    assert page.evaluate("window.ran") is None
    assert all("violates" in said or "requires" in said for said in window.complaints)
    window.complaints.clear()
    window.outside.remove("http://127.0.0.1:9/x.png")  # asked for, and refused by the policy


def test_page_says_that_its_pictures_are_missing(book: Book, window: Watched) -> None:
    path = book.write([book.item(1)])
    for copy in (book.folder / "report_files").iterdir():
        copy.unlink()
    page = window.open(path)
    expect(page.locator(".pane .why").first).to_have_text("its copy is not beside this page")
    page.locator(".card").click()
    expect(page.locator("#comparison .why").first).to_have_text("its copy is not beside this page")
    window.complaints[:] = [said for said in window.complaints if "ERR_FILE_NOT_FOUND" not in said]


def test_page_is_one_file_that_names_nothing_outside(book: Book) -> None:
    text = book.write([book.item(1)]).read_text(encoding="utf-8")
    shell = text[: text.index('<script type="application/json"')]
    policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', shell)[0])
    assert policy.startswith("default-src 'none'; img-src 'self' file: data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert '<link rel="stylesheet"' not in text
    outside = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert outside == {"http://www.w3.org/2000/svg"}


def test_page_scripts_only_ever_set_text() -> None:
    folder = Path(shown_text.__file__).parent / "page_files"
    assert {path.stem for path in folder.glob("*.js")} == set(SCRIPTS)
    assert {path.stem for path in folder.glob("*.css")} == set(STYLES)
    for path in folder.glob("*.js"):
        forbidden = re.search(
            r"innerHTML|outerHTML|insertAdjacent|\.write\(|eval\(|srcdoc", path.read_text()
        )
        assert forbidden is None, path


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXTS)
def test_link_to_stays_a_path_below_the_page(name: str) -> None:
    link = shown_text.link_to(name)
    assert re.fullmatch(r"(?:[A-Za-z0-9_.~/-]|%[0-9A-F]{2})*", link)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "cannot get https://u:pw@h.example/a.jpg?sig=abc now",
            "cannot get https://h.example/a.jpg?… now",
        ),
        ("HTTP://h.example?key=1", "HTTP://h.example?…"),
        ("see https://h.example/a#frag", "see https://h.example/a?…"),
        ("nothing to hide? no", "nothing to hide? no"),
    ],
)
def test_shown_text_holds_no_query_and_no_password(words: str, told: str) -> None:
    assert shown_text.without_queries(words) == told


def test_shown_address_holds_no_query_with_blanks_in_it() -> None:
    assert (
        shown_text.address("https://u@h.example/a b.jpg?sig=a b c") == "https://h.example/a b.jpg?…"
    )


def test_shown_columns_are_bounded_and_hide_queries() -> None:
    extra = msgspec.json.encode(
        {"url": "https://h/a?token=1", "n": {"x": ["https://h/b?token=2"]}, "long": "x" * 9999}
        | {f"c{number}": number for number in range(99)}
    )
    columns = shown_text.columns(extra)
    assert "token" not in str(columns)
    assert len(columns) == shown_text.MOST_COLUMNS
    assert len(columns["long"]) == shown_text.MOST_COLUMN_TEXT
