"""The door of a server with OpenAI's `/v1/images/edits`: a form goes in, the picture comes back."""

from __future__ import annotations

import base64
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.faults import RESULT_KINDS, FaultKind
from qwenbatch.sandbox.form import Part, read_form
from qwenbatch.sandbox.fronts.bearer import check_bearer
from qwenbatch.sandbox.fronts.openai_variants import OPENAI_VARIANTS, failure_body
from qwenbatch.sandbox.order import FORMAT_BY_MIME, MODEL, InlineImage, Order
from qwenbatch.sandbox.refusal import RefusalError, invalid_request
from qwenbatch.sandbox.result_mischief import as_jpeg, corrupted, with_huge_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.sandbox.faults import Fault
    from qwenbatch.sandbox.front import Result

_CHOICES: Mapping[str, frozenset[str]] = {
    "n": frozenset({"1"}),
    "response_format": frozenset({"b64_json", "url"}),
    "output_format": frozenset({"png"}),
    "stream": frozenset({"false"}),
    "background": frozenset({"auto", "opaque"}),
    "size": frozenset({"auto", "1024x1024"}),
}
_FREE = frozenset({"model", "prompt", "negative_prompt", "seed", "user"})
_IMAGES = frozenset({"image", "image[]"})
_TYPES: Mapping[str, str] = {
    mime: FORMAT_BY_MIME[mime] for mime in ("image/png", "image/jpeg", "image/webp")
}

_IN_ANSWER = frozenset(
    {
        FaultKind.RESULT_CUT,
        FaultKind.RESULT_CORRUPT,
        FaultKind.RESULT_HTML,
        FaultKind.RESULT_JPEG,
        FaultKind.RESULT_HUGE_HEADER,
    },
)
"""Mischief with a picture's bytes; all other sits on a URL, at which the picture then is."""


class OpenAIFront:
    """Strict: a field that it does not know is refused, as is a form that is not whole."""

    name = "openai"
    path = "/v1/images/edits"
    most_bytes = 51_000_000
    variants = OPENAI_VARIANTS

    def check_key(self, headers: Mapping[str, str], key: str) -> None:
        """RefusalError unless the key is shown as a Bearer's."""
        message = "Incorrect API key provided."
        check_bearer(headers, key, code="invalid_api_key", message=message)

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """RefusalError for a body that does not say that it is a form."""
        said = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if said != "multipart/form-data":
            raise invalid_request("Content-Type must be multipart/form-data.")

    def read(self, body: bytes, headers: Mapping[str, str]) -> Order:
        """What a form asks for."""
        parts = read_form(body, headers)
        images = [part for part in parts if part.name in _IMAGES]
        fields = _fields([part for part in parts if part.name not in _IMAGES])
        if fields.get("model", MODEL) != MODEL:
            raise RefusalError(
                outcome="refused_misaddressed",
                status=404,
                message=f"The model {fields['model']!r} does not exist.",
                code="model_not_found",
            )
        if not fields.get("prompt", "").strip():
            raise invalid_request("Missing required parameter: 'prompt'.")
        return Order(
            image=_image(images),
            instruction=fields["prompt"],
            negative_prompt=fields.get("negative_prompt", ""),
            watermark=False,
            most_characters=None,
            at_url=fields.get("response_format", "b64_json") == "url",
        )

    def success(self, order: Order, result: Result, fault: Fault | None) -> bytes:
        """The picture itself, unless it was asked for at a URL or mischief waits there."""
        kind = None if fault is None else fault.kind
        told: dict[str, object] = {"url": result.url, "b64_json": None}
        if not order.at_url and (kind not in RESULT_KINDS or kind in _IN_ANSWER):
            picture = base64.b64encode(_spoilt(result.png, kind)).decode()
            told = {"b64_json": picture, "url": None, "revised_prompt": None}
        size = f"{result.width}x{result.height}"
        return shapes.as_json(
            {"id": result.request_id, "created": int(time()), "data": [told], "size": size},
        )

    def refused(self, refusal: RefusalError) -> bytes:
        """`{"error": {…}}`."""
        type_ = "authentication_error" if refusal.status == HTTPStatus.UNAUTHORIZED else ""
        return failure_body(refusal.message, type_ or "invalid_request_error", refusal.code or None)

    def too_soon(self, turn: int, seconds: int) -> RefusalError:
        """With a time to wait, and without one, by turns."""
        return RefusalError(
            outcome=FaultKind.THROTTLED,
            status=429,
            message="Rate limit reached for images.",
            code="rate_limit_exceeded",
            headers=() if turn % 2 else (("Retry-After", str(seconds)),),
        )


def _fields(parts: list[Part]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in parts:
        if part.filename is not None or (part.name not in _FREE and part.name not in _CHOICES):
            raise invalid_request(f"Unknown parameter: '{part.name}'.")
        if part.name in fields:
            raise invalid_request(f"Duplicate parameter: '{part.name}'.")
        try:
            value = part.data.decode()
        except UnicodeDecodeError:
            raise invalid_request(f"'{part.name}' is not UTF-8.") from None
        if value not in _CHOICES.get(part.name, {value}):
            raise invalid_request(f"Invalid value for '{part.name}': {value!r}.")
        fields[part.name] = value
    if not fields.get("seed", "0").isdecimal():
        raise invalid_request("'seed' must be a whole number.")
    return fields


def _image(images: list[Part]) -> InlineImage:
    if len(images) != 1 or images[0].filename is None or not images[0].data:
        raise invalid_request("'image' must be exactly one file.")
    image = images[0]
    if image.content_type not in _TYPES:
        raise invalid_request(f"'image' must be one of {', '.join(_TYPES)}.")
    return InlineImage(image.data, _TYPES[image.content_type])


def _spoilt(png: bytes, kind: FaultKind | None) -> bytes:
    match kind:
        case FaultKind.RESULT_CUT:
            return png[: len(png) // 2]
        case FaultKind.RESULT_CORRUPT:
            return corrupted(png)
        case FaultKind.RESULT_HTML:
            return shapes.html_body("One moment")
        case FaultKind.RESULT_JPEG:
            return as_jpeg(png)
        case FaultKind.RESULT_HUGE_HEADER:
            return with_huge_header(png)
        case _:
            return png
