"""Any server that opens OpenAI's `/v1/images/edits`: vLLM-Omni, SGLang, LocalAI, one's own.

The request is a multipart form. The picture goes first and the texts behind it, so that a body
without its last chunk lacks the prompt and its own end. The answer holds the picture in base64, or
a URL of it. A failure is `{"error": {"message", "type", "code"}}`, or `{"detail": …}` where the
server is made with FastAPI.

Such servers know no watermark and, most of them, no URLs as sources. Most take a fixed seed where
none is told: so another take is told another one.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from qwenbatch.core.items import MODEL
from qwenbatch.core.limits import Limits, PictureForm
from qwenbatch.core.money import NOTHING
from qwenbatch.core.pictures import Format
from qwenbatch.core.plain_urls import without_queries
from qwenbatch.core.verdicts import Answer, Kind, Rule, Usage
from qwenbatch.gateway.answers import (
    MAX_CODE,
    MAX_MESSAGE,
    MAX_REQUEST_ID,
    MAX_URL,
    header_of,
    json_object,
    side_of,
    text_of,
    wait_of,
    web_url_of,
)
from qwenbatch.gateway.door import Door, Frame, KeyHeader, Order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PICTURE_BYTES = 50_000_000
"""The largest picture that OpenAI's own documentation allows."""

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


def _framed(order: Order, media_type: str) -> Frame:
    boundary = f"qwenbatch-{os.urandom(16).hex()}"
    extension = _EXTENSIONS.get(media_type, "png")
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="image"; filename="image.{extension}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    fields = "".join(
        f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'
        for name, value in _fields(order)
    )
    return Frame(
        head.encode(),
        f"{fields}\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )


def _fields(order: Order) -> Iterator[tuple[str, str]]:
    """The form's fields behind the picture."""
    yield "model", MODEL
    yield "n", "1"
    yield "response_format", "b64_json"
    if order.negative_prompt:
        yield "negative_prompt", order.negative_prompt
    if order.take != 1:
        yield "seed", str(order.take)
    yield "prompt", order.instruction


def _read(*, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Answer:
    told = json_object(body)
    failure = told.get("error", told.get("detail"))
    said = failure if isinstance(failure, dict) else {"message": _flat(failure)}
    message = without_queries(text_of(said.get("message")) or text_of(told.get("message")))
    return Answer(
        status=status,
        url=_url(told.get("data")),
        code=without_queries(_code(said))[:MAX_CODE],
        message=message[:MAX_MESSAGE],
        plain_error=bool(failure),
        request_id=_request_id(told, headers),
        usage=_usage(told),
        retry_after=wait_of(headers, message, now=now),
    )


def _flat(failure: object) -> str:
    """What a failure says that is no object; FastAPI lists what is wrong with each field."""
    if failure is None or isinstance(failure, str):
        return failure or ""
    return json.dumps(failure, ensure_ascii=False)


def _code(said: dict[str, Any]) -> str:
    """The failure's code, or its type where the code is a number, as vLLM's is."""
    return text_of(said.get("code")) or text_of(said.get("type"))


def _url(data: object) -> str | None:
    for one in data if isinstance(data, list) else ():
        text = text_of(one.get("url")) if isinstance(one, dict) else ""
        if url := web_url_of(text[:MAX_URL]):
            return url
    return None


def _request_id(told: dict[str, Any], headers: Mapping[str, str]) -> str:
    header = header_of(headers, "x-request-id") or ""
    return (text_of(told.get("id")) or text_of(header))[:MAX_REQUEST_ID]


def _usage(told: dict[str, Any]) -> Usage:
    """The picture's size, which some servers tell as `size`: "1024x768"."""
    width, _, height = text_of(told.get("size")).partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(width + height) < MAX_CODE):
        return Usage()
    return Usage(side_of(int(width)), side_of(int(height)))


OPENAI = Door(
    name="openai",
    endpoint=None,
    price=NOTHING,
    key=KeyHeader(name="Authorization", scheme="Bearer", needed=False),
    limits=Limits(
        form=PictureForm.BYTES,
        picture_bytes=PICTURE_BYTES,
        formats=frozenset({Format.JPEG, Format.PNG, Format.WEBP}),
        sides=None,
        instruction=None,
        negative_prompt=None,
        urls=False,
        watermark=False,
    ),
    frame=_framed,
    read=_read,
    rules=(
        Rule(
            kind=Kind.EXHAUSTED,
            codes=("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"),
        ),
        Rule(kind=Kind.THROTTLED, codes=("rate_limit_exceeded", "rate_limit_error")),
        Rule(kind=Kind.DENIED, codes=("invalid_api_key", "invalid_organization")),
        Rule(kind=Kind.MISADDRESSED, codes=("model_not_found",)),
        Rule(kind=Kind.MISADDRESSED, phrases=("model mismatch",)),
        Rule(
            kind=Kind.MODERATED,
            codes=("content_policy_violation", "moderation_blocked", "content_filter"),
        ),
    ),
    pictures=frozenset({"b64_json"}),
    picture_urls=frozenset({"url"}),
)
