"""A subscription key: what one may look like, and a value that does not give it away."""

from __future__ import annotations

from typing import NoReturn

from qwenbatch.errors import UsageError


class SubscriptionKey:
    """A key for the gateway. Only `revealed` holds its text; nothing shows or stores it by mistake.

    Raises UsageError, which never shows it, unless it can stand in a header: printable ASCII
    without spaces.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text or not (text.isascii() and text.isprintable()) or " " in text:
            raise UsageError(
                "the subscription key is empty, or holds characters that no key has",
                "copy it again, without spaces and line ends in it or around it",
            )
        self._text = text

    @property
    def revealed(self) -> str:
        """The key itself, for the header of a request to the gateway."""
        return self._text

    def __repr__(self) -> str:
        """A stand-in; `str` and formatting give it too."""
        return "SubscriptionKey(***)"

    def __reduce__(self) -> NoReturn:
        """It is not pickled: a key is not written anywhere."""
        raise TypeError("a subscription key is not to be stored")
