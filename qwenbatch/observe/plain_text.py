"""Foreign text made fit to be shown: nothing in it moves a cursor, starts a line or leaks a key.

File names, instructions and the gateway's messages are foreign: whoever wrote them may have put
terminal escapes, line breaks, bidirectional overrides or signed URLs into them.
"""

from __future__ import annotations

from unicodedata import category

MOST_SHOWN = 200
"""Characters of a foreign text that people are shown, unless told."""

_JOINERS = "\u200c\u200d"
_ELLIPSIS = "..."


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


def _visible(character: str) -> str:
    if is_showable(character):
        return character
    return character.encode("unicode_escape").decode("ascii")
