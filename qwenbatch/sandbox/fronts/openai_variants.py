"""The ways in which faults come at OpenAI's door: OpenAI's own shape, vLLM's, FastAPI's, none."""

from __future__ import annotations

from http import HTTPStatus

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.answer_variants import success_variants
from qwenbatch.sandbox.faults import FaultKind
from qwenbatch.sandbox.variant_table import VARIANTS
from qwenbatch.sandbox.variants import RESULT_PICTURE_MARK, Conduct, Shape, Variant

_K = FaultKind
_INVALID = "invalid_request_error"


def failure_body(message: str, type_: str, code: str | int | None) -> bytes:
    """OpenAI's shape; vLLM's where the code is the status."""
    return shapes.as_json(
        {"error": {"message": message, "type": type_, "param": None, "code": code}},
    )


def _variant(
    kind: FaultKind,
    name: str,
    status: int,
    body: bytes,
    *headers: tuple[str, str],
    conduct: Conduct = Conduct.ANSWER,
) -> Variant:
    return Variant(
        kind=kind,
        name=f"{name}-{status}",
        shape=Shape.ERROR,
        status=status,
        body=body,
        headers=(shapes.JSON_TYPE, *headers),
        conduct=conduct,
    )


def _error(
    kind: FaultKind,
    status: int,
    type_: str,
    code: str | int | None,
    message: str,
    *headers: tuple[str, str],
) -> Variant:
    name = "-".join(str(word) for word in ("error", code or type_, *headers))
    return _variant(kind, name, status, failure_body(message, type_, code), *headers)


def _detail(kind: FaultKind, status: int, detail: object) -> Variant:
    return _variant(kind, f"detail-{str(detail)[:40]}", status, shapes.as_json({"detail": detail}))


def _bare(kind: FaultKind, *statuses: int) -> tuple[Variant, ...]:
    known = {each.value: each.phrase for each in HTTPStatus}
    return tuple(
        Variant(
            kind=kind,
            name=f"text-{status}",
            shape=Shape.BARE,
            status=status,
            body=known.get(status, "A timeout occurred").encode(),
            headers=(("Content-Type", "text/plain; charset=utf-8"),),
        )
        for status in statuses
    )


_MISSING = [{"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}]
_WRONG_MODEL = "Model mismatch: request specifies 'qwen-image-edit' but server is running 'x'."
_SAFETY = "Your request was rejected by the safety system."
_BROKEN = "The server had an error while processing your request."
_LIMIT = "Rate limit reached for images."

_TABLE: tuple[Variant, ...] = (
    _error(_K.THROTTLED, 429, "requests", "rate_limit_exceeded", _LIMIT, ("Retry-After", "1")),
    _error(_K.THROTTLED, 429, "requests", "rate_limit_exceeded", _LIMIT),
    _error(_K.THROTTLED, 429, "TooManyRequestsError", 429, _LIMIT),
    _detail(_K.THROTTLED, 429, "Too many requests"),
    *_bare(_K.THROTTLED, 429),
    _error(
        _K.EXHAUSTED,
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    _error(
        _K.EXHAUSTED,
        400,
        _INVALID,
        "billing_hard_limit_reached",
        "Billing hard limit has been reached.",
    ),
    *_bare(_K.EXHAUSTED, 402),
    _error(_K.DENIED, 401, _INVALID, "invalid_api_key", "Incorrect API key provided."),
    _variant(_K.DENIED, "unauthorized", 401, shapes.as_json({"error": "Unauthorized"})),
    _error(_K.DENIED, 403, _INVALID, "unsupported_country_region_territory", "Not supported here."),
    *_bare(_K.DENIED, 401, 403),
    _error(_K.MISADDRESSED, 404, _INVALID, "model_not_found", "The model does not exist."),
    _error(_K.MISADDRESSED, 404, "NotFoundError", 404, "The model does not exist."),
    _detail(_K.MISADDRESSED, 404, "Not Found"),
    _detail(_K.MISADDRESSED, 400, _WRONG_MODEL),
    *_bare(_K.MISADDRESSED, 404),
    _error(_K.MODERATED, 400, "image_generation_user_error", "moderation_blocked", _SAFETY),
    _error(_K.MODERATED, 400, _INVALID, "content_policy_violation", _SAFETY),
    _detail(_K.SOURCE_UNREACHABLE, 400, "download image failed"),
    _error(_K.INVALID, 400, _INVALID, None, "Invalid image file or mode for image 1."),
    _error(_K.INVALID, 400, "BadRequestError", 400, "Invalid size."),
    _detail(_K.INVALID, 422, _MISSING),
    _detail(_K.INVALID, 400, "Invalid size format."),
    *_bare(_K.INVALID, 400, 405, 413, 415, 422),
    _error(_K.SERVER_ERROR, 500, "server_error", None, _BROKEN),
    _error(_K.SERVER_ERROR, 500, "InternalServerError", 500, _BROKEN),
    _detail(_K.SERVER_ERROR, 500, "Image edit failed: out of memory"),
    _error(_K.SERVER_ERROR, 503, "server_error", "overloaded", "The engine is overloaded."),
    *_bare(_K.SERVER_ERROR, 503),
    _error(_K.TOO_COMPLEX, 500, "server_error", "RequestTimeOut", "Request timed out."),
    *_bare(_K.GAVE_UP, 408, 500, 502, 504, 524),
    _error(_K.GAVE_UP, 504, "timeout", None, "The engine did not answer in time."),
)

_PICTURE = RESULT_PICTURE_MARK.decode()
_SUCCESS: dict[str, object] = {
    "created": 1_700_000_000,
    "data": [{"b64_json": _PICTURE, "url": None, "revised_prompt": None}],
    "size": "1024x1024",
}


def _unreadable(name: str, body: bytes) -> Variant:
    return _variant(_K.UNREADABLE, name, 200, body)


_UNREADABLE: tuple[Variant, ...] = (
    _unreadable("object", b"{}"),
    _unreadable("no-data", shapes.as_json({"created": 1, "data": []})),
    _unreadable("null-data", shapes.as_json({"created": 1, "data": None})),
    _unreadable("nulls", shapes.as_json({"data": [{"b64_json": None, "url": None}]})),
    _unreadable("empty-picture", shapes.as_json({"data": [{"b64_json": "", "url": ""}]})),
    _unreadable("no-base64", shapes.as_json({"data": [{"b64_json": "no base64 at all!"}]})),
    _unreadable("odd-base64", shapes.as_json({"data": [{"b64_json": "iVBOR"}]})),
    _unreadable("number", shapes.as_json({"data": [{"b64_json": 5, "url": 5}]})),
    _unreadable("picture-cut", b'{"data": [{"b64_json": "' + RESULT_PICTURE_MARK),
    _unreadable("list", b"[]"),
    *(
        variant
        for variant in VARIANTS
        if variant.kind is _K.UNREADABLE and variant.shape is Shape.BARE
    ),
)

_WIRE = tuple(variant for variant in VARIANTS if variant.kind in {_K.UNREACHABLE, _K.CUT_OFF})

_EARLY = tuple(
    _variant(
        _K.ANSWER_EARLY,
        "early",
        status,
        failure_body(message, type_, code),
        conduct=Conduct.EARLY,
    )
    for status, message, type_, code in (
        (401, "Incorrect API key provided.", _INVALID, "invalid_api_key"),
        (429, _LIMIT, "requests", "rate_limit_exceeded"),
    )
)

OPENAI_VARIANTS: tuple[Variant, ...] = (
    *_WIRE,
    *_TABLE,
    *_UNREADABLE,
    *_EARLY,
    *success_variants(_SUCCESS, padded="background"),
)
