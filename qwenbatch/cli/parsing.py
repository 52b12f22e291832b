"""Options' texts into the values that a run is told."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from qwenbatch.core.budget import parse_budget
from qwenbatch.core.money import parse_usd
from qwenbatch.core.verdicts import Kind
from qwenbatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qwenbatch.core.budget import Budget
    from qwenbatch.core.money import MicroUSD

T = TypeVar("T")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parsed(option: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    """An option's value, or None if it was not given; UsageError names the option."""
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", f"see `qwenbatch run --help` for {option}") from None


def price(text: str) -> MicroUSD:
    """An amount of dollars of at least a micro-dollar."""
    amount = parse_usd(text)
    if amount <= 0:
        raise ValueError(f"{text!r} is no price: give more than 0, such as 0.055")
    return amount


def amount(text: str) -> MicroUSD:
    """An amount of dollars from 0 up."""
    return parse_usd(text)


def budget(text: str) -> Budget:
    """An amount and a calendar period."""
    return parse_budget(text)


def duration(text: str) -> float:
    """`6h`, `10m`, `4s`, or `1h30m`, in seconds."""
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text.strip()):
        raise ValueError(f"{text!r} is no time such as 6h, 10m or 4s")
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds <= 366 * _UNITS["d"]:
        raise ValueError(f"{text!r} is not within a second and a year")
    return seconds


def time_of_day(text: str, now: datetime) -> float:
    """The next moment at which the local clock shows HH:MM, in seconds since the epoch."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if not found:
        raise ValueError(f"{text!r} is no time of day such as 06:00")
    hour, minute = int(found[1]), int(found[2])
    # Naive on purpose: the local clock decides, and a day on which it is put back has 25 hours.
    today = now.replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    moment = today if today > now.replace(tzinfo=None) else today + timedelta(days=1)
    return moment.astimezone().timestamp()


def rate(number: float) -> float:
    """Starts a second: more than 0, at most 10,000."""
    if not isfinite(number) or not 0 < number <= 10_000:  # noqa: PLR2004 - said in the message
        raise UsageError(
            f"--rate: {number:g} makes no sense",
            "it must be more than 0 and at most 10,000 edits a second",
        )
    return number


def timeout(number: float) -> float:
    """Seconds: more than 0, at most an hour."""
    if not isfinite(number) or not 0 < number <= 3600:  # noqa: PLR2004 - said in the message
        raise UsageError(
            f"--timeout: {number:g} makes no sense",
            "it must be more than 0 and at most 3,600 seconds",
        )
    return number


def gateway(text: str) -> str:
    """A whole http(s) endpoint without credentials in it."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid, parts = False, urlsplit("")
    if not valid or parts.username or parts.password or any(char.isspace() for char in text):
        raise ValueError("it must be the whole http(s) address of the endpoint, without a password")
    return text


def kinds(texts: Sequence[str] | None) -> frozenset[Kind]:
    """Kinds of failure by their names; UsageError suggests the nearest."""
    found = set()
    for text in texts or ():
        try:
            found.add(Kind(text))
        except ValueError:
            near = get_close_matches(text, [kind.value for kind in Kind], 1)
            known = ", ".join(kind.value for kind in Kind)
            hint = f"did you mean {near[0]}?" if near else f"known are: {known}"
            raise UsageError(f"--retry-kind: there is no kind {text!r}", hint) from None
    return frozenset(found)


def log_format(text: str) -> str:
    """`text` or `json`."""
    if text not in {"text", "json"}:
        raise UsageError(f"--log-format: {text!r} is neither text nor json")
    return text
