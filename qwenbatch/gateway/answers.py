"""An HTTP answer's bytes → an `Answer`, whatever they are.

All four of the contract's shapes are read as one: each field is taken from wherever a shape keeps
it. What has another type than the contract shows is as if it were missing.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from qwenbatch.core.plain_urls import without_queries
from qwenbatch.core.verdicts import Answer, Usage
from qwenbatch.gateway.retry_after import seconds_to_wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_MESSAGE = 500
MAX_CODE = 100
MAX_REQUEST_ID = 200
MAX_URL = 32_768
"""The longest text of each, in characters; what is longer is cut."""

MAX_SIDE = 1_000_000
"""The longest side of a picture that is believed, in pixels."""

_MAX_DIGITS = 18
_MAX_STATUS = 999
_is_web_url = re.compile(r"https?://\S", re.IGNORECASE).match
_is_url = re.compile(r"(?:[a-z][a-z0-9+.\-]*://|data:)\S", re.IGNORECASE).match
_is_status = re.compile(r"[0-9]{1,3}", re.ASCII).fullmatch


def read_answer(*, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Answer:
    """What an answer says; `now` is in seconds since the epoch, for dates in `Retry-After`.

    It never raises: a body that cannot be read is an answer that says nothing but its status.
    URLs in its words lose their queries; the result's own URL is as it came.
    """
    told = json_object(body)
    error = text_of(told.get("error"))
    parts = (error, text_of(told.get("message")))
    message = without_queries(": ".join(part for part in parts if part))
    return Answer(
        status=status,
        url=_image_url(told),
        inner_status=_inner_status(told),
        code=without_queries(text_of(told.get("code")))[:MAX_CODE],
        message=message[:MAX_MESSAGE],
        plain_error=bool(error),
        activity=bool(told.get("activityId")),
        request_id=text_of(told.get("request_id"))[:MAX_REQUEST_ID],
        usage=_usage(told.get("usage")),
        retry_after=wait_of(headers, message, now=now),
    )


def json_object(body: bytes) -> dict[str, Any]:
    """The body's JSON object; an empty one where there is none.

    The charset that the header claims is not asked: JSON tells its own. A broken letter costs
    that letter only, so that it does not hide the URL of a paid result.
    """
    try:
        text = body.decode(json.detect_encoding(body), errors="replace")
        told = json.loads(text, parse_int=_int)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _int(digits: str) -> int | None:
    """A number of the contract's size; Python refuses to read the very long ones."""
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def text_of(value: object) -> str:
    """A text without what cannot be stored as UTF-8; empty where it is none."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", errors="replace").decode("utf-8").strip()


def _inner_status(told: dict[str, Any]) -> int | None:
    for name in ("status_code", "statusCode"):
        value = told.get(name)
        if isinstance(value, str) and _is_status(value.strip()):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_STATUS:
            return value
    return None


def _usage(value: object) -> Usage:
    if not isinstance(value, dict):
        return Usage()
    return Usage(width=side_of(value.get("width")), height=side_of(value.get("height")))


def side_of(value: object) -> int | None:
    """A picture's side in pixels; None where it is none."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SIDE:
        return value
    return None


def _image_url(told: dict[str, Any]) -> str | None:
    """The first http(s) URL where the image should be, else the first with another scheme.

    The latter is kept, although no fetcher takes it: it shows that the edit was made, and paid.
    """
    urls = [text for value in _images(told) if _is_url(text := text_of(value))]
    return next((url for url in urls if _is_web_url(url)), urls[0] if urls else None)


def _images(told: dict[str, Any]) -> Iterator[str]:
    output = told.get("output")
    choices = output.get("choices") if isinstance(output, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else (content,):
            image = part.get("image") if isinstance(part, dict) else part
            if isinstance(image, str):
                yield image[:MAX_URL]


def web_url_of(text: str) -> str | None:
    """A text that is an http(s) URL; None otherwise."""
    return text if _is_web_url(text) else None


def header_of(headers: Mapping[str, str], wanted: str) -> str | None:
    """A header's value, its name in small letters, in whichever letters it came."""
    return next((text for name, text in headers.items() if name.lower() == wanted), None)


def wait_of(headers: Mapping[str, str], message: str, *, now: float) -> float | None:
    """Seconds to wait by `Retry-After`, or by what the message says."""
    return seconds_to_wait(header_of(headers, "retry-after"), message, now=now)
