from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.plain_urls import without_queries
from qwenbatch.observe.plain_text import plain

HOSTILE = st.text(st.characters(), max_size=300)


@given(HOSTILE, st.integers(3, 250))
def test_plain_has_no_controls_and_keeps_its_bound(text: str, most: int) -> None:
    shown = plain(text, most=most)

    assert len(shown) <= most
    assert not [
        character
        for character in shown
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or (unicodedata.category(character) == "Cf" and character not in "\u200c\u200d")
    ]


@given(HOSTILE)
def test_plain_is_ascii_where_only_that_can_be_shown(text: str) -> None:
    assert plain(text, encoding="ascii").isascii()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cats/a.jpg", "cats/a.jpg"),
        ("[red]alarm[/red]", "[red]alarm[/red]"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\x9b31m", r"\x9b31m"),
        ("raw\udcff.png", r"raw\udcff.png"),
        ("Café 3.04\u202fPM 猫", "Café 3.04\u202fPM 猫"),
    ],
)
def test_plain_shows_hostile_text_harmlessly(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_plain_says_that_it_cut() -> None:
    assert plain("abcdefghij", most=8) == "abcde..."


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("https://h/p.png?sig=1&b=2", "https://h/p.png"),
        ("see (https://h/p?x=1) now", "see (https://h/p now"),
        ("HTTP://H/p?x and s3://b/k?y", "HTTP://H/p and s3://b/k"),
        (r'{"url":"https:\/\/h\/p?sig=1"}', r'{"url":"https:\/\/h\/p"}'),
        ("https://user:word@h/p@2x.png", "https://h/p@2x.png"),
        ("https://h?x", "https://h"),
        ("why?.jpg and a/b?.jpg", "why?.jpg and a/b?.jpg"),
    ],
)
def test_urls_lose_query_and_password(text: str, bare: str) -> None:
    assert without_queries(text) == bare


@given(st.text(max_size=50), st.text("abcSIG=&%'(){}#;", max_size=50))
def test_urls_never_keep_their_query(before: str, query: str) -> None:
    secret = f"{query}SECRET{query}"
    assert "SECRET" not in without_queries(f"{before} https://host/path?{secret} after")
