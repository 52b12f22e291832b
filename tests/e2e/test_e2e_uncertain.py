"""What may have been paid is held, counted, and sent again only if asked."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk


def test_what_may_have_been_paid_is_held_and_resent_only_if_asked(desk: Desk) -> None:
    desk.rows(*desk.items(5))
    desk.house.fail("cut_off", match="p00")
    desk.house.fail("gave_up", match="p01")
    desk.house.fail("unreadable", match="p02", billed=False)
    desk.house.fail("answer_html", match="p03")
    # It breaks off behind the image's URL: that beats everything.
    desk.house.fail("answer_cut", match="p04")

    first = desk.run()

    assert (first.status, first.items) == (4, {"total": 5, "saved": 1, "uncertain": 4})
    assert first.edits == (5, 1)
    assert first.told["failures"] == {"cut_off": 1, "gave_up": 1, "unreadable": 2}
    assert first.cost["spent"] == desk.prices(1)
    assert first.cost["exposure"] == desk.prices(4)
    assert first.cost["maybe_twice"] == 0
    assert "--resend-uncertain" in desk.start(json_=False).wait().stdout
    assert desk.house.posts() == 5

    second = desk.run()

    assert (second.status, second.items) == (
        4,
        {"total": 5, "saved": 1, "reused": 1, "uncertain": 4},
    )
    assert second.edits == (0, 0)
    assert (second.cost["spent"], second.cost["exposure"]) == (0, desk.prices(4))
    assert desk.house.posts() == 5

    resent = desk.run("--resend-uncertain")

    assert (resent.status, resent.items) == (0, {"total": 5, "saved": 5, "reused": 1})
    assert resent.edits == (4, 4)
    assert resent.cost["spent"] == desk.prices(4)
    assert resent.cost["exposure"] == resent.cost["maybe_twice"] == desk.prices(4)
    assert resent.cost["ledger_total"] == desk.prices(5)
    billed = desk.house.billed()
    assert billed == {f"mirror p0{number}": 2 if number in {0, 1, 3} else 1 for number in range(5)}

    last = desk.run("--resend-uncertain")

    assert (last.status, last.edits) == (0, (0, 0))
    assert last.cost["exposure"] == last.cost["maybe_twice"] == desk.prices(4)
    assert desk.house.posts() == 9


def test_exposure_is_that_of_this_manifests_edits_alone(desk: Desk) -> None:
    first, second = desk.items(2)
    desk.rows(first)
    desk.house.fail("gave_up", match="p00")
    assert desk.run().cost["exposure"] == desk.prices(1)
    desk.rows(second)

    other = desk.run()

    assert (other.status, other.items) == (0, {"total": 1, "saved": 1})
    assert other.cost["exposure"] == 0


def test_resends_that_come_to_nothing_leave_their_edits_uncertain(desk: Desk) -> None:
    kinds = ("moderated", "server_error", "gave_up")
    desk.rows(*desk.items(len(kinds)))
    desk.house.fail("gave_up", times=len(kinds))
    desk.run()
    for number, kind in enumerate(kinds):
        desk.house.fail(kind, match=f"p{number:02}")

    resent = desk.run("--resend-uncertain", "--attempts", 1)
    desk.house.fail("denied", times=None)
    denied = desk.run("--resend-uncertain", "--concurrency", 1)
    held = desk.run()

    assert resent.items == denied.items == held.items == {"total": 3, "uncertain": 3}
    assert (resent.status, denied.status, held.status) == (4, 7, 4)
    assert (resent.edits, denied.edits, held.edits) == ((3, 0), (1, 0), (0, 0))
    assert held.cost["exposure"] == desk.prices(4)
    assert held.cost["maybe_twice"] == desk.prices(1)
    assert desk.house.posts() == 7


def test_an_uncertain_edit_counts_against_the_budget_until_it_is_settled(desk: Desk) -> None:
    desk.rows(*desk.items(3))
    desk.house.fail("gave_up", match="p00")
    budget = ("--budget", f"{desk.prices(3)}/month")
    assert desk.run(*budget).items == {"total": 3, "saved": 2, "uncertain": 1}

    resent = desk.run("--resend-uncertain", *budget)

    assert (resent.status, resent.told["stopped_by"]) == (5, "budget")
    assert resent.items == {"total": 3, "saved": 2, "reused": 2, "uncertain": 1}
    assert desk.house.posts() == 3


def test_no_answer_in_time_is_uncertain(slow_desk: Desk) -> None:
    slow_desk.rows(*slow_desk.items(1))

    ended = slow_desk.run("--timeout", 0.5)

    assert (ended.status, ended.items) == (4, {"total": 1, "uncertain": 1})
    assert ended.told["failures"] == {"cut_off": 1}
    assert slow_desk.house.posts() == 1


def test_what_broke_off_before_its_last_chunk_is_sent_again(desk: Desk) -> None:
    # Larger than what the system takes before the other side reads.
    noise = Random(7).randbytes(1600 * 1500 * 3)  # noqa: S311 - repeatable, not secret
    Image.frombytes("RGB", (1600, 1500), noise).save(desk.folder / "large.png", compress_level=0)
    desk.rows({"image": "large.png", "instruction": "mirror"})
    desk.house.fail("unreachable", variant="reset_before_body")
    desk.house.fail("unreachable", variant="reset_in_body")

    ended = desk.run()

    assert (ended.status, ended.items) == (0, {"total": 1, "saved": 1})
    assert ended.edits == (3, 1)
    assert (ended.cost["spent"], ended.cost["exposure"]) == (desk.prices(1), 0)
    assert (desk.house.posts(), desk.house.billed()) == (3, {"mirror": 1})
