"""Every money rule of an item's path: what lies there, and what that costs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk


def test_a_result_in_place_is_done_even_if_it_was_touched_or_copied(desk: Desk) -> None:
    desk.rows(*desk.items(2))
    desk.run()
    os.utime(desk.out / "p00.png", (1, 1))
    data = desk.result("p01.png")
    (desk.out / "p01.png").unlink()
    (desk.out / "p01.png").write_bytes(data)

    again = desk.run()

    assert (again.status, again.items) == (0, {"total": 2, "saved": 2, "reused": 2})
    assert (desk.house.posts(), desk.house.fetches()) == (2, 2)
    assert desk.replaced() == []


def test_another_keys_result_is_replaced_and_comes_back_free_of_charge(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows(row)
    desk.run()
    mirrored = desk.result("p00.png")

    desk.rows({**row, "instruction": "invert"})
    desk.run()
    inverted = desk.result("p00.png")

    assert inverted != mirrored
    assert [path.read_bytes() for path in desk.replaced()] == [mirrored]
    assert (desk.house.posts(), desk.house.fetches()) == (2, 2)

    desk.rows(row)
    reverted = desk.run()

    assert (reverted.status, reverted.items) == (0, {"total": 1, "saved": 1, "reused": 1})
    assert desk.result("p00.png") == mirrored
    assert [path.read_bytes() for path in desk.replaced()] == [inverted]

    desk.rows({**row, "instruction": "invert"})
    desk.run()

    assert desk.result("p00.png") == inverted
    assert [path.read_bytes() for path in desk.replaced()] == [mirrored]
    assert (desk.house.posts(), desk.house.fetches()) == (2, 2)


def test_another_keys_result_stays_in_place_if_the_new_one_does_not_arrive(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows(row)
    desk.run()
    before = desk.result("p00.png")
    desk.house.fail("moderated", match="invert")
    desk.rows({**row, "instruction": "invert"})

    refused = desk.run()

    assert (refused.status, refused.items) == (3, {"total": 1, "failed": 1})
    assert desk.result("p00.png") == before
    assert desk.replaced() == []

    desk.rows(row)
    reverted = desk.run()

    assert (reverted.status, reverted.items) == (0, {"total": 1, "saved": 1, "reused": 1})
    assert desk.house.posts() == 2


def test_an_altered_result_is_refused_and_overwritten_only_if_asked_without_a_post(
    desk: Desk,
) -> None:
    desk.rows(*desk.items(2))
    desk.run()
    whole = desk.result("p00.png")
    (desk.out / "p00.png").write_bytes(b"my own work")

    refused = desk.run()

    assert (refused.status, refused.items) == (
        3,
        {"total": 2, "saved": 1, "reused": 1, "invalid": 1},
    )
    assert (desk.out / "p00.png").read_bytes() == b"my own work"
    assert "someone altered" in refused.stderr
    assert "--overwrite" in refused.stderr

    overwritten = desk.run("--overwrite")

    assert (overwritten.status, overwritten.items) == (0, {"total": 2, "saved": 2, "reused": 2})
    assert overwritten.edits == (0, 0)
    assert desk.result("p00.png") == whole
    assert desk.house.posts() == 2


def test_an_altered_result_is_not_moved_away_for_another_key(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows(row)
    desk.run()
    (desk.out / "p00.png").write_bytes(b"my own work")
    desk.rows({**row, "instruction": "invert"})

    refused = desk.run()

    assert (refused.status, refused.items) == (3, {"total": 1, "invalid": 1})
    assert desk.house.posts() == 1

    overwritten = desk.run("--overwrite")

    assert (overwritten.status, overwritten.items) == (0, {"total": 1, "saved": 1})
    assert desk.house.billed() == {"mirror p00": 1, "invert": 1}
    assert desk.replaced() == []


def test_a_foreign_file_is_refused_before_anything_is_sent_and_overwritten_if_asked(
    desk: Desk,
) -> None:
    desk.rows(*desk.items(2))
    desk.out.mkdir()
    (desk.out / "p00.png").write_bytes(b"not ours")

    refused = desk.run()

    assert (refused.status, refused.items) == (3, {"total": 2, "saved": 1, "invalid": 1})
    assert desk.house.billed() == {"mirror p01": 1}
    assert (desk.out / "p00.png").read_bytes() == b"not ours"

    overwritten = desk.run("--overwrite")

    assert (overwritten.status, overwritten.items) == (0, {"total": 2, "saved": 2, "reused": 1})
    assert desk.house.billed() == {"mirror p00": 1, "mirror p01": 1}
    desk.result("p00.png")


@pytest.mark.parametrize("asked", [(), ("--overwrite",)])
def test_a_path_that_is_a_source_is_never_written(desk: Desk, asked: tuple[str, ...]) -> None:
    source = desk.picture("out/in.png", 1)
    linked = desk.picture("linked.png", 2)
    os.link(linked, desk.out / "hard.png")
    before = source.read_bytes(), linked.read_bytes()
    desk.rows(
        {"image": "out/in.png", "instruction": "mirror", "output": "done.png"},
        {"image": "linked.png", "instruction": "mirror", "output": "in.png"},
        {"image": "linked.png", "instruction": "invert", "output": "hard.png"},
    )

    ended = desk.run(*asked)

    assert (ended.status, ended.items) == (3, {"total": 3, "saved": 1, "invalid": 2})
    assert (source.read_bytes(), linked.read_bytes()) == before
    assert (desk.out / "hard.png").read_bytes() == before[1]
    assert desk.house.posts() == 1


def test_a_deleted_result_is_copied_from_another_item_or_fetched_again(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows({**row, "output": "a.png"}, {**row, "output": "deep/b.png"})

    first = desk.run()

    assert (first.status, first.items, first.edits) == (0, {"total": 2, "saved": 2}, (1, 1))
    assert (desk.house.posts(), desk.house.fetches()) == (1, 1)
    whole = desk.result("a.png")

    (desk.out / "a.png").unlink()
    copied = desk.run()

    assert (copied.status, copied.items) == (0, {"total": 2, "saved": 2, "reused": 2})
    assert desk.result("a.png") == desk.result("deep/b.png") == whole
    assert (desk.house.posts(), desk.house.fetches()) == (1, 1)

    (desk.out / "a.png").unlink()
    (desk.out / "deep/b.png").unlink()
    (desk.out / "deep").rmdir()
    fetched = desk.run()

    assert (fetched.status, fetched.items) == (0, {"total": 2, "saved": 2, "reused": 2})
    assert desk.result("a.png") == desk.result("deep/b.png") == whole
    assert (desk.house.posts(), desk.house.fetches()) == (1, 2)


def test_a_deleted_result_is_copied_from_replaced(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows({**row, "output": "a.png"}, {**row, "output": "b.png"})
    desk.run()
    whole = desk.result("a.png")
    changed = {**row, "output": "b.png", "instruction": "invert"}
    desk.rows({**row, "output": "a.png"}, changed)
    desk.run()
    (desk.out / "a.png").unlink()

    again = desk.run()

    assert (again.status, again.items) == (0, {"total": 2, "saved": 2, "reused": 2})
    assert desk.result("a.png") == whole
    assert (desk.house.posts(), desk.house.fetches()) == (2, 2)


def test_rows_with_one_key_and_one_path_are_one_placement_counted_each(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows(row, row, {**row, "output": "p00.png"})

    first = desk.run()

    assert (first.status, first.items, first.edits) == (0, {"total": 3, "saved": 3}, (1, 1))
    assert desk.results() == {"p00.png"}
    assert (desk.house.posts(), desk.house.fetches()) == (1, 1)


def test_a_paid_result_whose_path_went_to_another_key_is_kept_in_replaced(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows(row)
    _die_while_fetching(desk)
    desk.rows({**row, "instruction": "invert"})

    changed = desk.run()

    assert (changed.status, changed.items) == (0, {"total": 1, "saved": 1})
    assert len(desk.replaced()) == 1
    assert desk.house.billed() == {"mirror p00": 1, "invert": 1}
    fetches = desk.house.fetches()

    desk.rows(row)
    reverted = desk.run()

    assert (reverted.status, reverted.items) == (0, {"total": 1, "saved": 1, "reused": 1})
    assert (desk.house.posts(), desk.house.fetches()) == (2, fetches)


def test_what_is_paid_is_placed_though_its_row_is_in_the_manifest_no_longer(desk: Desk) -> None:
    first, second = desk.items(2)
    desk.rows(first)
    _die_while_fetching(desk)
    desk.rows(second)

    ended = desk.run()

    assert (ended.status, ended.items) == (0, {"total": 1, "saved": 1})
    assert desk.results() == {"p00.png", "p01.png"}
    assert desk.house.posts() == 2


def test_a_file_that_comes_to_lie_at_the_path_meanwhile_is_not_overwritten(desk: Desk) -> None:
    desk.house.fail("result_slow", delay=1.0)
    desk.rows(*desk.items(1))
    run = desk.start()
    desk.house.wait_billed(1)
    (desk.out / "p00.png").write_bytes(b"just come")

    ended = run.wait()

    assert (ended.status, ended.items) == (3, {"total": 1, "pending": 1})
    assert (desk.out / "p00.png").read_bytes() == b"just come"

    (desk.out / "p00.png").unlink()
    again = desk.run()

    assert (again.status, again.items) == (0, {"total": 1, "saved": 1, "reused": 1})
    assert desk.house.posts() == 1


def _die_while_fetching(desk: Desk) -> None:
    """The first edit is paid, but its result is not in place."""
    desk.house.fail("result_slow", delay=20.0)
    run = desk.start()
    desk.house.wait_fetches(1)
    run.kill()
    assert desk.results() == set()
