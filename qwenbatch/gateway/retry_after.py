"""How long an answer asks to wait: by its `Retry-After`, else by what its message says."""

from __future__ import annotations

import math
import re
from datetime import UTC

MAX_WAIT = 10 * 365 * 86_400.0
"""The longest wait that is told, in seconds: what is longer, or no number, counts as this."""

_MAX_HEADER = 100
_find_seconds = re.compile(r"try again in ([0-9]{1,12}) second", re.ASCII | re.IGNORECASE).search
_find_span = re.compile(
    r"replenished in (?:([0-9]{1,6})\.)?([0-9]{1,3}):([0-9]{2}):([0-9]{2})",
    re.ASCII | re.IGNORECASE,
).search


def seconds_to_wait(header: str | None, message: str, *, now: float) -> float | None:
    """Seconds from `now` (since the epoch), from 0 to `MAX_WAIT`; None where nothing is said.

    A header that cannot be read, or lies below zero, is as if it were missing. It never raises.
    """
    wait = None if header is None else _by_header(header.strip()[:_MAX_HEADER], now)
    if wait is None:
        wait = _by_message(message)
    return None if wait is None else min(wait, MAX_WAIT)


def _by_header(text: str, now: float) -> float | None:
    try:
        wait = float(text)
    except ValueError:
        return _by_date(text, now)
    if math.isnan(wait):
        return MAX_WAIT
    return wait if wait >= 0 else None


def _by_date(text: str, now: float) -> float | None:
    """A moment that has passed is no wait at all."""
    # Most of the start-up of --help would be this import's.
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - see above

    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _by_message(message: str) -> float | None:
    """The gateway's own words: "in 57 seconds", "in 07:01:20", "in 20.09:58:55" (with days)."""
    if found := _find_seconds(message):
        return float(found[1])
    if found := _find_span(message):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    return None
