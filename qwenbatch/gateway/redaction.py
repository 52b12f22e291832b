"""Takes the key out of what a server says: some repeat it in the error that refuses it.

An answer's words go into ledger, log, export and screen, and its body is kept while it is in
doubt. So the key is taken out before anything of an answer is handed on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from qwenbatch.core.subscription_key import SubscriptionKey
    from qwenbatch.core.verdicts import Answer

LEAST_KEY = 8
"""A shorter key, such as the sandbox's, is no secret: it cannot be told from ordinary words."""

LEAST_START = 6
"""So many letters of a key, at the very end of a text, are a key that was cut off."""

MASK = "***"

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


class Redactor:
    """Puts `***` in the place of one key, in whichever way it is written.

    Known are: any case; JSON's, URLs' and HTML's escapes of single letters; UTF-16 and UTF-32. A
    text that ends amid the key loses that beginning, if it is of 6 letters at least. Where there is
    no key nothing is taken out.
    """

    def __init__(self, key: SubscriptionKey | None) -> None:
        text = "" if key is None else key.revealed
        self._secret = len(text) >= LEAST_KEY
        self._find = re.compile(r"\x00{0,3}".join(map(_spellings, text)), re.IGNORECASE)
        self._text = text

    def text(self, text: str) -> str:
        """A text without the key."""
        if not self._secret:
            return text
        return self._without_start(self._find.sub(MASK, text))

    def data(self, data: bytes) -> bytes:
        """Bytes without the key; never more than there were."""
        return self.text(data.decode("latin-1")).encode("latin-1")

    def answer(self, answer: Answer) -> Answer:
        """An answer without the key. A result's URL is no exception: no result is worth it."""
        return replace(
            answer,
            url=None if answer.url is None else self.text(answer.url),
            code=self.text(answer.code),
            message=self.text(answer.message),
            request_id=self.text(answer.request_id),
        )

    def _without_start(self, text: str) -> str:
        key = self._text.casefold()
        end = text[1 - len(key) :].casefold()
        for length in range(len(key) - 1, LEAST_START - 1, -1):
            if end.endswith(key[:length]):
                return text[:-length] + MASK
        return text


def _spellings(letter: str) -> str:
    """A pattern of every way in which a printable ASCII letter is written."""
    code = f"{ord(letter):02x}"
    ways = [
        re.escape(letter) if letter.isalnum() else rf"\\?{re.escape(letter)}",
        rf"\\u00{code}",
        rf"%(?:25)?{code}",
        rf"&\#0*{ord(letter)};",
        rf"&\#x0*{code};",
    ]
    if letter in _ENTITIES:
        ways.append(_ENTITIES[letter])
    return f"(?:{'|'.join(ways)})"
