"""What an answer means: the contract's table as data, and the order in which it is read.

An image URL beats everything. Then an inner status beats HTTP 2xx; then the most specific rule
that matches the answer's code and message, then its code, then its status. Messages are compared
within the answer's own message alone, never by searching the whole body.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_OK, _REDIRECTS, _CLIENT, _SERVER, _END = 200, 300, 400, 500, 600


class Verdict(StrEnum):
    """What is to be done about an answer."""

    EDITED = "edited"
    RETRY = "retry"
    FAIL = "fail"
    UNCERTAIN = "uncertain"
    HALT = "halt"


class Kind(StrEnum):
    """Why an edit was not edited, or a result not had."""

    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    EXHAUSTED = "exhausted"
    DENIED = "denied"
    MISADDRESSED = "misaddressed"
    MODERATED = "moderated"
    SOURCE_UNREACHABLE = "source_unreachable"
    INVALID = "invalid"
    SERVER_ERROR = "server_error"
    TOO_COMPLEX = "too_complex"
    GAVE_UP = "gave_up"
    CUT_OFF = "cut_off"
    UNREADABLE = "unreadable"
    SOURCE_CHANGED = "source_changed"
    """The source changed after it was keyed, twice: nothing was sent."""
    UNFETCHED = "unfetched"
    """Paid and answered, but the result could not be had."""


VERDICTS: Mapping[Kind, Verdict] = MappingProxyType(
    {
        Kind.UNREACHABLE: Verdict.RETRY,
        Kind.THROTTLED: Verdict.RETRY,
        Kind.EXHAUSTED: Verdict.HALT,
        Kind.DENIED: Verdict.HALT,
        Kind.MISADDRESSED: Verdict.HALT,
        Kind.MODERATED: Verdict.FAIL,
        Kind.SOURCE_UNREACHABLE: Verdict.RETRY,
        Kind.INVALID: Verdict.FAIL,
        Kind.SERVER_ERROR: Verdict.RETRY,
        Kind.TOO_COMPLEX: Verdict.RETRY,
        Kind.GAVE_UP: Verdict.UNCERTAIN,
        Kind.CUT_OFF: Verdict.UNCERTAIN,
        Kind.UNREADABLE: Verdict.UNCERTAIN,
    },
)
"""The verdict of each kind that an attempt can end with."""

RETRIED_ONCE = frozenset({Kind.SOURCE_UNREACHABLE, Kind.TOO_COMPLEX})
"""Kinds that are tried a second time; the second time they fail the edit."""

ACCEPTED = frozenset(
    {Kind.MODERATED, Kind.SOURCE_UNREACHABLE, Kind.INVALID, Kind.TOO_COMPLEX},
)
"""Failures that show, as an edited picture does, that the gateway took the request."""

BREAKING = frozenset(
    {
        Kind.UNREACHABLE,
        Kind.SERVER_ERROR,
        Kind.GAVE_UP,
        Kind.CUT_OFF,
        Kind.UNREADABLE,
    },
)
"""Kinds that count towards the breaker; throttles neither count nor reset it, the rest reset it."""


class Usage(msgspec.Struct, frozen=True):
    """What the service says that it made: pixels, or None where it does not say."""

    width: int | None = None
    height: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, read but not judged.

    `inner_status` is the status that the body states, if it states one; `plain_error` is true for
    the `{"error": …}` shape, `activity` where the gateway's make gave an `activityId`.
    `retry_after` is in seconds from the answer's arrival.
    """

    status: int
    url: str | None = None
    inner_status: int | None = None
    code: str = ""
    message: str = ""
    plain_error: bool = False
    activity: bool = False
    request_id: str = ""
    usage: Usage = msgspec.field(default_factory=Usage)
    retry_after: float | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One way to know a kind. Whatever is given must hold; what is empty does not count.

    A code that ends in `*` stands for all that begin so; a phrase is looked for in the message,
    without regard to case; statuses are a range, its end left out.
    """

    kind: Kind
    codes: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    statuses: tuple[int, int] | None = None
    plain_error: bool = False
    activity: bool = False

    def matches(self, answer: Answer, status: int) -> bool:
        """Whether all that this rule names holds of the answer."""
        return (
            (not self.codes or any(_code_matches(code, answer.code) for code in self.codes))
            and (not self.phrases or _holds_phrase(answer.message, self.phrases))
            and (self.statuses is None or self.statuses[0] <= status < self.statuses[1])
            and (not self.plain_error or answer.plain_error)
            and (not self.activity or answer.activity)
        )


def _code_matches(pattern: str, code: str) -> bool:
    if pattern.endswith("*"):
        return code.startswith(pattern[:-1])
    return code == pattern


def _holds_phrase(message: str, phrases: tuple[str, ...]) -> bool:
    folded = message.casefold()
    return any(phrase in folded for phrase in phrases)


def _just(status: int) -> tuple[int, int]:
    return status, status + 1


RULES: tuple[tuple[Rule, ...], ...] = (
    # First: what the message says, where it says more than the code does.
    (
        Rule(
            kind=Kind.EXHAUSTED,
            phrases=("free allocated quota exceeded",),
        ),
        Rule(
            kind=Kind.EXHAUSTED,
            phrases=("out of call volume quota", "out of quota", "quota will be replenished"),
            statuses=_just(403),
        ),
        Rule(
            kind=Kind.EXHAUSTED,
            phrases=("insufficient balance", "enough balance"),
            statuses=_just(403),
        ),
        Rule(kind=Kind.MISADDRESSED, phrases=("model not exist",)),
        Rule(
            kind=Kind.MODERATED,
            phrases=("green network verification",),
            statuses=(_OK, _SERVER),
        ),
        Rule(
            kind=Kind.SOURCE_UNREACHABLE,
            phrases=(
                "download the media resource timed out",
                "unable to download the media resource",
                "download image failed",
            ),
            statuses=(_OK, _SERVER),
        ),
    ),
    # Then: what the code says, whatever the status.
    (
        Rule(
            kind=Kind.EXHAUSTED,
            codes=(
                "CommodityNotPurchased",
                "PrepaidBillOverdue",
                "PostpaidBillOverdue",
                "Arrearage",
                "AllocationQuota.FreeTierOnly",
            ),
        ),
        Rule(kind=Kind.THROTTLED, codes=("Throttling", "Throttling.*")),
        Rule(
            kind=Kind.DENIED,
            codes=(
                "InvalidApiKey",
                "AccessDenied",
                "AccessDenied.Unpurchased",
                "Model.AccessDenied",
            ),
        ),
        Rule(kind=Kind.MISADDRESSED, codes=("ModelNotFound",)),
        Rule(
            kind=Kind.MODERATED,
            codes=(
                "DataInspectionFailed",
                "data_inspection_failed",
                "IPInfringementSuspect",
                "CustomRoleBlocked",
            ),
        ),
        Rule(kind=Kind.SOURCE_UNREACHABLE, codes=("InvalidURL*",)),
        Rule(kind=Kind.INVALID, codes=("InvalidParameter*", "BadRequest.TooLarge")),
        Rule(
            kind=Kind.SERVER_ERROR,
            codes=(
                "InternalError",
                "InternalError.Algo*",
                "SystemError",
                "ModelServiceFailed",
                "ModelServingError",
                "ModelUnavailable",
            ),
        ),
        Rule(kind=Kind.TOO_COMPLEX, codes=("RequestTimeOut",)),
    ),
    # Last: the status. The gateway's 500 with an activityId may have run; the plain one has not.
    (
        Rule(kind=Kind.MISADDRESSED, statuses=(_REDIRECTS, _CLIENT)),
        Rule(kind=Kind.DENIED, statuses=_just(401)),
        Rule(kind=Kind.EXHAUSTED, statuses=_just(402)),
        Rule(kind=Kind.DENIED, statuses=_just(403)),
        Rule(kind=Kind.MISADDRESSED, statuses=_just(404)),
        Rule(kind=Kind.GAVE_UP, statuses=_just(408)),
        Rule(kind=Kind.THROTTLED, statuses=_just(429)),
        Rule(kind=Kind.INVALID, statuses=(_CLIENT, _SERVER)),
        Rule(kind=Kind.GAVE_UP, statuses=_just(500), activity=True),
        Rule(kind=Kind.SERVER_ERROR, statuses=_just(500), plain_error=True),
        Rule(kind=Kind.SERVER_ERROR, statuses=_just(503)),
        Rule(kind=Kind.GAVE_UP, statuses=(_SERVER, _END)),
    ),
)
"""The contract's table, most specific first: the first rule that matches names the kind."""


def kind_of(answer: Answer, own: tuple[Rule, ...] = ()) -> Kind | None:
    """Why this answer is no edited picture; None if it is one. It never raises.

    `own` are the rules of one door alone, which go before the shared ones.
    """
    if answer.url is not None:
        return None
    status = answer.status
    if _OK <= status < _REDIRECTS and answer.inner_status is not None:
        status = answer.inner_status
    for tier in (own, *RULES):
        for rule in tier:
            if rule.matches(answer, status):
                return rule.kind
    return Kind.UNREADABLE


def verdict_of(kind: Kind | None) -> Verdict:
    """What is to be done about an attempt that ended so."""
    return Verdict.EDITED if kind is None else VERDICTS[kind]
