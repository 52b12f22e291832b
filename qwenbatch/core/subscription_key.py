"""What a subscription key may look like."""

from __future__ import annotations

from qwenbatch.errors import UsageError


def checked_key(key: str) -> str:
    """The key itself; UsageError, which never shows it, if it cannot stand in a header.

    A key is printable ASCII without spaces.
    """
    if not key or not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(
            "the subscription key is empty, or holds characters that no key has",
            "copy it again, without spaces and line ends in it or around it",
        )
    return key
