"""The one case that takes a minute: it is begun before all other tests, and judged after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Unfetched


def test_results_that_stay_unfetched_stop_the_run_and_are_placed_later(
    unfetched: Unfetched,
) -> None:
    desk = unfetched.desk

    ended = unfetched.run.wait(110.0)

    assert (ended.status, ended.told["stopped_by"]) == (8, "unfetched")
    assert ended.items == {"total": 5, "pending": 5}
    assert ended.told["failures"] == {"unfetched": 3}
    assert ended.cost["spent"] == desk.prices(3)
    assert (desk.house.posts(), desk.house.fetches()) == (3, 18)

    again = desk.run()

    assert (again.status, again.items) == (0, {"total": 5, "saved": 5, "reused": 3})
    assert desk.house.posts() == 5
    assert set(desk.house.billed().values()) == {1}
