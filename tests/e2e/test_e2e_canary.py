"""Canaries off a terminal: the rest follows only if all of them are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.canary import Canary, all_saved, spread

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk, House


@pytest.mark.parametrize(
    ("total", "wanted", "chosen"),
    [(9, 3, [1, 4, 7]), (3, 3, [0, 1, 2]), (2, 5, [0, 1]), (1, 1, [0]), (0, 3, [])],
)
def test_canaries_are_spread_over_the_manifest(total: int, wanted: int, chosen: list[int]) -> None:
    assert list(spread(total, wanted)) == chosen


def test_canaries_that_are_saved_let_the_rest_follow_and_are_paid_once(
    desk: Desk,
    house: House,
) -> None:
    desk.rows(*desk.items(9))
    ended = desk.run("--canary", 3)
    assert ended.items == {"total": 9, "saved": 9}
    assert house.billed() == {f"mirror p{number:02}": 1 for number in range(9)}
    assert house.posts() == 9


def test_a_canary_that_fails_stops_the_run(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(9))
    house.fail("moderated", match="p04")
    ended = desk.run("--canary", 3)
    assert ended.status == 3
    assert ended.told["stopped_by"] == "canary"
    assert ended.items == {"total": 9, "saved": 2, "failed": 1, "pending": 6}
    assert house.posts() == 3


def test_a_canary_counts_as_saved_only_with_its_result_in_place() -> None:
    saved = Canary(image="a.png", instruction="mirror", result="a.png")
    paid = Canary(image="b.png", instruction="mirror", result=None)
    assert all_saved([saved])
    assert not all_saved([saved, paid])


def test_a_canary_with_nothing_to_send_is_no_failure(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(2))
    assert desk.run().status == 0
    assert desk.run("--canary", 1).status == 0
    assert house.posts() == 2
