"""Texts as a page that is mailed may show them: no address carries a signature or a password."""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec

MOST_TEXT = 4_000
"""Characters of one text that are shown."""

MOST_COLUMNS, MOST_COLUMN_TEXT = 30, 500
"""Travelling columns of an item that are shown, and characters of each."""

_URL = re.compile(r"(?P<scheme>\bhttps?://)(?P<rest>[^\s\"'<>]+)", re.IGNORECASE)
_URL_HEAD = re.compile(r"(?P<scheme>https?://)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_AFTER_PATH = re.compile(r"[?#].*", re.DOTALL)


def without_queries(words: str) -> str:
    """The words, with every http(s) address in it cut off before its query; at most MOST_TEXT."""
    return _cut(_URL.sub(_bare, words[: 4 * MOST_TEXT]), MOST_TEXT)


def address(url: str) -> str:
    """A whole http(s) address, without its query and without a password."""
    found = _URL_HEAD.match(url)
    return _cut(url if found is None else _bare(found), MOST_TEXT)


def text(words: str) -> str:
    """The words, at most MOST_TEXT characters of them."""
    return _cut(words, MOST_TEXT)


def columns(extra: bytes) -> dict[str, str]:
    """An item's travelling columns, given as a JSON object, as texts."""
    if extra == b"{}":
        return {}
    values = msgspec.json.decode(extra, type=dict[str, object])
    shown = list(values.items())[:MOST_COLUMNS]
    return {_cut(name, MOST_COLUMN_TEXT): _column(value) for name, value in shown}


def link_to(path: str) -> str:
    """The address of a file by its POSIX path relative to the page: no name in it means more."""
    return quote(path, safe="/")


def _column(value: object) -> str:
    words = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _cut(without_queries(words), MOST_COLUMN_TEXT)


def _bare(found: re.Match[str]) -> str:
    rest = found["rest"]
    bare = _AFTER_PATH.sub("?…", rest)
    authority, slash, path = bare.partition("/")
    return found["scheme"] + authority.rpartition("@")[2] + slash + path


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
