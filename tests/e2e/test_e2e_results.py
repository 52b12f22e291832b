"""What was paid for is fetched again and again, free of charge; never sent again."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk

PASSING = (
    "result_missing",
    "result_forbidden",
    "result_limited",
    "result_cut",
    "result_corrupt",
    "result_html",
    "result_huge_header",
)


def test_a_result_that_cannot_be_had_at_once_is_fetched_again(desk: Desk) -> None:
    desk.rows(*desk.items(len(PASSING) + 1))
    for number, kind in enumerate(PASSING):
        desk.house.fail(kind, match=f"p{number:02}")
    desk.house.fail("result_redirect", match=f"p{len(PASSING):02}", times=None)

    ended = desk.run()

    assert (ended.status, ended.items) == (0, {"total": 8, "saved": 8})
    assert desk.house.posts() == desk.house.books()["billed"] == 8
    assert all(desk.result(name) for name in desk.results())
    assert desk.left_over() == []


def test_a_run_killed_between_answer_and_placement_is_resumed_without_a_post(desk: Desk) -> None:
    desk.rows(*desk.items(3))
    for number in range(3):
        desk.house.fail("result_slow", match=f"p{number:02}", delay=60.0)
    run = desk.start()
    desk.house.wait_fetches(3)
    run.kill()
    assert desk.results() == set()

    resumed = desk.run()

    assert (resumed.status, resumed.items) == (0, {"total": 3, "saved": 3, "reused": 3})
    assert resumed.edits == (0, 0)
    assert resumed.cost["spent"] == 0
    assert resumed.cost["ledger_total"] == desk.prices(3)
    assert desk.house.posts() == 3
    assert desk.left_over() == []


def test_a_result_of_another_format_is_placed_under_its_own_ending(desk: Desk) -> None:
    desk.rows(*desk.items(1))
    desk.house.fail("result_jpeg", times=None)

    first = desk.run()

    assert (first.status, first.items) == (0, {"total": 1, "saved": 1})
    assert desk.results() == {"p00.png.jpg"}
    with Image.open(BytesIO(desk.result("p00.png.jpg"))) as image:
        assert image.format == "JPEG"

    again = desk.run()
    (desk.out / "p00.png.jpg").unlink()
    deleted = desk.run()

    assert again.items == deleted.items == {"total": 1, "saved": 1, "reused": 1}
    assert desk.results() == {"p00.png.jpg"}
    assert (desk.house.posts(), desk.house.fetches()) == (1, 2)

    (desk.out / "p00.png.jpg").write_bytes(b"my own work")
    altered = desk.run()

    assert (altered.status, altered.items) == (3, {"total": 1, "invalid": 1})


def test_a_result_of_another_size_than_stated_is_placed_and_warned_of(desk: Desk) -> None:
    desk.rows(*desk.items(1))
    desk.house.fail("answer_wrong_charset", variant="text")

    ended = desk.run("--log-format", "json")

    assert (ended.status, ended.items) == (0, {"total": 1, "saved": 1})
    assert "1024×1024" in ended.stderr.encode().decode("unicode_escape", "replace") or (
        "1024\\u00d71024" in ended.stderr or "1024×1024" in ended.stderr
    )
