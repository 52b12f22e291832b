from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk


def test_sixty_items_are_paid_once_each_and_never_again(desk: Desk) -> None:
    rows = desk.items(60)
    desk.rows(*rows)

    first = desk.run()

    assert (first.status, first.items) == (0, {"total": 60, "saved": 60})
    assert first.edits == (60, 60)
    assert first.cost["spent"] == first.cost["ledger_total"] == 3.3
    books = desk.house.books()
    assert (books["posts"], books["billed"], len(books["edits"])) == (60, 60, 60)
    assert {edit["billed"] for edit in books["edits"].values()} == {1}
    assert set(books["results_fetched"].values()) == {1}
    assert desk.results() == {f"p{number:02}.png" for number in range(60)}
    assert desk.left_over() == []

    second = desk.run()

    assert (second.status, second.items) == (0, {"total": 60, "saved": 60, "reused": 60})
    assert second.edits == (0, 0)
    assert second.cost["spent"] == 0
    assert second.cost["ledger_total"] == 3.3
    assert (desk.house.posts(), desk.house.fetches()) == (60, 60)

    rows[3]["instruction"] = "invert"
    desk.picture(rows[7]["image"], 700)
    desk.folder.joinpath("p11.png").rename(desk.folder / "renamed.png")
    rows[11]["image"] = "renamed.png"
    rows.append(dict(rows[20]))
    rows.reverse()
    desk.rows(*rows)

    third = desk.run()

    assert (third.status, third.items) == (0, {"total": 61, "saved": 61, "reused": 59})
    assert third.edits == (2, 2)
    assert third.cost["spent"] == 0.11
    books = desk.house.books()
    assert (books["posts"], books["billed"], len(books["edits"])) == (62, 62, 62)
    assert {edit["billed"] for edit in books["edits"].values()} == {1}
    assert desk.house.fetches() == 62
    assert desk.result("renamed.png") == desk.result("p11.png")
    assert len(desk.replaced()) == 2

    fourth = desk.run()

    assert (fourth.status, fourth.items) == (0, {"total": 61, "saved": 61, "reused": 61})
    assert fourth.edits == (0, 0)
    assert (desk.house.posts(), desk.house.fetches()) == (62, 62)


def test_a_folder_is_edited_with_one_instruction_and_then_reused(desk: Desk) -> None:
    for number, name in enumerate(("a.png", "deep/b.png", "deep/er/c.png", ".hidden.png")):
        desk.picture(f"photos/{name}", number)

    first = desk.run("-i", "mirror all", source="photos")
    second = desk.run("-i", "mirror all", source="photos")

    assert (first.status, first.items) == (0, {"total": 3, "saved": 3})
    assert (second.status, second.items) == (0, {"total": 3, "saved": 3, "reused": 3})
    assert desk.results() == {"a.png", "deep/b.png", "deep/er/c.png"}
    assert desk.house.billed() == {"mirror all": 3}
    assert desk.house.posts() == 3


def test_a_sandbox_for_the_run_alone_serves_its_results_again_later(desk: Desk) -> None:
    desk.rows(*desk.items(2))
    environment = {**desk.environment}
    del environment["QWENBATCH_API_KEY"]

    first = desk.run("--sandbox", gateway=False, env=environment)
    (desk.out / "p00.png").unlink()
    second = desk.run("--sandbox", gateway=False, env=environment)

    assert (first.status, first.items) == (0, {"total": 2, "saved": 2})
    assert (second.status, second.items) == (0, {"total": 2, "saved": 2, "reused": 2})
    assert second.edits == (0, 0)
    assert desk.results() == {"p00.png", "p01.png"}
