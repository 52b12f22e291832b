"""Numbers in words, as people read them at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwenbatch.core.summary import ItemCounts

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_MOST_SECONDS, _MOST_MINUTES, _MOST_HOURS = 90.0, 90 * _MINUTE, 48 * _HOUR


def number_of(number: int, noun: str) -> str:
    """`1 item`, `1,204 items`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def span(seconds: float) -> str:
    """A time to the one or two units that count: `43 s`, `7 min`, `2 h 05 min`, `3 days`."""
    if seconds < _MOST_SECONDS:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < _MOST_MINUTES:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < _MOST_HOURS:
        hours, minutes = divmod(round(seconds / _MINUTE), 60)
        return f"{hours} h {minutes:02} min"
    return f"{seconds / _DAY:.0f} days"


def per_second(rate: float) -> str:
    """`1.9/s`; two decimals where one would say nothing."""
    return f"{rate:.1f}/s" if rate >= 1 or rate == 0 else f"{rate:.2f}/s"


def other_counts(items: ItemCounts) -> list[str]:
    """The counts of items that came to nothing so far, but those that are 0: `3 failed`."""
    return [
        f"{number:,} {name}"
        for name, number in (
            ("failed", items.failed),
            ("invalid", items.invalid),
            ("uncertain", items.uncertain),
            ("lost", items.lost),
        )
        if number
    ]
