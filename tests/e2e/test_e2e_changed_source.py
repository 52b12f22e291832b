"""A source that changes while the run goes is never billed under the key that it had."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Desk


def test_sources_that_change_after_planning_are_keyed_anew(desk: Desk) -> None:
    rows = desk.items(5)
    old = [_digest(desk.folder / row["image"]) for row in rows]
    # Two rows share an edit, of which one source stays as it was.
    desk.picture("twin.png", 4)
    rows.append({**rows[4], "image": "twin.png"})
    desk.rows(*rows)
    run = desk.start("--rate", 1, "--concurrency", 1)
    desk.house.wait_posts(1)

    new = _digest(desk.picture("p02.png", 500))
    (desk.folder / "p03.png").unlink()
    changed = _digest(desk.picture("p04.png", 501))
    assert desk.house.posts() == 1
    ended = run.wait()

    assert (ended.status, ended.items) == (3, {"total": 6, "saved": 5, "invalid": 1})
    assert ended.edits == (5, 5)
    billed = {edit["image"]: edit["billed"] for edit in desk.house.books()["edits"].values()}
    assert billed == {old[0]: 1, old[1]: 1, new: 1, changed: 1, old[4]: 1}
    assert desk.results() == {"p00.png", "p01.png", "p02.png", "p04.png", "twin.png"}

    desk.picture("p03.png", 3)
    again = desk.run()

    assert (again.status, again.items) == (0, {"total": 6, "saved": 6, "reused": 5})
    assert desk.house.posts() == 6


def test_a_source_that_becomes_what_is_in_flight_joins_that_edit(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(2.5, 2.5))
    rows = [{**row, "instruction": "mirror"} for row in desk.items(2)]
    desk.rows(*rows)
    run = desk.start("--rate", 1, "--concurrency", 2)
    desk.house.wait_posts(1)

    desk.picture("p01.png", 0)
    ended = run.wait()

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert desk.house.books()["billed"] == 1
    assert desk.result("p00.png") == desk.result("p01.png")


def test_a_source_that_becomes_what_is_being_fetched_joins_that_edit(
    desk_with: Callable[..., Desk],
) -> None:
    desk = desk_with(latency=(0.1, 0.1))
    desk.rows(*({**row, "instruction": "mirror"} for row in desk.items(2)))
    desk.house.fail("result_slow", times=2)
    run = desk.start("--rate", 1, "--concurrency", 2)
    desk.house.wait_posts(1)

    desk.picture("p01.png", 0)
    ended = run.wait()

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert desk.house.books()["billed"] == 1


def test_a_source_that_was_only_touched_after_planning_is_sent_as_it_is(desk: Desk) -> None:
    rows = desk.items(3)
    desk.rows(*rows)
    run = desk.start("--rate", 1, "--concurrency", 1)
    desk.house.wait_posts(1)
    desk.picture("p02.png", 2)

    ended = run.wait()

    assert (ended.status, ended.items) == (0, {"total": 3, "saved": 3})
    assert desk.house.posts() == desk.house.books()["billed"] == 3


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
