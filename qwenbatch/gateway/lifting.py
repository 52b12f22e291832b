"""Takes a picture out of an answer's JSON while it comes in, so that it never is in memory whole.

Only strings are told apart, by their quotes and escapes: which key comes before a value is all
that must be known. What is no JSON at all passes through as it is.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import pybase64

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_KEY: Final = 64
_MOST_HEAD: Final = 100
"""Letters within which a data URI's head ends."""

_MARK: Final = b"data:"
_QUOTE, _BACKSLASH = b'"', b"\\"
_stop = re.compile(rb'["\\]').search
_ESCAPED: Final = {b"/": b"/", b"n": b"", b"r": b"", b"t": b""}
_UNICODE: Final = 5
"""Letters of an escape such as `u003d`."""

_GROUP: Final = 4
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_BLANKS: Final = b" \t\r\n"


class _At(Enum):
    OUTSIDE = auto()
    STRING = auto()
    OPENING = auto()
    """At the beginning of a value that may be a picture."""
    PICTURE = auto()


class Lifter:
    """Lifts the first picture in base64 out of one JSON text, given in pieces.

    Any of `fields` holds one, in plain base64 or as a data URI; any of `urls` does where its value
    is a data URI. `lifted` is true once the picture has ended and was base64 throughout; `broken`
    if it was not.
    """

    def __init__(self, fields: frozenset[str], urls: frozenset[str] = frozenset()) -> None:
        self._fields = frozenset(field.encode() for field in fields)
        self._either = self._fields.union(field.encode() for field in urls)
        self._at = _At.OUTSIDE
        self._between = bytearray()
        self._word = bytearray()
        self._escape: bytearray | None = None
        self._text = bytearray()
        self._decoded: list[bytes] = []
        self._rest = bytearray()
        self._ended = False
        self._key = b""
        self.lifted = False
        self.broken = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The next piece of the text → what passes through of it, and what it adds to the picture.

        Where the picture stood an empty string is left.
        """
        steps: dict[_At, Callable[[bytes, int], int]] = {
            _At.OUTSIDE: self._outside,
            _At.STRING: self._string,
            _At.OPENING: self._opening,
            _At.PICTURE: self._picture,
        }
        position = 0
        while position < len(data):
            position = steps[self._at](data, position)
        if self._at is _At.PICTURE:
            self._decode(last=False)
        rest, picture = bytes(self._rest), b"".join(self._decoded)
        self._rest.clear()
        self._decoded.clear()
        return rest, picture

    def _outside(self, data: bytes, position: int) -> int:
        quote = data.find(_QUOTE, position)
        end = len(data) if quote < 0 else quote
        passed = data[position:end]
        self._rest += passed
        self._between += passed.strip()[:2]
        if quote < 0:
            return end
        self._rest += _QUOTE
        value = self._between == b":" and bytes(self._word) in self._either
        free = not (self.lifted or self.broken)
        self._key = bytes(self._word)
        self._at = _At.OPENING if value and free else _At.STRING
        self._between.clear()
        self._word.clear()
        return end + 1

    def _string(self, data: bytes, position: int) -> int:
        if self._escape is not None:
            self._rest += data[position : position + 1]
            self._escape = None
            return position + 1
        found = _stop(data, position)
        end = len(data) if found is None else found.start()
        self._rest += data[position : end + 1]
        if len(self._word) <= _MOST_KEY:
            self._word += data[position : min(end, position + _MOST_KEY)]
        if found is None:
            return end
        if found.group() == _BACKSLASH:
            self._escape = bytearray()
        else:
            self._at = _At.OUTSIDE
        return end + 1

    def _opening(self, data: bytes, position: int) -> int:
        """Gather until it is known whether a data URI, another URL, or base64 begins."""
        wanted = _MOST_HEAD if self._text.startswith(_MARK) else len(_MARK)
        piece = data[position : position + wanted - len(self._text)]
        found = _stop(piece)
        comma = piece.find(b",") if self._text.startswith(_MARK) else -1
        if comma >= 0 and (found is None or comma < found.start()):
            self._text.clear()
            self._at = _At.PICTURE
            return position + comma + 1
        took = len(piece) if found is None else found.start()
        self._text += piece[:took]
        if found is None and len(self._text) < wanted:
            return position + took
        if found is None and wanted == len(_MARK) and self._text == _MARK:
            return position + took
        if self._key in self._fields and not self._text.startswith(_MARK):
            self._at = _At.PICTURE
        else:
            self._rest += self._text
            self._text.clear()
            self._at = _At.STRING
        return position + took

    def _picture(self, data: bytes, position: int) -> int:
        if self._escape is not None:
            return self._unescape(data, position)
        found = _stop(data, position)
        end = len(data) if found is None else found.start()
        self._text += data[position:end]
        if found is None:
            return end
        if found.group() == _BACKSLASH:
            self._escape = bytearray()
            return end + 1
        self._decode(last=True)
        self._rest += _QUOTE
        self._at = _At.OUTSIDE
        self.lifted = not self.broken
        return end + 1

    def _unescape(self, data: bytes, position: int) -> int:
        escape = self._escape or bytearray()
        wanted = _UNICODE if (escape or data[position : position + 1]).startswith(b"u") else 1
        piece = data[position : position + wanted - len(escape)]
        escape += piece
        self._escape = escape
        if len(escape) == wanted:
            self._escape = None
            self._text += _letter(bytes(escape))
        return position + len(piece)

    def _decode(self, *, last: bool) -> None:
        whole = len(self._text) - (0 if last else len(self._text) % _GROUP)
        text = bytes(self._text[:whole])
        del self._text[:whole]
        if not text or self.broken:
            return
        try:
            decoded = pybase64.b64decode(text, validate=True)
        except ValueError:
            text = self._plain(text, last=last)
            try:
                decoded = pybase64.b64decode(text, validate=True)
            except ValueError:
                self.broken = True
                return
        # Nothing may come behind the padding.
        self.broken = self._ended and bool(text)
        self._decoded.append(decoded)
        self._ended = self._ended or text.endswith(b"=")

    def _plain(self, text: bytes, *, last: bool) -> bytes:
        """Whole groups of base64 as most write it, of what has blanks, other signs or no padding.

        What was paid for is not refused for how it is spelled: its bytes are verified later on.
        """
        text = text.translate(_STANDARD, _BLANKS)
        if last:
            return text + b"=" * (-len(text) % _GROUP)
        whole = len(text) - len(text) % _GROUP
        self._text[:0] = text[whole:]
        return text[:whole]


def _letter(escape: bytes) -> bytes:
    """What an escape stands for; a sign that no base64 holds where it is none of those in use."""
    if len(escape) == _UNICODE:
        try:
            return chr(int(escape[1:], 16)).encode("ascii")
        except ValueError:
            return b"?"
    return _ESCAPED.get(escape, b"?")
