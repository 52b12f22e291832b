"""Outcomes come as they happen: each item's once, and in place when it says so."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

import qwenbatch
from qwenbatch import Item, ItemState, ManifestError, StopReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.library.conftest import Studio


def states(told: list[qwenbatch.Outcome]) -> dict[int, str]:
    """How each item stands, by its number; none is told twice."""
    assert len({outcome.number for outcome in told}) == len(told), told
    return {outcome.number: outcome.state for outcome in told}


def test_outcomes_tell_each_item_once_and_as_the_books_have_it(studio: Studio) -> None:
    studio.house.fail("moderated", match="mirror p1", times=None)
    studio.house.fail("gave_up", match="mirror p2", times=None, billed=True)
    items = studio.items(4)
    items += [Item("p00.png", "mirror p0", output="again.png"), Item("none.png", "mirror")]

    told, summary = studio.run(items, attempts=1)

    assert states(told) == {
        1: ItemState.SAVED,
        2: ItemState.FAILED,
        3: ItemState.UNCERTAIN,
        4: ItemState.SAVED,
        5: ItemState.SAVED,
        6: ItemState.INVALID,
    }
    by_number = {outcome.number: outcome for outcome in told}
    assert by_number[2].kind == "moderated"
    assert by_number[5].result == str(studio.out / "again.png")
    assert by_number[6].reason == "image: there is no such file"
    counts = summary.items
    assert (counts.saved, counts.failed, counts.uncertain, counts.invalid) == (3, 1, 1, 1)
    assert studio.house.billed() == Counter({"mirror p0": 1, "mirror p2": 1, "mirror p3": 1})
    assert qwenbatch.dollars(summary.cost.spent) == "$0.11"


def test_an_edit_that_is_tried_again_is_told_by_its_end_alone(studio: Studio) -> None:
    studio.house.fail("server_error", match="mirror p0", times=2)
    told, summary = studio.run(studio.items(2))
    assert states(told) == {1: ItemState.SAVED, 2: ItemState.SAVED}
    assert {outcome.number: outcome.attempts for outcome in told} == {1: 3, 2: 1}
    assert (summary.edits.attempts, studio.house.posts()) == (4, 4)


def test_the_engine_runs_in_pythons_own_loop_whatever_the_program_runs_in(studio: Studio) -> None:
    async def main() -> list[qwenbatch.Outcome]:
        async with qwenbatch.open(studio.out, studio.settings()) as batch:
            return [outcome async for outcome in batch.run(studio.items(2))]

    seen: list[str] = []
    factory = asyncio.SelectorEventLoop

    class Seen(factory):  # type: ignore[misc, valid-type] # a variable, to be put back
        def __init__(self) -> None:
            seen.append(threading.current_thread().name)
            super().__init__()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "SelectorEventLoop", Seen)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert set(states(runner.run(main())).values()) == {ItemState.SAVED}
    assert seen == ["qwenbatch-run"]


def test_outcomes_come_when_they_happen_and_what_is_told_as_saved_is_in_place(
    studio_with: Callable[..., Studio],
) -> None:
    studio = studio_with(latency=(0.2, 0.2))
    seen: list[int] = []

    def look(outcome: qwenbatch.Outcome) -> None:
        assert outcome.result is not None
        assert Path(outcome.result).is_file()
        seen.append(studio.house.posts())

    settings = studio.settings(concurrency=1)
    qwenbatch.run(studio.items(6), out=studio.out, settings=settings, on_outcome=look)
    assert seen[0] < 6
    assert len(seen) == 6


def test_outcomes_of_what_was_saved_before_come_at_once(
    studio_with: Callable[..., Studio],
) -> None:
    studio = studio_with(latency=(0.3, 0.3))
    studio.run(studio.items(3))
    more = [*studio.items(1, "q"), *studio.items(3)]

    told, summary = studio.run(more)

    assert [outcome.number for outcome in told] == [2, 3, 4, 1]
    assert (summary.items.reused, summary.edits.paid, studio.house.posts()) == (3, 1, 4)


def test_outcomes_of_manifests_and_folders_come_too(studio: Studio) -> None:
    studio.items(3)
    manifest = studio.folder / "shop.csv"
    manifest.write_text("image,instruction,sku\np00.png,mirror,4711\np01.png,mirror,4712\n")
    told, _ = studio.run("shop.csv")
    assert sorted((outcome.line, outcome.extra) for outcome in told) == [
        (2, b'{"sku":"4711"}'),
        (3, b'{"sku":"4712"}'),
    ]
    manifest.rename(studio.folder / "elsewhere")
    told, summary = studio.run(studio.folder, instruction="mirror")
    assert sorted(Path(outcome.image).name for outcome in told) == ["p00.png", "p01.png", "p02.png"]
    assert summary.edits.paid == 1
    with pytest.raises(ManifestError):
        studio.run("nowhere.csv")


def test_outcomes_carry_what_travels_with_an_item(studio: Studio) -> None:
    item = Item(studio.picture("a.png"), "mirror", id="shoe", extra={"sku": 4711, "tags": ["x"]})
    (outcome,), _ = studio.run([item])
    assert (outcome.id, outcome.extra) == ("shoe", b'{"sku":4711,"tags":["x"]}')
    assert outcome.image == str(studio.folder / "a.png")
    assert (outcome.cost, outcome.attempts) == (0.055, 1)


def test_items_are_taken_one_by_one_and_no_further_than_the_limit(studio: Studio) -> None:
    given: list[int] = []
    picture = studio.picture("a.png")

    def endless() -> Iterator[Item]:
        for number in count():
            given.append(number)
            yield Item(picture, f"mirror {number}")

    told, _ = studio.run(endless(), limit=3)
    assert (len(told), given) == (3, [0, 1, 2])


def test_items_may_come_by_async_for_in_the_loop_of_the_program(studio: Studio) -> None:
    async def slowly() -> AsyncIterator[Item]:
        for item in studio.items(3):
            await asyncio.sleep(0)
            yield item

    async def main() -> list[qwenbatch.Outcome]:
        async with qwenbatch.open(studio.out, studio.settings()) as batch:
            return [outcome async for outcome in batch.run(slowly())]

    assert set(states(asyncio.run(main())).values()) == {ItemState.SAVED}


def test_items_that_raise_end_the_run_with_what_they_raised(studio: Studio) -> None:
    def broken() -> Iterator[Item]:
        yield studio.items(1)[0]
        raise LookupError("the catalogue is gone")

    with pytest.raises(LookupError, match="the catalogue is gone"):
        studio.run(broken())
    assert studio.house.posts() == 0
    told, _ = studio.run(studio.items(1))
    assert states(told) == {1: ItemState.SAVED}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Item("", "mirror"), "image: the image is empty"),
        (Item("a.png", " "), "instruction: the instruction is empty"),
        (Item("a.png", "mirror", output="../a.png"), "output: the output leads out of OUT (..)"),
        (Item("a.png", "mirror", take=0), "take must be a whole number from 1 to 1,000,000"),
        (Item("a.png", "mirror", take=True), "take must be a whole number"),
        (Item("a\udcff.png", "mirror"), "image holds half a character"),
        (Item("a.png", "mirror \ud800"), "instruction holds half a character"),
        (Item("a.png", "mirror", extra={"x": object()}), "extra cannot travel"),
        (Item("a.png", "mirror", extra={"take": 2}), "extra names take, which an item has"),
        (Item("data:image/png;base64," + "A" * 100_000, "mirror"), "a data URI is taken only"),
    ],
)
def test_items_that_break_a_rule_are_invalid_and_say_why(
    studio: Studio, item: Item, reason: str
) -> None:
    studio.picture("a.png")
    (outcome,), summary = studio.run([item])
    assert outcome.state is ItemState.INVALID
    assert reason in outcome.reason
    assert (summary.items.invalid, studio.house.posts()) == (1, 0)


@pytest.mark.parametrize(
    "wrong",
    ["a.png", None, Item(7, "mirror"), Item("a.png", 7), Item("a.png", "mirror", watermark="no")],  # type: ignore[arg-type] # what a program gets wrong
)
def test_items_of_a_wrong_type_are_invalid_and_take_no_other_with_them(
    studio: Studio, wrong: Any
) -> None:
    studio.picture("a.png")
    told, _ = studio.run([wrong, Item("a.png", "mirror")])
    assert states(told) == {1: ItemState.INVALID, 2: ItemState.SAVED}
    assert " not a value of the type " in told[0].reason


def test_outcomes_of_more_than_a_page_are_told_once_each(studio: Studio) -> None:
    picture = studio.picture("a.png")
    same = [Item(picture, "mirror", output=f"{number}.png") for number in range(300)]
    bad = [Item("none.png", "mirror")] * 300
    told, _ = studio.run([*same, *bad])
    assert Counter(states(told).values()) == {ItemState.SAVED: 300, ItemState.INVALID: 300}
    assert studio.house.posts() == 1


def test_a_cap_is_no_error_and_what_it_left_is_told_as_pending(studio: Studio) -> None:
    told, summary = studio.run(studio.items(5), max_cost="0.11")
    assert Counter(states(told).values()) == {ItemState.SAVED: 2, ItemState.PENDING: 3}
    assert summary.stopped_by is StopReason.MAX_COST
    assert summary.exit_status == 5
    assert studio.house.posts() == 2


def test_canaries_that_are_not_saved_stop_the_run(studio: Studio) -> None:
    studio.house.fail("moderated", match="mirror", times=None)
    told, summary = studio.run(studio.items(9), canary=1)
    assert summary.stopped_by is StopReason.CANARY
    assert studio.house.posts() == 1
    assert Counter(states(told).values()) == {ItemState.FAILED: 1, ItemState.PENDING: 8}


def test_runs_of_other_names_leave_what_was_told_before(studio: Studio) -> None:
    settings = studio.settings()
    for name in ("shoes", "hats"):
        qwenbatch.run(studio.items(2, name), out=studio.out, settings=settings, name=name)
    told, summary = studio.run(studio.items(2, "shoes"))
    assert len(told) == summary.items.saved == summary.items.reused == 2


def test_the_library_prints_nothing(studio: Studio, capfd: pytest.CaptureFixture[str]) -> None:
    studio.house.fail("moderated", match="mirror p0")
    studio.run([*studio.items(2), Item("none.png", "mirror")])
    assert capfd.readouterr() == ("", "")
