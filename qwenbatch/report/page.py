"""Outcomes as one HTML page that needs nothing but itself and the pictures beside it.

Its policy lets nothing load but pictures, and nothing run but the script that is in it.
"""

from __future__ import annotations

import base64
import html
import re
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from qwenbatch.report.page_data import PageHead, PageItem

STYLES = ("colours", "page", "summary", "toolbar", "cards", "viewer", "slider")
"""The page's style sheets, in the order in which they hold."""

SCRIPTS = (
    "words",
    "elements",
    "items",
    "query",
    "card",
    "shelf",
    "slider",
    "facts",
    "viewer",
    "summary",
    "toolbar",
    "theme",
    "main",
)
"""The page's scripts, each before those that build on it; together they are one module."""

_POLICY = (
    "default-src 'none'; img-src 'self' file: data:; style-src '{style}'; script-src '{script}';"
    " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_MARK = re.compile(r"\{\{(\w+)\}\}")
_UNSAFE = re.compile("[<>&\u2028\u2029]")


def write_page(head: PageHead, items: Iterable[PageItem], to: TextIO) -> None:
    """The whole page; the items are written as they come."""
    style, script = _inlined(STYLES, "css"), _inlined(SCRIPTS, "js")
    policy = _POLICY.format(style=_hash(style), script=_hash(script))
    values = {
        "policy": html.escape(policy),
        "title": html.escape(f"{head.title}: qwenbatch report"),
        "style": style,
        "script": script,
    }
    # The page's skeleton is split at its marks, for what is put in may look like one.
    skeleton = _MARK.split(_asset("page.html"))
    for place, text in enumerate(skeleton):
        if place % 2 == 0:
            to.write(text)
        elif text == "data":
            to.writelines(_data(head, items))
        else:
            to.write(values[text])


def _data(head: PageHead, items: Iterable[PageItem]) -> Iterator[str]:
    """The data as JSON, an item a line."""
    encode = msgspec.json.Encoder().encode
    yield '{"head":' + _escaped(encode(head))
    yield ',\n"items":['
    between = "\n"
    for item in items:
        yield between + _escaped(encode(item))
        between = ",\n"
    yield "\n]}"


def _escaped(json: bytes) -> str:
    """JSON that ends no script element and no line, whatever texts it holds."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.decode())


def _inlined(names: Iterable[str], extension: str) -> str:
    return "\n".join(_asset(f"{name}.{extension}") for name in names)


def _asset(name: str) -> str:
    return (files("qwenbatch.report") / "page_files" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(sha256(text.encode()).digest()).decode()
