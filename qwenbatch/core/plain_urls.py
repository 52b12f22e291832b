"""URLs as they may be shown and logged: whoever signed one put a secret into its query."""

from __future__ import annotations

import re

_TOKEN = re.compile(r'[^\s"<>]+')
_AUTHORITY = re.compile(r":(?:\\?/){2}")


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
