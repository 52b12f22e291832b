"""The door of DashScope itself: a Bearer key, the model service's body, answers and codes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.answer_variants import success_variants
from qwenbatch.sandbox.faults import FaultKind
from qwenbatch.sandbox.fronts.bearer import check_bearer
from qwenbatch.sandbox.fronts.pixazo import refuse_unless_json
from qwenbatch.sandbox.order import read_order
from qwenbatch.sandbox.refusal import RefusalError
from qwenbatch.sandbox.variant_table import VARIANTS
from qwenbatch.sandbox.variants import RESULT_URL_MARK, Conduct, Shape, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.sandbox.faults import Fault
    from qwenbatch.sandbox.front import Result
    from qwenbatch.sandbox.order import Order

_REQUEST_ID = "5e0d0a1c-0000-4000-8000-da5c09e51234"
_CODES = {408: "RequestTimeOut", 413: "BadRequest.TooLarge"}
_RATE = "Requests rate limit exceeded, please try again later."


def _success(request_id: str, url: str, width: int, height: int) -> dict[str, object]:
    """The answer of the service's own page: what its SDK makes its dump of."""
    message = {"role": "assistant", "content": [{"image": url}]}
    return {
        "output": {"choices": [{"finish_reason": "stop", "message": message}]},
        "usage": {"width": width, "image_count": 1, "height": height},
        "request_id": request_id,
    }


def _variants() -> tuple[Variant, ...]:
    """What is no dump and in no gateway's shape, and mischief with this door's own success."""
    own = tuple(
        variant
        for variant in VARIANTS
        if variant.shape in {Shape.MODEL, Shape.BARE} and not variant.kind.startswith("answer_")
    )
    early = tuple(
        Variant(
            kind=FaultKind.ANSWER_EARLY,
            name=f"early-{status}",
            shape=Shape.MODEL,
            status=status,
            body=shapes.model_body(_REQUEST_ID, code, message),
            headers=(shapes.JSON_TYPE,),
            conduct=Conduct.EARLY,
        )
        for status, code, message in (
            (401, "InvalidApiKey", "Invalid API-key provided."),
            (429, "Throttling.RateQuota", _RATE),
        )
    )
    throttled = Variant(
        kind=FaultKind.THROTTLED,
        name="model-429-retry-after",
        shape=Shape.MODEL,
        status=429,
        body=shapes.model_body(_REQUEST_ID, "Throttling.RateQuota", _RATE),
        headers=(shapes.JSON_TYPE, ("Retry-After", "1")),
    )
    success = _success(_REQUEST_ID, RESULT_URL_MARK.decode(), 1024, 1024)
    return (*own, throttled, *early, *success_variants(success, padded="request_id"))


class DashScopeFront:
    """DashScope's multimodal generation."""

    name = "dashscope"
    path = "/api/v1/services/aigc/multimodal-generation/generation"
    most_bytes = 12_000_000
    variants = _variants()

    def check_key(self, headers: Mapping[str, str], key: str) -> None:
        """RefusalError unless the key is shown as a Bearer's."""
        check_bearer(headers, key, code="InvalidApiKey", message="Invalid API-key provided.")

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """RefusalError for a body that does not say that it is JSON."""
        refuse_unless_json(headers)

    def read(self, body: bytes, headers: Mapping[str, str]) -> Order:
        """What a body asks for."""
        del headers
        return read_order(body)

    def success(self, order: Order, result: Result, fault: Fault | None) -> bytes:
        """The documented answer."""
        del order, fault
        told = _success(result.request_id, result.url, result.width, result.height)
        return shapes.as_json(told)

    def refused(self, refusal: RefusalError) -> bytes:
        """Always with a code."""
        code = refusal.code or _CODES.get(refusal.status, "InvalidParameter")
        return shapes.model_body(str(uuid4()), code, refusal.message)

    def too_soon(self, turn: int, seconds: int) -> RefusalError:
        """Of the documented codes, by turns; the service tells no time to wait."""
        del seconds
        codes = ("Throttling.RateQuota", "Throttling.BurstRate", "Throttling")
        return RefusalError(
            outcome=FaultKind.THROTTLED,
            status=429,
            message=_RATE,
            code=codes[turn % len(codes)],
        )
