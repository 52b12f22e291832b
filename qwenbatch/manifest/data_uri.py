"""Where a data URI's base64 text lies in the line of JSON that holds it."""

from __future__ import annotations

import re

import msgspec

from qwenbatch.core.items import Fault

_MARK = ";base64,"
_header = re.compile(r"data:([A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+);base64,").match
_is_base64_start = re.compile(r"[A-Za-z0-9+/]*={0,2}").fullmatch
_PROBE = 64


class Inline(msgspec.Struct, frozen=True):
    """A data URI's media type, and the place of its base64 text in the line, in bytes."""

    mime: str
    offset: int
    length: int


def is_data_uri(text: str) -> bool:
    """Whether a text sets out to be a data URI."""
    return text[:5].lower() == "data:"


def find_inline(uri: str, raw: bytes) -> Inline | Fault:
    r"""Where in the raw line the base64 text of this URI stands, or why it cannot be used.

    Only the look of the text is judged, its head and tail; it is decoded by whoever reads it. In
    the line it may hold JSON's `\\/` for `/`, but no other escape.
    """
    header = _header(uri)
    if header is None:
        return _refusal("the data URI is not data:<type>;base64,<data>")
    start = header.end()
    size = len(uri) - start
    if not size:
        return _refusal("the data URI is empty")
    if not uri.isascii() or not _looks_sound(uri, start) or size % 4:
        return _refusal("the data URI's text is not base64, or was cut off")
    payload = uri[start:].encode()
    place = raw.find(payload)
    if place >= 0:
        return Inline(mime=header[1].lower(), offset=place, length=size)
    found = _escaped(payload, raw)
    if found is None:
        return _refusal("the data URI's base64 text holds JSON escapes other than \\/")
    return Inline(mime=header[1].lower(), offset=found[0], length=found[1])


def _looks_sound(uri: str, start: int) -> bool:
    head, tail = uri[start : start + _PROBE], uri[max(start, len(uri) - _PROBE) :]
    padded = head if len(uri) - start <= _PROBE else head + "A"
    return bool(_is_base64_start(tail) and _is_base64_start(padded))


def _escaped(payload: bytes, raw: bytes) -> tuple[int, int] | None:
    """Offset and length of the payload where the line escapes its slashes."""
    mark = _MARK.encode()
    at = raw.find(mark)
    while at >= 0:
        start = at + len(mark)
        end = raw.find(b'"', start)
        if end < 0:
            return None
        if raw[start:end].replace(b"\\/", b"/") == payload:
            return start, end - start
        at = raw.find(mark, start)
    return None


def _refusal(reason: str) -> Fault:
    return Fault(
        reason=reason,
        column="image",
        advice="write the picture to a file and name that, or encode it again",
    )
