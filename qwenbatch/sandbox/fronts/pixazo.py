"""The door of Pixazo's gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.delivery import KEY_HEADER
from qwenbatch.sandbox.faults import FaultKind
from qwenbatch.sandbox.order import read_order
from qwenbatch.sandbox.refusal import RefusalError, invalid_request, refused_plainly
from qwenbatch.sandbox.variant_table import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.sandbox.faults import Fault
    from qwenbatch.sandbox.front import Result
    from qwenbatch.sandbox.order import Order

ENDPOINT_PATH = "/qwen-image/v1/generateMultimodeTextToImageEditRequest"


class PixazoFront:
    """The gateway's own key, the model service's body, answers in four shapes."""

    name = "pixazo"
    path = ENDPOINT_PATH
    most_bytes = 12_000_000
    variants = VARIANTS

    def check_key(self, headers: Mapping[str, str], key: str) -> None:
        """RefusalError without the key, or with another one."""
        shown = headers.get(KEY_HEADER)
        if shown == key:
            return
        message = (
            "Access denied due to missing subscription key. "
            "Make sure to include subscription key when making requests to an API."
            if not shown
            else "Access denied due to invalid subscription key. "
            "Make sure to provide a valid key for an active subscription."
        )
        raise RefusalError(
            outcome="refused_denied",
            status=401,
            message=message,
            body=shapes.gateway_body(401, message),
        )

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """RefusalError without the documented headers."""
        refuse_unless_json(headers)
        if headers.get("Cache-Control", "").strip().lower() != "no-cache":
            raise invalid_request("Cache-Control must be no-cache.")

    def read(self, body: bytes, headers: Mapping[str, str]) -> Order:
        """What a body asks for."""
        del headers
        return read_order(body)

    def success(self, order: Order, result: Result, fault: Fault | None) -> bytes:
        """The long sample of the service's page."""
        del order, fault
        return shapes.success_body(result.request_id, result.url, result.width, result.height)

    def refused(self, refusal: RefusalError) -> bytes:
        """In the model service's shape if it has a code, else in that of the service's page."""
        if refusal.code:
            return shapes.model_body(str(uuid4()), refusal.code, refusal.message)
        return shapes.plain_body(refusal.error, refusal.message)

    def too_soon(self, turn: int, seconds: int) -> RefusalError:
        """In two shapes by turns."""
        if turn % 2:
            return refused_plainly(
                429,
                "Rate limit exceeded, please retry later",
                "Too many requests.",
                outcome=FaultKind.THROTTLED,
            )
        message = f"Rate limit is exceeded. Try again in {seconds} seconds."
        return RefusalError(
            outcome=FaultKind.THROTTLED,
            status=429,
            message=message,
            body=shapes.gateway_body(429, message),
            headers=(("Retry-After", str(seconds)),),
        )


def refuse_unless_json(headers: Mapping[str, str]) -> None:
    """RefusalError for a body that does not say that it is JSON."""
    said = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if said != "application/json":
        raise refused_plainly(
            415,
            "Invalid request parameters",
            "Content-Type must be application/json.",
            outcome="refused_invalid",
        )
