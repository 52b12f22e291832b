"""Options' texts into the values that a run is told. A ValueError says what is wrong with one."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qwenbatch.core.money import parse_usd
from qwenbatch.core.store_url import is_store_url
from qwenbatch.core.verdicts import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qwenbatch.core.money import MicroUSD

_MINUTES_AHEAD = 4 * 24 * 60
"""How far a time of day is looked for: a zone has left out a whole day."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FLAGS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def file(text: str) -> Path:
    """A file on this machine: as a path, a store's URL would be that of a folder named `s3:`."""
    if is_store_url(text):
        raise ValueError(f"{text} lies in an object store: name a file on this machine")
    return Path(text)


def flag(text: str) -> bool:
    """`true` or `false`, and what the environment is wont to say instead."""
    try:
        return _FLAGS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


def whole(least: int, most: int) -> Callable[[str], int]:
    """What reads a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text.strip(), re.ASCII):
            raise ValueError(f"{text!r} is no whole number")
        number = int(text)
        if not least <= number <= most:
            raise ValueError(f"{number:,} is not from {least:,} to {most:,}")
        return number

    return read


def number(most: float, unit: str) -> Callable[[str], float]:
    """What reads a number of more than 0, up to `most` of a unit."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            raise ValueError(f"{text!r} is no number: write 2, or 2.5") from None
        if not isfinite(found) or not 0 < found <= most:
            raise ValueError(f"{text} makes no sense: it must be more than 0 and at most {unit}")
        return found

    return read


def price(text: str) -> MicroUSD:
    """An amount of dollars of at least a micro-dollar."""
    amount = parse_usd(text)
    if amount <= 0:
        raise ValueError(f"{text!r} is no price: give more than 0, such as 0.055")
    return amount


def duration(text: str) -> float:
    """`6h`, `10m`, `4s`, or `1h30m`, in seconds."""
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text.strip(), re.ASCII):
        raise ValueError(f"{text!r} is no time such as 6h, 10m or 4s")
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    seconds = sum(float(count) * _UNITS[unit] for count, unit in parts)
    if not 0 < seconds <= 366 * _UNITS["d"]:
        raise ValueError(f"{text!r} is not within a second and a year")
    return seconds


def time_of_day(text: str, now: datetime) -> float:
    """The next moment at which the local clock shows HH:MM, in seconds since the epoch.

    Where the clock leaps over it, the moment of the leap; where it shows it twice, the first time
    that is still to come.
    """
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip(), re.ASCII)
    if not found:
        raise ValueError(f"{text!r} is no time of day such as 06:00")
    minute = int(now.timestamp()) // 60
    shown = datetime.fromtimestamp(minute * 60)  # noqa: DTZ006 - what the local clock shows
    # Minute by minute: the zone alone knows where its clock leaps, and no leap is within a minute.
    for ahead in range(minute + 1, minute + _MINUTES_AHEAD):
        before, shown = shown, datetime.fromtimestamp(ahead * 60)  # noqa: DTZ006 - likewise
        wanted = shown.replace(hour=int(found[1]), minute=int(found[2]))
        if shown == wanted or before < wanted < shown:
            return ahead * 60.0
    raise ValueError(f"the local clock shows {text} on none of the next days")


def since(text: str, now: datetime) -> float:
    """`today`, `yesterday`, a date, or a time such as `24h` before now; seconds since the epoch.

    Days begin at midnight of the local clock.
    """
    word = text.strip().lower()
    if re.fullmatch(r"[\d.]+[smhd].*", word, re.ASCII):
        return now.timestamp() - duration(word)
    today = now.date()
    if word in {"today", "yesterday"}:
        day = today - timedelta(days=word == "yesterday")
    else:
        try:
            day = date(*map(int, re.findall(r"\A(\d{4})-(\d\d)-(\d\d)\Z", word, re.ASCII)[0]))
        except (ValueError, IndexError):
            raise ValueError(
                f"{text!r} is no day or time: write yesterday, today, {today}, 24h or 7d"
            ) from None
    if day > today:
        raise ValueError(f"{day} is still to come: today is {today}")
    try:
        return datetime(day.year, day.month, day.day).timestamp()  # noqa: DTZ001 - the local clock's
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{day} is before any clock's time") from None


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


def watchdog(text: str) -> str:
    """An http(s) URL; what is wrong with one is told without it, for it is a secret."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid or not text.isprintable() or " " in text:
        raise ValueError("it must be a whole http(s) URL")
    return text


def kinds(text: str) -> frozenset[Kind]:
    """Kinds of failure by their names, with commas or blanks between them."""
    names = re.split(r"[\s,]+", text.strip(", \t\n"))
    return frozenset(Kind(one_of(name, [*Kind], "kind")) for name in names)


def one_of(text: str, known: Sequence[str], what: str) -> str:
    """A word of a closed list; the nearest is suggested."""
    word = text.strip().lower()
    if word in known:
        return word
    near = get_close_matches(word, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    raise ValueError(f"there is no {what} {text!r}: {hint}")
