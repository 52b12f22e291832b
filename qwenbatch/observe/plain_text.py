"""Foreign text made fit to be shown: nothing in it moves a cursor, starts a line or leaks a key.

File names, instructions and the gateway's messages are foreign: whoever wrote them may have put
terminal escapes, line breaks, bidirectional overrides or signed URLs into them.
"""

from __future__ import annotations

import re
from unicodedata import category

MOST_SHOWN = 200
"""Characters of a foreign text that people are shown, unless told."""

_JOINERS = "\u200c\u200d"
_ELLIPSIS = "..."
_TOKEN = re.compile(r'[^\s"<>]+')
_AUTHORITY = re.compile(r":(?:\\?/){2}")


def plain(text: str, *, most: int = MOST_SHOWN, encoding: str = "utf-8") -> str:
    r"""The text on one line, without control characters, at most `most` characters long.

    What cannot be shown as it is, or not in `encoding`, stands as Python writes it: `\n`, `\x1b`,
    `\u202e`; lone surrogates (of file names that are no UTF-8) likewise. Markup such as `[red]`
    stays as it is: it is text, and must be printed as text.
    """
    shown = text[:most]
    if not shown.isprintable():
        shown = "".join(map(_visible, shown))
    shown = shown.encode(encoding, "backslashreplace").decode(encoding)
    if len(text) > most or len(shown) > most:
        shown = shown[: max(0, most - len(_ELLIPSIS))] + _ELLIPSIS
    return shown


def is_showable(character: str) -> bool:
    """Whether a character may be shown as it is: it is printable, a space, or joins letters."""
    return character.isprintable() or character in _JOINERS or category(character) == "Zs"


def without_queries(text: str) -> str:
    """The text, each URL in it without its query and without a user's name and password.

    A URL ends at white space or at one of the signs that it cannot hold; JSON's escaped slashes
    are known.
    """
    if "/" not in text:
        return text
    return _TOKEN.sub(_bare, text)


def _bare(found: re.Match[str]) -> str:
    token = found.group()
    start = _AUTHORITY.search(token)
    if start is None:
        return token
    head, rest = token[: start.end()], token[start.end() :].partition("?")[0]
    authority = re.split(r"[/\\]", rest, maxsplit=1)[0]
    return head + rest[authority.rfind("@") + 1 :]


def _visible(character: str) -> str:
    if is_showable(character):
        return character
    return character.encode("unicode_escape").decode("ascii")
