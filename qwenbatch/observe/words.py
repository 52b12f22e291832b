"""Kinds of failure and reasons to stop, in words: what each means, and what a person can do."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

import msgspec

from qwenbatch.core.stops import StopReason
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.amounts import per_second, span
from qwenbatch.observe.bounds import Bound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.observe.view import View


class Words(msgspec.Struct, frozen=True):
    """What something means, and the advice that goes with it; both without a full stop."""

    means: str
    advice: str


_UNCERTAIN_ADVICE = "look at the invoice; --resend-uncertain sends again, and may pay twice"

KIND_WORDS: Mapping[Kind, Words] = MappingProxyType(
    {
        Kind.UNREACHABLE: Words(
            "the gateway could not be reached: not paid",
            "check the network and --gateway, then run again",
        ),
        Kind.THROTTLED: Words(
            "the gateway asked for fewer requests: not paid",
            "run again later, or with a lower --rate",
        ),
        Kind.EXHAUSTED: Words(
            "the account's balance or quota is used up",
            "top it up or wait for its renewal, then run again",
        ),
        Kind.DENIED: Words(
            "the key was refused",
            "check QWENBATCH_API_KEY, then run again",
        ),
        Kind.MISADDRESSED: Words(
            "no such endpoint or model at this address",
            "check --gateway, then run again",
        ),
        Kind.MODERATED: Words(
            "refused by the service's content inspection: not paid",
            "change the picture or the instruction",
        ),
        Kind.SOURCE_UNREACHABLE: Words(
            "the service could not fetch the image's URL: not paid",
            "make it public, then run with --retry-failed",
        ),
        Kind.INVALID: Words(
            "the gateway refused the request as invalid: not paid",
            "mend the row; `qwenbatch export` tells the gateway's words",
        ),
        Kind.SERVER_ERROR: Words(
            "the service failed: not paid",
            "run again",
        ),
        Kind.TOO_COMPLEX: Words(
            "too large or too complex for the service: not paid",
            "use a smaller picture",
        ),
        Kind.GAVE_UP: Words(
            "the gateway stopped waiting for the edit: perhaps paid",
            _UNCERTAIN_ADVICE,
        ),
        Kind.CUT_OFF: Words(
            "the connection or the run broke off before the answer: perhaps paid",
            _UNCERTAIN_ADVICE,
        ),
        Kind.UNREADABLE: Words(
            "the answer holds no picture and no known failure: perhaps paid",
            _UNCERTAIN_ADVICE,
        ),
        Kind.SOURCE_CHANGED: Words(
            "the picture changed while it was being sent: not paid",
            "run again when nothing writes to it",
        ),
        Kind.UNFETCHED: Words(
            "paid, but the result could not be fetched or verified",
            "run again: fetching costs nothing; for what is lost, --resend-lost pays again",
        ),
    },
)
"""Every kind in words."""

_RUN_AGAIN = "run again to go on: what is saved is not paid again"

STOP_WORDS: Mapping[StopReason, Words] = MappingProxyType(
    {
        StopReason.DENIED: KIND_WORDS[Kind.DENIED],
        StopReason.EXHAUSTED: KIND_WORDS[Kind.EXHAUSTED],
        StopReason.MISADDRESSED: KIND_WORDS[Kind.MISADDRESSED],
        StopReason.THROTTLED: Words(
            "the gateway refused everything for too long: too many requests",
            "run again later: somebody else may be using the same key",
        ),
        StopReason.BREAKER: Words(
            "ten attempts in a row came to nothing",
            "see the failures; run again when the service is well",
        ),
        StopReason.UNFETCHED: Words(
            "results that are paid for cannot be fetched",
            "check the network and the disk, then run again: fetching costs nothing",
        ),
        StopReason.MAX_COST: Words(
            "--max-cost does not allow another edit",
            "run again, with a higher --max-cost if you like",
        ),
        StopReason.BUDGET: Words(
            "--budget does not allow another edit in this period",
            "run again in the next period, or with a higher --budget",
        ),
        StopReason.DEADLINE: Words("it is outside its hours: see --until and --at", _RUN_AGAIN),
        StopReason.DURATION: Words("the time of --max-duration is over", _RUN_AGAIN),
        StopReason.DISK: Words(
            "the disk is full or cannot be written",
            "make room, then run again: what was paid for is fetched free of charge",
        ),
        StopReason.DECLINED: Words("the question was answered with no", "nothing was sent"),
        StopReason.CANARY: Words(
            "the first edits were not all saved, or not liked",
            "see the failures, then run again",
        ),
        StopReason.INTERRUPTED: Words("it was interrupted", _RUN_AGAIN),
        StopReason.TERMINATED: Words("it was told to terminate", _RUN_AGAIN),
    },
)
"""Every reason to stop in words."""


def bound_words(view: View, bound: Bound) -> str:  # noqa: PLR0911 - one return a bound
    """Why a run sends no more than it does, in a few words."""
    opened = view.opened
    rate = 0.0 if opened is None else opened.rate
    match bound:
        case Bound.GATE:
            return f"the gateway wants a pause of {span(view.gate)}"
        case Bound.PLACEMENT:
            return f"{view.placing:,} paid results are to be placed first"
        case Bound.CAPS:
            return "the caps wait for what is in flight"
        case Bound.RETRIES:
            return "all that is left waits to be sent again"
        case Bound.CONCURRENCY:
            return f"--concurrency allows {view.in_flight:,} in flight"
        case Bound.THROTTLE:
            pace = per_second(view.pace or 0.0)
            return f"the gateway throttles: it bears {pace} of {per_second(rate)}"
        case Bound.RATE:
            return f"--rate allows {per_second(rate)}"
        case never:
            assert_never(never)
