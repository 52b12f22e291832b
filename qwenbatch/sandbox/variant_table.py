"""Every variant of every row of the contract's table "What each failure means".

Statuses, codes and messages are the contract's; each stands in every shape in which it can come.
"""

from __future__ import annotations

from http import HTTPStatus

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.answer_variants import ANSWER_VARIANTS, UNREADABLE_VARIANTS
from qwenbatch.sandbox.faults import FaultKind
from qwenbatch.sandbox.variants import DATE_MARK, Conduct, Shape, Variant

REQUEST_ID = "5e0d0a1c-0000-4000-8000-7ab1e0f5a117"
"""The request id in the bodies of this table."""

ACTIVITY_ID = "0f6b3c52-0000-4000-8000-ac7171717171"


def _plain(kind: FaultKind, status: int, error: str, message: str | None = None) -> Variant:
    tail = "" if message is None else f"-{message}"
    return Variant(
        kind=kind,
        name=f"plain-{status}-{error}{tail}",
        shape=Shape.PLAIN,
        status=status,
        body=shapes.plain_body(error, message),
        headers=(shapes.JSON_TYPE,),
    )


def _gateway(
    kind: FaultKind,
    status: int,
    message: str,
    *,
    retry_after: str | None = None,
    activity: str | None = None,
    usual: bool = True,
) -> Variant:
    tail = "" if retry_after is None else f"-retry-after-{retry_after}"
    wait = () if retry_after is None else (("Retry-After", retry_after),)
    return Variant(
        kind=kind,
        name=f"gateway-{status}-{message}{tail}",
        shape=Shape.GATEWAY,
        status=status,
        body=shapes.gateway_body(status, message, activity),
        headers=(shapes.JSON_TYPE, *wait),
        usual=usual,
    )


def _model(kind: FaultKind, status: int, code: str, message: str) -> Variant:
    return Variant(
        kind=kind,
        name=f"model-{status}-{code}-{message}",
        shape=Shape.MODEL,
        status=status,
        body=shapes.model_body(REQUEST_ID, code, message),
        headers=(shapes.JSON_TYPE,),
    )


def _dump(kind: FaultKind, status: int | None, code: str = "", message: str = "") -> Variant:
    return Variant(
        kind=kind,
        name=f"dump-{status or 'none'}-{code}-{message}",
        shape=Shape.DUMP,
        status=200,
        body=shapes.dump_body(status, REQUEST_ID, code, message),
        headers=(shapes.JSON_TYPE,),
    )


def _coded(kind: FaultKind, status: int, code: str, message: str) -> tuple[Variant, ...]:
    """A code of the model service: by itself, in a dump, and in a dump without a status."""
    return (
        _model(kind, status, code, message),
        _dump(kind, status, code, message),
        _dump(kind, None, code, message),
    )


def _told(kind: FaultKind, status: int, message: str) -> tuple[Variant, ...]:
    """A message that decides by itself, in the shapes that have no code."""
    return (
        _plain(kind, status, message),
        _plain(kind, status, "Invalid parameters", message),
        _gateway(kind, status, message),
    )


def _bare(kind: FaultKind, status: int) -> tuple[Variant, Variant]:
    """The empty body and a proxy's page."""
    known = status in {each.value for each in HTTPStatus}
    title = f"{status} {HTTPStatus(status).phrase if known else 'A timeout occurred'}"
    empty = Variant(kind=kind, name=f"empty-{status}", shape=Shape.BARE, status=status)
    page = Variant(
        kind=kind,
        name=f"html-{status}",
        shape=Shape.BARE,
        status=status,
        body=shapes.html_body(title),
        headers=(shapes.HTML_TYPE,),
    )
    return empty, page


def _wire(kind: FaultKind, conduct: Conduct) -> Variant:
    return Variant(kind=kind, name=conduct.value, shape=Shape.BARE, status=None, conduct=conduct)


_K = FaultKind
_TRY_AGAIN = "Rate limit is exceeded. Try again in 1 seconds."
_TRY_LATER = "Rate limit is exceeded. Try again in 57 seconds."
_RATE = "Requests rate limit exceeded, please try again later."
_ALLOCATED = "Allocated quota exceeded, please increase your quota limit."
_FREE = "Free allocated quota exceeded."
_STANDING = "Access denied, please make sure your account is in good standing."
_QUOTA = "Out of call volume quota. Quota will be replenished in 07:01:20."
_QUOTA_LONG = "Out of call volume quota. Quota will be replenished in 20.09:58:55."
_BALANCE = "Your wallet does not have enough balance."
_NO_KEY = "Access denied due to missing subscription key. Make sure to include subscription key."
_BAD_KEY = (
    "Access denied due to invalid subscription key. "
    "Make sure to provide a valid key for an active subscription."
)
_CONTENT = "Input or output data may contain inappropriate content."
_GREEN = "The input image failed the green network verification."
_TIMED_OUT = "Download the media resource timed out during the data inspection process."
_UNABLE = "Unable to download the media resource during the data inspection process."
_DOWNLOAD = "download image failed"
_UNEXPECTED = "An unexpected error occurred, please try again later"
_INSPECTION = "InvalidParameter.DataInspection"

_THROTTLED = (
    _plain(_K.THROTTLED, 429, "Rate limit exceeded, please retry later"),
    _gateway(_K.THROTTLED, 429, _TRY_AGAIN, retry_after="1"),
    _gateway(_K.THROTTLED, 429, _TRY_AGAIN),
    _gateway(_K.THROTTLED, 429, _TRY_AGAIN, retry_after=DATE_MARK),
    _gateway(_K.THROTTLED, 429, _TRY_LATER, retry_after="57", usual=False),
    _gateway(_K.THROTTLED, 429, _TRY_AGAIN, retry_after="-5", usual=False),
    _gateway(_K.THROTTLED, 429, _TRY_AGAIN, retry_after="999999999", usual=False),
    _gateway(_K.THROTTLED, 429, _TRY_AGAIN, retry_after="soon", usual=False),
    *_coded(_K.THROTTLED, 429, "Throttling", _RATE),
    *_coded(_K.THROTTLED, 429, "Throttling.RateQuota", _RATE),
    *_coded(_K.THROTTLED, 429, "Throttling.BurstRate", "Request rate increased too quickly."),
    *_coded(_K.THROTTLED, 429, "Throttling.AllocationQuota", _ALLOCATED),
    _dump(_K.THROTTLED, 429),
    *_bare(_K.THROTTLED, 429),
)

_EXHAUSTED = (
    _plain(_K.EXHAUSTED, 402, "Insufficient Balance", _BALANCE),
    _plain(_K.EXHAUSTED, 403, "Insufficient Balance", _BALANCE),
    _gateway(_K.EXHAUSTED, 402, _BALANCE),
    _gateway(_K.EXHAUSTED, 403, _QUOTA, retry_after="25280"),
    _gateway(_K.EXHAUSTED, 403, _QUOTA, retry_after=DATE_MARK),
    _gateway(_K.EXHAUSTED, 403, _QUOTA, retry_after="-5"),
    _gateway(_K.EXHAUSTED, 403, _QUOTA, retry_after="999999999"),
    _gateway(_K.EXHAUSTED, 403, _QUOTA),
    _gateway(_K.EXHAUSTED, 403, _QUOTA_LONG),
    _plain(_K.EXHAUSTED, 429, _FREE),
    _gateway(_K.EXHAUSTED, 429, _FREE),
    _model(_K.EXHAUSTED, 429, "Throttling.AllocationQuota", _FREE),
    _dump(_K.EXHAUSTED, 429, "Throttling.AllocationQuota", _FREE),
    *_coded(_K.EXHAUSTED, 429, "CommodityNotPurchased", "Commodity has not purchased yet."),
    *_coded(_K.EXHAUSTED, 429, "PrepaidBillOverdue", "The prepaid bill is overdue."),
    *_coded(_K.EXHAUSTED, 429, "PostpaidBillOverdue", "The postpaid bill is overdue."),
    *_coded(_K.EXHAUSTED, 400, "Arrearage", _STANDING),
    *_coded(_K.EXHAUSTED, 403, "AllocationQuota.FreeTierOnly", "The free tier is exhausted."),
    _dump(_K.EXHAUSTED, 402),
    *_bare(_K.EXHAUSTED, 402),
)

_DENIED = (
    _plain(_K.DENIED, 401, "Invalid or missing authentication"),
    _plain(_K.DENIED, 403, "Access denied for this operation"),
    _gateway(_K.DENIED, 401, _NO_KEY),
    _gateway(_K.DENIED, 401, _BAD_KEY),
    _gateway(_K.DENIED, 403, "Forbidden"),
    *_coded(_K.DENIED, 401, "InvalidApiKey", "Invalid API-key provided."),
    *_coded(_K.DENIED, 403, "AccessDenied", "Access denied."),
    *_coded(_K.DENIED, 403, "AccessDenied.Unpurchased", "Access to model denied."),
    *_coded(_K.DENIED, 403, "Model.AccessDenied", "Model access denied."),
    _dump(_K.DENIED, 401),
    _dump(_K.DENIED, 403),
    *_bare(_K.DENIED, 401),
    *_bare(_K.DENIED, 403),
)


def _redirect(status: int) -> Variant:
    return Variant(
        kind=_K.MISADDRESSED,
        name=f"redirect-{status}",
        shape=Shape.BARE,
        status=status,
        headers=(("Location", "/moved"),),
    )


_MISADDRESSED = (
    _plain(_K.MISADDRESSED, 404, "Endpoint not found"),
    _plain(_K.MISADDRESSED, 400, "Invalid parameters", "Model not exist."),
    _gateway(_K.MISADDRESSED, 404, "Resource not found"),
    *_coded(_K.MISADDRESSED, 404, "ModelNotFound", "Model not exist."),
    *_coded(_K.MISADDRESSED, 400, "InvalidParameter", "Model not exist."),
    _dump(_K.MISADDRESSED, 404),
    *_bare(_K.MISADDRESSED, 404),
    *(_redirect(status) for status in (301, 302, 303, 307, 308)),
)

_MODERATED = (
    *_coded(_K.MODERATED, 400, "DataInspectionFailed", _CONTENT),
    *_coded(_K.MODERATED, 400, "data_inspection_failed", _CONTENT),
    *_coded(_K.MODERATED, 400, "IPInfringementSuspect", "Suspected of infringement of IP."),
    *_coded(_K.MODERATED, 400, "CustomRoleBlocked", "Blocked by a rule of the account."),
    *_coded(_K.MODERATED, 400, "InvalidParameter", _GREEN),
    *_told(_K.MODERATED, 400, _GREEN),
)

_SOURCE_UNREACHABLE = (
    *_coded(_K.SOURCE_UNREACHABLE, 400, "InvalidURL", "The request URL is invalid."),
    *_coded(_K.SOURCE_UNREACHABLE, 400, "InvalidURL.ConnectionRefused", "Connection refused."),
    *_coded(_K.SOURCE_UNREACHABLE, 400, "InvalidURL.Timeout", "The download timed out."),
    *_coded(_K.SOURCE_UNREACHABLE, 400, _INSPECTION, _TIMED_OUT),
    *_coded(_K.SOURCE_UNREACHABLE, 400, _INSPECTION, _UNABLE),
    *_coded(_K.SOURCE_UNREACHABLE, 400, "InvalidParameter", _DOWNLOAD),
    *_told(_K.SOURCE_UNREACHABLE, 400, _TIMED_OUT),
    *_told(_K.SOURCE_UNREACHABLE, 400, _UNABLE),
    *_told(_K.SOURCE_UNREACHABLE, 400, _DOWNLOAD),
)

_INVALID = (
    _plain(_K.INVALID, 400, "Invalid parameters"),
    _plain(_K.INVALID, 400, "Invalid request parameters", "The request was not understood."),
    _gateway(_K.INVALID, 400, "Bad request"),
    _gateway(_K.INVALID, 413, "Request body is too large."),
    *_coded(_K.INVALID, 400, "InvalidParameter", "A parameter is invalid."),
    *_coded(_K.INVALID, 400, "InvalidParameter.DataInspection", "The image cannot be decoded."),
    *_coded(_K.INVALID, 400, "BadRequest.TooLarge", "Payload Too Large"),
    _plain(_K.INVALID, 413, "Payload too large"),
    _plain(_K.INVALID, 422, "Unprocessable entity"),
    _dump(_K.INVALID, 400),
    _dump(_K.INVALID, 413),
    _dump(_K.INVALID, 422),
    *(
        variant
        for status in (400, 405, 406, 409, 410, 413, 414, 415, 418, 422, 431, 451, 499)
        for variant in _bare(_K.INVALID, status)
    ),
)

_SERVER_CODES = (
    "InternalError",
    "InternalError.Algo",
    "InternalError.Algo.InvalidParameter",
    "SystemError",
    "ModelServiceFailed",
    "ModelServingError",
    "ModelUnavailable",
)

_SERVER_ERROR = (
    _plain(_K.SERVER_ERROR, 500, _UNEXPECTED),
    _plain(_K.SERVER_ERROR, 503, "Service unavailable"),
    _gateway(_K.SERVER_ERROR, 503, "Service unavailable"),
    *(
        variant
        for code in _SERVER_CODES
        for variant in _coded(_K.SERVER_ERROR, 500, code, "An internal error has occurred.")
    ),
    *(_model(_K.SERVER_ERROR, 502, code, "Failed to invoke backend.") for code in _SERVER_CODES),
    *_coded(_K.SERVER_ERROR, 503, "ModelUnavailable", "Model is unavailable."),
    _dump(_K.SERVER_ERROR, 503),
    *_bare(_K.SERVER_ERROR, 503),
)

_COMPLEX = "Request timed out, please try again later."

_TOO_COMPLEX = (
    *_coded(_K.TOO_COMPLEX, 500, "RequestTimeOut", _COMPLEX),
    _model(_K.TOO_COMPLEX, 408, "RequestTimeOut", _COMPLEX),
    _model(_K.TOO_COMPLEX, 504, "RequestTimeOut", _COMPLEX),
)

_GAVE_UP = (
    _gateway(_K.GAVE_UP, 500, "Internal server error", activity=ACTIVITY_ID),
    _gateway(_K.GAVE_UP, 408, "Request timed out"),
    _gateway(_K.GAVE_UP, 502, "Bad gateway"),
    _gateway(_K.GAVE_UP, 504, "Backend timed out"),
    _plain(_K.GAVE_UP, 408, "Request timed out"),
    _plain(_K.GAVE_UP, 502, "Bad gateway"),
    _plain(_K.GAVE_UP, 504, "Gateway timed out"),
    _dump(_K.GAVE_UP, 408),
    _dump(_K.GAVE_UP, 502),
    _dump(_K.GAVE_UP, 504),
    *(
        variant
        for status in (408, 501, 502, 504, 505, 507, 520, 522, 524, 598)
        for variant in _bare(_K.GAVE_UP, status)
    ),
)

_UNREACHABLE = (
    _wire(_K.UNREACHABLE, Conduct.RESET_BEFORE_BODY),
    _wire(_K.UNREACHABLE, Conduct.RESET_IN_BODY),
)

_CUT_OFF = tuple(
    _wire(_K.CUT_OFF, conduct) for conduct in (Conduct.RESET, Conduct.CLOSE, Conduct.HALF_HEAD)
)

VARIANTS: tuple[Variant, ...] = (
    *_UNREACHABLE,
    *_THROTTLED,
    *_EXHAUSTED,
    *_DENIED,
    *_MISADDRESSED,
    *_MODERATED,
    *_SOURCE_UNREACHABLE,
    *_INVALID,
    *_SERVER_ERROR,
    *_TOO_COMPLEX,
    *_GAVE_UP,
    *_CUT_OFF,
    *UNREADABLE_VARIANTS,
    *ANSWER_VARIANTS,
)
"""Every variant of every kind but those that sit on results, the usual ones of a kind first."""


def variants_of(kind: FaultKind) -> tuple[Variant, ...]:
    """The variants of one kind, in the order of the table; none for the result kinds."""
    return tuple(variant for variant in VARIANTS if variant.kind is kind)
