"""It never spends more than it was told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Desk


def test_a_cap_of_two_and_a_half_prices_sends_two_with_any_number_in_flight(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(0.1, 0.2))
    desk.rows(*desk.items(12))
    capped = ("--max-cost", 0.1375, "--concurrency", 8)

    ended = desk.run(*capped)

    assert (ended.status, ended.told["stopped_by"]) == (5, "max_cost")
    assert ended.items == {"total": 12, "saved": 2, "pending": 10}
    assert ended.cost["spent"] == desk.prices(2)
    assert desk.house.posts() == desk.house.books()["billed"] == 2

    more = desk.run(*capped)

    assert (more.status, more.items) == (5, {"total": 12, "saved": 4, "reused": 2, "pending": 8})
    assert desk.house.posts() == desk.house.books()["billed"] == 4


def test_a_permit_that_ended_unpaid_makes_room_for_another_edit(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(0.1, 0.1))
    desk.rows(*desk.items(4))
    desk.house.fail("moderated", match="p00", delay=0.5)

    ended = desk.run("--max-cost", 0.11, "--concurrency", 4)

    assert (ended.status, ended.told["stopped_by"]) == (5, "max_cost")
    assert ended.items == {"total": 4, "saved": 2, "failed": 1, "pending": 1}
    assert desk.house.books()["billed"] == 2


def test_a_budget_holds_across_runs_and_a_cap_that_suffices_stops_nothing(desk: Desk) -> None:
    desk.rows(*desk.items(5))
    budget = ("--budget", f"{desk.prices(3)}/month")

    first = desk.run(*budget)
    second = desk.run(*budget)
    third = desk.run("--budget", f"{desk.prices(5)}/day")

    assert (first.status, first.told["stopped_by"]) == (5, "budget")
    assert first.items == {"total": 5, "saved": 3, "pending": 2}
    assert (second.status, second.edits) == (5, (0, 0))
    assert second.items == {"total": 5, "saved": 3, "reused": 3, "pending": 2}
    assert (third.status, third.items) == (0, {"total": 5, "saved": 5, "reused": 3})
    assert third.cost["ledger_total"] == desk.prices(5)
    assert desk.house.posts() == 5


def test_a_cap_below_one_price_sends_nothing(desk: Desk) -> None:
    desk.rows(*desk.items(2))

    ended = desk.run("--max-cost", 0.0549)

    assert (ended.status, ended.edits) == (5, (0, 0))
    assert ended.items == {"total": 2, "pending": 2}
    assert desk.house.posts() == 0


def test_a_duration_stops_sends_early_enough_for_what_is_in_flight(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(0.3, 0.3))
    desk.rows(*desk.items(40))

    ended = desk.run("--max-duration", "1.5s", "--rate", 5)

    assert (ended.status, ended.told["stopped_by"]) == (6, "duration")
    assert 0 < ended.items["saved"] < 40
    assert set(ended.items) == {"total", "saved", "pending"}
    assert ended.told["seconds"] < 2.5
    assert desk.house.books()["billed"] == ended.items["saved"]
    assert ended.cost["exposure"] == 0
