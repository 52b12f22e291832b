"""Whether an edit is tried again in this run, and after how long."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from qwenbatch.core.states import EditEvent
from qwenbatch.core.verdicts import RETRIED_ONCE, Kind, Verdict, verdict_of


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently an edit is tried in one run.

    `attempts` counts POSTs whose end is charged to the edit (throttles are not). Waits are drawn
    from 0 to `wait_initial` × 2ⁿ seconds, at most `wait_max`: exponential backoff, full jitter.
    """

    attempts: int = 4
    wait_initial: float = 2.0
    wait_max: float = 60.0


class Tally(msgspec.Struct, frozen=True):
    """What an edit has been through in this run."""

    charged: int = 0
    retried_once: frozenset[Kind] = frozenset()


class AfterAttempt(msgspec.Struct, frozen=True):
    """What follows an attempt's end: the ledger's event, and if it goes on, after how long.

    `wait` is in seconds; None: this run does not send the edit again.
    """

    event: EditEvent
    tally: Tally
    wait: float | None


def after_attempt(
    kind: Kind | None,
    tally: Tally,
    policy: RetryPolicy,
    jitter: float,
) -> AfterAttempt:
    """What an attempt that ended with `kind` means for its edit; `jitter` is from 0 to 1.

    A halt leaves the edit for the next run, as retries used up do. None: it was edited.
    """
    charged = tally if kind is Kind.THROTTLED else replace(tally, charged=tally.charged + 1)
    match verdict_of(kind):
        case Verdict.EDITED:
            return AfterAttempt(EditEvent.ANSWERED, charged, None)
        case Verdict.UNCERTAIN:
            return AfterAttempt(EditEvent.DOUBTED, charged, None)
        case Verdict.HALT:
            return AfterAttempt(EditEvent.RETRIABLE, charged, None)
        case Verdict.FAIL:
            return AfterAttempt(EditEvent.REFUSED, charged, None)
        case Verdict.RETRY:
            return _after_retriable(kind, charged, policy, jitter)


def _after_retriable(
    kind: Kind | None,
    tally: Tally,
    policy: RetryPolicy,
    jitter: float,
) -> AfterAttempt:
    if kind in RETRIED_ONCE:
        if kind in tally.retried_once:
            return AfterAttempt(EditEvent.REFUSED, tally, None)
        tally = replace(tally, retried_once=tally.retried_once | {kind})
    if tally.charged >= policy.attempts:
        return AfterAttempt(EditEvent.RETRIABLE, tally, None)
    if kind is Kind.THROTTLED:
        # The pace and the gate do the waiting, for the whole run; this only unbunches.
        return AfterAttempt(EditEvent.RETRIABLE, tally, jitter * policy.wait_initial / 4)
    return AfterAttempt(EditEvent.RETRIABLE, tally, backoff(tally.charged, policy, jitter))


def backoff(failures: int, policy: RetryPolicy, jitter: float) -> float:
    """Seconds to wait after that many failures in a row; `jitter` is from 0 to 1."""
    doublings = min(max(failures - 1, 0), 32)
    return jitter * min(policy.wait_max, policy.wait_initial * 2.0**doublings)


FETCH_WAITS = (1.0, 3.0, 8.0, 16.0, 30.0)
"""Seconds to wait before each further try to fetch a result: six tries within about a minute."""

LOST_AFTER = 24 * 3600.0
"""Seconds after its answer for which a result that is refused or missing is still hoped for."""
