from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.budget import (
    Budget,
    Cap,
    Caps,
    Period,
    Spending,
    money_left,
    parse_budget,
    period_end,
    period_start,
    refusing_cap,
)
from qwenbatch.core.money import NOTHING, MicroUSD

DAYS = st.dates(date(1971, 1, 1), date(2199, 12, 31))
AMOUNTS = st.integers(0, 10**9).map(MicroUSD)
SPENDINGS = st.builds(Spending, AMOUNTS, AMOUNTS, AMOUNTS)
NONE_SPENT = Spending(NOTHING, NOTHING, NOTHING)


@pytest.mark.parametrize(
    ("day", "period", "start", "end"),
    [
        ("2026-03-31", Period.DAY, "2026-03-31", "2026-04-01"),
        ("2026-12-31", Period.DAY, "2026-12-31", "2027-01-01"),
        # 2026-01-01 is a Thursday: its week began in the old year.
        ("2026-01-01", Period.WEEK, "2025-12-29", "2026-01-05"),
        ("2026-01-04", Period.WEEK, "2025-12-29", "2026-01-05"),
        ("2026-01-05", Period.WEEK, "2026-01-05", "2026-01-12"),
        ("2026-01-31", Period.MONTH, "2026-01-01", "2026-02-01"),
        ("2028-02-29", Period.MONTH, "2028-02-01", "2028-03-01"),
        ("2026-02-28", Period.MONTH, "2026-02-01", "2026-03-01"),
        ("2026-04-30", Period.MONTH, "2026-04-01", "2026-05-01"),
        ("2026-12-31", Period.MONTH, "2026-12-01", "2027-01-01"),
    ],
)
def test_budget_periods_follow_the_calendar(
    day: str,
    period: Period,
    start: str,
    end: str,
) -> None:
    assert period_start(date.fromisoformat(day), period) == date.fromisoformat(start)
    assert period_end(date.fromisoformat(day), period) == date.fromisoformat(end)


@given(DAYS, st.sampled_from(Period))
def test_budget_periods_leave_no_day_out_and_none_twice(day: date, period: Period) -> None:
    start, end = period_start(day, period), period_end(day, period)
    assert start <= day < end
    assert period_start(end, period) == end
    assert period_end(start, period) == end
    assert period_end(start - timedelta(days=1), period) == start
    assert period is not Period.WEEK or start.weekday() == 0


@pytest.mark.parametrize(
    ("text", "amount", "period"),
    [
        ("50/month", 50_000_000, Period.MONTH),
        ("2.50/day", 2_500_000, Period.DAY),
        ("$1,000/week", 1_000_000_000, Period.WEEK),
        (" 3 / day ", 3_000_000, Period.DAY),
        ("0/day", 0, Period.DAY),
    ],
)
def test_budget_is_parsed(text: str, amount: int, period: Period) -> None:
    assert parse_budget(text) == Budget(MicroUSD(amount), period)


@pytest.mark.parametrize(
    "text",
    ["", "50", "50/", "/day", "50/year", "-1/day", "x/day", "50/day/day", "nan/day", "inf/week"],
)
def test_budget_says_what_is_no_budget(text: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        parse_budget(text)


@given(AMOUNTS, st.none() | AMOUNTS, st.none() | AMOUNTS, SPENDINGS, SPENDINGS)
def test_budget_allows_exactly_what_is_left(
    price: MicroUSD,
    max_cost: MicroUSD | None,
    budget: MicroUSD | None,
    run: Spending,
    period: Spending,
) -> None:
    caps = Caps(
        max_cost=max_cost,
        budget=None if budget is None else Budget(budget, Period.DAY),
    )
    refusing = refusing_cap(caps, price, run=run, period=period)
    left = money_left(caps, run=run, period=period)
    assert (left is None) == (max_cost is None and budget is None)
    if left is None:
        assert refusing is None
    elif price > 0:
        assert (refusing is None) == (price <= left)
    if refusing is Cap.MAX_COST:
        assert max_cost is not None
        assert run.reserved + run.paid + run.uncertain + price > max_cost
    if refusing is Cap.BUDGET:
        assert budget is not None
        assert period.reserved + period.paid + period.uncertain + price > budget


def test_budget_counts_what_is_in_flight_and_what_is_uncertain() -> None:
    caps = Caps(max_cost=MicroUSD(300))
    run = Spending(MicroUSD(100), MicroUSD(100), MicroUSD(50))
    assert refusing_cap(caps, MicroUSD(50), run=run, period=NONE_SPENT) is None
    assert refusing_cap(caps, MicroUSD(51), run=run, period=NONE_SPENT) is Cap.MAX_COST


def test_budget_of_a_period_counts_the_price_to_come_too() -> None:
    caps = Caps(budget=Budget(MicroUSD(300), Period.WEEK))
    period = Spending(MicroUSD(100), MicroUSD(100), MicroUSD(50))
    assert refusing_cap(caps, MicroUSD(50), run=NONE_SPENT, period=period) is None
    assert refusing_cap(caps, MicroUSD(51), run=NONE_SPENT, period=period) is Cap.BUDGET


def test_budget_leaves_what_the_narrower_cap_leaves_and_never_less_than_nothing() -> None:
    caps = Caps(max_cost=MicroUSD(300), budget=Budget(MicroUSD(100), Period.DAY))
    some = Spending(NOTHING, MicroUSD(60), NOTHING)
    assert money_left(caps, run=some, period=some) == 40
    assert money_left(caps, run=Spending(MicroUSD(290), NOTHING, NOTHING), period=some) == 10
    over = Spending(NOTHING, NOTHING, MicroUSD(101))
    assert money_left(caps, run=some, period=over) == 0
