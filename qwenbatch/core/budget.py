"""What may still be spent: the run's cap and the ledger's budget by calendar period, in UTC."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

import msgspec

from qwenbatch.core.money import MicroUSD, parse_usd


class Period(StrEnum):
    """A calendar period in UTC; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Cap(StrEnum):
    """Which cap refused a permit; the values are reasons to stop."""

    MAX_COST = "max_cost"
    BUDGET = "budget"


class Budget(msgspec.Struct, frozen=True):
    """At most `amount` for attempts that were sent in one `period`."""

    amount: MicroUSD
    period: Period

    def __str__(self) -> str:
        return f"{self.amount / 1_000_000:g}/{self.period}"


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may spend. None: no such cap."""

    max_cost: MicroUSD | None = None
    budget: Budget | None = None


class Spending(msgspec.Struct, frozen=True):
    """Money that counts against a cap: reserved in flight, paid, and uncertain until settled."""

    reserved: MicroUSD
    paid: MicroUSD
    uncertain: MicroUSD

    @property
    def total(self) -> MicroUSD:
        """All of it."""
        return MicroUSD(self.reserved + self.paid + self.uncertain)


def parse_budget(text: str) -> Budget:
    """`50/month` as a budget; ValueError says what is wrong."""
    amount, slash, period = text.partition("/")
    if not slash or period.strip() not in set(Period):
        raise ValueError(f"{text!r} is no budget such as 50/month, 10/week or 2.50/day")
    return Budget(parse_usd(amount), Period(period.strip()))


def period_start(day: date, period: Period) -> date:
    """The first day of the period in which `day` lies."""
    match period:
        case Period.DAY:
            return day
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)


def period_end(day: date, period: Period) -> date:
    """The first day after the period in which `day` lies."""
    start = period_start(day, period)
    match period:
        case Period.DAY:
            return start + timedelta(days=1)
        case Period.WEEK:
            return start + timedelta(days=7)
        case Period.MONTH:
            return (start + timedelta(days=31)).replace(day=1)


def refusing_cap(
    caps: Caps,
    price: MicroUSD,
    *,
    run: Spending,
    period: Spending,
) -> Cap | None:
    """Which cap another attempt at this price would break; None if it may be sent."""
    if caps.max_cost is not None and run.total + price > caps.max_cost:
        return Cap.MAX_COST
    if caps.budget is not None and period.total + price > caps.budget.amount:
        return Cap.BUDGET
    return None


def money_left(caps: Caps, *, run: Spending, period: Spending) -> MicroUSD | None:
    """What may still be spent under both caps; None without a cap, never below 0."""
    rooms = []
    if caps.max_cost is not None:
        rooms.append(caps.max_cost - run.total)
    if caps.budget is not None:
        rooms.append(caps.budget.amount - period.total)
    return MicroUSD(max(0, min(rooms))) if rooms else None
