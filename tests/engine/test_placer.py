from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from qwenbatch.core.events import FetchFailed, ResultLost, ResultSaved
from qwenbatch.core.placements import Preparation
from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.core.retry import LOST_AFTER
from qwenbatch.imaging.verify import ResultVerifier
from qwenbatch.results.shelf import Shelf
from tests.engine.gallery import FORBIDDEN, HOPELESS, ONE, PASSING, TWO, Gallery, picture

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import FileStamp, Placement
    from tests.engine.conftest import World

pytestmark = pytest.mark.anyio


class PausingShelf(Shelf):
    """A shelf that stops at each of its steps until it may go on."""

    @classmethod
    def of(cls, gallery: Gallery) -> PausingShelf:
        shelf = cls(
            gallery.folders, ResultVerifier, lambda _: None, offload=anyio.to_thread.run_sync
        )
        shelf.reached = {"adopt": anyio.Event(), "put": anyio.Event()}
        shelf.go_on = anyio.Event()
        return shelf

    reached: dict[str, anyio.Event]
    go_on: anyio.Event

    async def adopt(self, placement: Placement) -> FileStamp | None:
        stamp = await super().adopt(placement)
        self.reached["adopt"].set()
        if stamp is not None:
            await self.go_on.wait()
        return stamp

    async def put(self, *arguments: Any, **named: Any) -> FileStamp | None:
        self.reached["put"].set()
        await self.go_on.wait()
        return await super().put(*arguments, **named)


def prepared(key: EditKey, content: bytes) -> Preparation:
    return Preparation(
        key=key,
        path="a.png",
        suffix="",
        replaced=None,
        digest=sha256(content).digest(),
        size=len(content),
    )


@pytest.fixture
def gallery(world: World, tmp_path: Path) -> Gallery:
    return Gallery(world, tmp_path / "out")


async def test_placer_fetches_a_result_and_places_it(gallery: Gallery) -> None:
    key = await gallery.pay(1, ONE, "sub/a.png")
    await gallery.place(key)
    assert gallery.read("sub/a.png") == ONE
    assert await gallery.files(key) == {"sub/a.png": ("saved", "sub/a.png")}
    told = gallery.world.events[-1]
    assert isinstance(told, ResultSaved)
    assert (told.path, told.items, told.reused, told.warning) == ("sub/a.png", 1, False, "")
    assert gallery.leftovers == 0


async def test_placer_fetches_once_for_all_paths_of_an_edit(gallery: Gallery) -> None:
    key = await gallery.pay(1, ONE, "a.png", "b.png", "c.png")
    await gallery.place(key)
    assert [gallery.read(path) for path in ("a.png", "b.png", "c.png")] == [ONE] * 3
    assert len(gallery.fetcher.fetched) == 1


async def test_placer_tries_again_and_leaves_it_waiting(gallery: Gallery) -> None:
    key = await gallery.pay(1, PASSING, "a.png")
    await gallery.place(key)
    assert len(gallery.fetcher.fetched) == 3
    assert await gallery.files(key) == {"a.png": ("waiting", "a.png")}
    assert gallery.governor._given_up == 1
    fails = [event for event in gallery.world.events if isinstance(event, FetchFailed)]
    assert [event.again_in for event in fails] == [0.0, 0.0, None]


async def test_placer_a_forbidden_url_is_lost_at_once(gallery: Gallery) -> None:
    key = await gallery.pay(1, FORBIDDEN, "a.png")
    await gallery.place(key)
    assert len(gallery.fetcher.fetched) == 1
    assert await gallery.files(key) == {}
    assert await gallery.book.is_lost(key)
    assert isinstance(gallery.world.events[-1], ResultLost)


async def test_placer_forgets_what_was_kept_of_an_answer_once_nothing_waits_for_it(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, PASSING, "a.png", "b.png")
    await gallery.place(key)
    assert gallery.fetcher.forgotten == [], "two paths wait for it"
    gallery.fetcher.results[gallery.url(1)] = ONE
    await gallery.place(key)
    assert gallery.fetcher.forgotten == [gallery.url(1)]


async def test_placer_a_picture_that_is_no_longer_where_it_was_kept_is_lost_at_once(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, Unfetched(Trouble.GONE, "it is gone"), "a.png")
    await gallery.place(key)
    assert len(gallery.fetcher.fetched) == 1
    assert await gallery.book.is_lost(key)


@pytest.mark.parametrize("order", [(FORBIDDEN, PASSING), (PASSING, FORBIDDEN)])
async def test_placer_a_result_paid_for_twice_waits_while_one_of_its_urls_leaves_hope(
    gallery: Gallery, order: tuple[Unfetched, Unfetched]
) -> None:
    key = await gallery.pay(1, order[0], "a.png")
    await gallery.pay_again(1, order[1], "a.png")
    gallery.world.clock.more += LOST_AFTER + 60
    await gallery.place(key, paid_now=False)
    assert await gallery.files(key) == {"a.png": ("waiting", "a.png")}
    hopeful = gallery.url(1, again=order[0] is FORBIDDEN)
    assert gallery.fetcher.fetched.count(hopeful) == 3, "it is tried again"
    assert len(gallery.fetcher.fetched) == 4, "the forbidden one is not"
    gallery.fetcher.results[hopeful] = ONE
    await gallery.place(key, paid_now=False)
    assert await gallery.files(key) == {"a.png": ("saved", "a.png")}


@pytest.mark.parametrize("other", [HOPELESS, FORBIDDEN])
@pytest.mark.parametrize("newest_is_hopeful", [True, False])
async def test_placer_tried_once_gives_nothing_up_that_one_of_its_urls_may_yet_give(
    gallery: Gallery, other: Unfetched, *, newest_is_hopeful: bool
) -> None:
    """As before a resend that was asked for: what is not lost is not paid again."""
    first, second = (other, PASSING) if newest_is_hopeful else (PASSING, other)
    key = await gallery.pay(1, first, "a.png")
    await gallery.pay_again(1, second, "a.png")
    gallery.world.clock.more += LOST_AFTER + 60
    await gallery.placer().place(key, paid_now=False, waits=())
    assert not await gallery.book.is_lost(key)


async def test_placer_a_result_paid_for_twice_is_taken_from_where_it_is(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, ONE, "a.png")
    await gallery.pay_again(1, HOPELESS, "a.png")
    await gallery.place(key)
    assert gallery.read("a.png") == ONE
    assert gallery.fetcher.fetched == [gallery.url(1, again=True), gallery.url(1)], "newest first"


async def test_placer_a_day_is_counted_from_the_newest_answer(gallery: Gallery) -> None:
    key = await gallery.pay(1, HOPELESS, "a.png")
    gallery.world.clock.more += LOST_AFTER + 60
    await gallery.pay_again(1, HOPELESS, "a.png")
    await gallery.place(key, paid_now=False)
    assert await gallery.files(key) == {"a.png": ("waiting", "a.png")}
    gallery.world.clock.more += LOST_AFTER + 60
    await gallery.place(key, paid_now=False)
    assert await gallery.book.is_lost(key)


async def test_placer_hopeless_results_are_lost_only_after_a_day(gallery: Gallery) -> None:
    key = await gallery.pay(1, HOPELESS, "a.png")
    gallery.world.clock.more += LOST_AFTER - 60
    await gallery.place(key, paid_now=False)
    assert not await gallery.book.is_lost(key)
    gallery.world.clock.more += 120
    await gallery.place(key, paid_now=False)
    assert await gallery.book.is_lost(key)


async def test_placer_what_this_run_paid_for_is_not_lost_by_a_leap_of_the_clock(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, HOPELESS, "a.png")
    gallery.world.clock.more += LOST_AFTER + 60
    await gallery.place(key, paid_now=True)
    assert not await gallery.book.is_lost(key)


async def test_placer_adopts_what_a_death_left_in_place(gallery: Gallery) -> None:
    key = await gallery.pay(1, HOPELESS, "a.png")
    await gallery.book.prepare(prepared(key, ONE))
    gallery.write("a.png", ONE)
    inode = gallery.folders.file("a.png").stat().st_ino
    await gallery.place(key)
    assert await gallery.files(key) == {"a.png": ("saved", "a.png")}
    assert gallery.fetcher.fetched == []
    assert gallery.folders.file("a.png").stat().st_ino == inode, "adopted as it is, not copied"


async def test_placer_looks_at_a_path_and_acts_on_it_alone(gallery: Gallery) -> None:
    """A result that is being adopted is no free path for another edit's."""
    shelf = gallery.shelf = PausingShelf.of(gallery)
    first = await gallery.pay(1, ONE, "a.png")
    await gallery.book.prepare(prepared(first, ONE))
    gallery.write("a.png", ONE)
    gallery.take("a.png")
    other = await gallery.pay(2, TWO, "a.png")
    placer = gallery.placer()
    async with anyio.create_task_group() as group:
        group.start_soon(partial(placer.place, first, paid_now=False))
        await shelf.reached["adopt"].wait()
        group.start_soon(partial(placer.place, other, paid_now=True))
        with anyio.move_on_after(0.2):
            await shelf.reached["put"].wait()
        came_through = shelf.reached["put"].is_set()
        shelf.go_on.set()
    assert not came_through
    assert gallery.read("a.png") == TWO
    assert await gallery.files(other) == {"a.png": ("saved", "a.png")}
    ((state, file),) = (await gallery.files(first)).values()
    assert (state, gallery.read(file)) == ("saved", ONE)


async def test_placer_keeps_what_makes_room_before_the_ledger_says_that_it_lies_there(
    gallery: Gallery,
) -> None:
    first = await gallery.pay(1, ONE, "a.png")
    await gallery.place(first)
    gallery.take("a.png")
    shelf = gallery.shelf = PausingShelf.of(gallery)
    other = await gallery.pay(2, TWO, "a.png")
    async with anyio.create_task_group() as group:
        group.start_soon(partial(gallery.placer().place, other, paid_now=True))
        await shelf.reached["put"].wait()
        ((_, file),) = (await gallery.files(first)).values()
        kept = gallery.folders.file(file)
        found = kept.read_bytes() if kept.exists() else b""
        shelf.go_on.set()
    assert file.startswith(".qwenbatch/replaced/")
    assert found == ONE
    assert gallery.read("a.png") == TWO


async def test_placer_waits_before_it_fetches_again(gallery: Gallery) -> None:
    key = await gallery.pay(1, PASSING, "a.png")
    began = anyio.current_time()
    await gallery.placer().place(key, paid_now=True, waits=(0.05, 0.1))
    assert anyio.current_time() - began >= 0.15
    assert len(gallery.fetcher.fetched) == 3


async def test_placer_cancelled_once_the_digest_is_recorded_ends_what_it_began(
    gallery: Gallery,
) -> None:
    shelf = gallery.shelf = PausingShelf.of(gallery)
    key = await gallery.pay(1, ONE, "a.png")
    async with anyio.create_task_group() as group:
        group.start_soon(partial(gallery.placer().place, key, paid_now=True))
        await shelf.reached["put"].wait()
        placing = gallery.governor._placing
        (noted,) = (await gallery.book.paid_edit(key)).waiting
        group.cancel_scope.cancel()
        shelf.go_on.set()
    assert placing == 1, "it counts among what waits"
    assert noted.digest == sha256(ONE).digest(), "recorded before it has its name"
    assert await gallery.files(key) == {"a.png": ("saved", "a.png")}
    assert gallery.read("a.png") == ONE
    assert gallery.governor._placing == 0


async def test_placer_records_nothing_as_saved_that_found_its_path_taken(gallery: Gallery) -> None:
    shelf = gallery.shelf = PausingShelf.of(gallery)
    key = await gallery.pay(1, ONE, "a.png")
    async with anyio.create_task_group() as group:
        group.start_soon(partial(gallery.placer().place, key, paid_now=True))
        await shelf.reached["put"].wait()
        gallery.write("a.png", b"someone's")
        shelf.go_on.set()
    assert gallery.read("a.png") == b"someone's"
    assert await gallery.files(key) == {"a.png": ("waiting", "a.png")}


async def test_placer_takes_back_what_a_death_left_on_its_way_from_replaced(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, HOPELESS, "a.png")
    await gallery.book.prepare(prepared(key, ONE))
    refuge = gallery.shelf.replaced_path(key, sha256(ONE).digest(), "")
    gallery.write(refuge, ONE)
    await gallery.place(key)
    assert await gallery.files(key) == {"a.png": ("saved", "a.png")}
    assert (gallery.read("a.png"), gallery.fetcher.fetched) == (ONE, [])


async def test_placer_leaves_a_path_that_no_manifest_names_to_the_edit_that_has_it(
    gallery: Gallery,
) -> None:
    first = await gallery.pay(1, ONE, "a.png")
    await gallery.place(first)
    gallery.take("a.png")
    other = await gallery.pay(2, TWO, "a.png")
    gallery.take("a.png")
    await gallery.place(other)
    assert await gallery.files(first) == {"a.png": ("saved", "a.png")}
    ((state, file),) = (await gallery.files(other)).values()
    assert (state, gallery.read(file), gallery.read("a.png")) == ("saved", TWO, ONE)


async def test_placer_takes_another_edits_result_for_no_own_though_it_be_the_same_picture(
    gallery: Gallery,
) -> None:
    first = await gallery.pay(1, ONE, "a.png")
    await gallery.place(first)
    gallery.folders.file("a.png").unlink()
    await gallery.want(first, "a.png")
    gallery.take("a.png")
    other = await gallery.pay(2, ONE, "a.png")
    await gallery.place(other)
    await gallery.place(first)
    assert await gallery.files(other) == {"a.png": ("saved", "a.png")}
    ((state, file),) = (await gallery.files(first)).values()
    assert (state, file.startswith(".qwenbatch/replaced/")) == ("saved", True)


async def test_placer_copies_a_deleted_result_from_another_item(gallery: Gallery) -> None:
    key = await gallery.pay(1, ONE, "a.png", "b.png")
    await gallery.place(key)
    gallery.folders.file("a.png").unlink()
    await gallery.want(key, "a.png")
    await gallery.place(key)
    assert gallery.read("a.png") == ONE
    assert len(gallery.fetcher.fetched) == 1


async def test_placer_fetches_again_where_every_copy_is_gone_or_altered(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, ONE, "a.png", "b.png")
    await gallery.place(key)
    gallery.folders.file("a.png").unlink()
    gallery.write("b.png", TWO)
    await gallery.want(key, "a.png")
    await gallery.place(key)
    assert gallery.read("a.png") == ONE
    assert len(gallery.fetcher.fetched) == 2


async def test_placer_overwrites_nothing_that_is_not_ours(gallery: Gallery) -> None:
    key = await gallery.pay(1, ONE, "a.png")
    gallery.write("a.png", b"someone's")
    await gallery.place(key)
    assert gallery.read("a.png") == b"someone's"
    assert await gallery.files(key) == {"a.png": ("waiting", "a.png")}
    assert gallery.governor._given_up == 1
    await gallery.place(key, overwrite=True)
    assert gallery.read("a.png") == ONE
    assert gallery.leftovers == 0


async def test_placer_moves_another_edits_result_away_and_uses_it_again(
    gallery: Gallery,
) -> None:
    first = await gallery.pay(1, ONE, "a.png")
    await gallery.place(first)
    gallery.take("a.png")
    second = await gallery.pay(2, TWO, "a.png")
    await gallery.place(second)
    assert gallery.read("a.png") == TWO
    state, kept = (await gallery.files(first))["a.png"]
    assert state == "saved"
    assert kept.startswith(".qwenbatch/replaced/")
    assert gallery.read(kept) == ONE
    # The instruction is reverted: the path is the first edit's again.
    gallery.take("a.png")
    gallery.give(1, "a.png")
    await gallery.want(first, "a.png")
    await gallery.place(first)
    assert gallery.read("a.png") == ONE
    assert len(gallery.fetcher.fetched) == 2
    assert not gallery.folders.file(kept).exists()
    state, kept = (await gallery.files(second))["a.png"]
    assert gallery.read(kept) == TWO


@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize("result", [ONE, TWO], ids=["alike", "unlike"])
async def test_placer_moves_away_what_a_death_put_there_for_another_edit(
    gallery: Gallery,
    result: bytes,
    *,
    owned: bool,
) -> None:
    old = await gallery.pay(1, ONE, "a.png")
    digest = sha256(ONE).digest()
    await gallery.book.prepare(
        Preparation(key=old, path="a.png", suffix="", replaced=None, digest=digest, size=len(ONE)),
    )
    gallery.write("a.png", ONE)  # and then it died: the ledger does not say that it lies there
    gallery.take("a.png")
    gallery.fetcher.results["https://results.test/1"] = HOPELESS
    new = await gallery.pay(2, result, "a.png")
    if not owned:
        gallery.take("a.png")

    await gallery.place(new)

    assert gallery.read("a.png") == result
    assert await gallery.files(new) == {"a.png": ("saved", "a.png")}
    ((state, kept),) = (await gallery.files(old)).values()
    assert (state, gallery.read(kept)) == ("waiting", ONE)
    assert kept.startswith(".qwenbatch/replaced/")
    await gallery.place(old)
    assert await gallery.files(old) == {"a.png": ("saved", kept)}
    assert gallery.read(kept) == ONE


async def test_placer_keeps_for_later_what_another_edits_path_has_become(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, ONE, "a.png")
    gallery.take("a.png")
    gallery.give(2, "a.png")
    await gallery.place(key)
    assert not gallery.folders.file("a.png").exists()
    state, kept = (await gallery.files(key))["a.png"]
    assert state == "saved"
    assert gallery.read(kept) == ONE


async def test_placer_a_death_before_it_is_recorded_loses_nothing_in_replaced(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, ONE, "a.png")
    gallery.take("a.png")
    gallery.give(2, "a.png")
    await gallery.place(key)
    _, kept = (await gallery.files(key))["a.png"]
    # As if the process had died between the rename and the ledger's `saved`.
    gallery.world.writer.now(
        lambda db: db.execute("UPDATE placements SET state = 'waiting', inode = NULL"),
    )
    await gallery.place(key)
    assert (await gallery.files(key))["a.png"] == ("saved", kept)
    assert gallery.read(kept) == ONE


async def test_placer_keeps_in_replaced_what_another_path_needs_there(
    gallery: Gallery,
) -> None:
    key = await gallery.pay(1, ONE, "a.png", "b.png")
    for path in ("a.png", "b.png"):
        gallery.take(path)
        gallery.give(2, path)
    await gallery.place(key)
    _, kept = (await gallery.files(key))["a.png"]
    assert (await gallery.files(key))["b.png"] == ("saved", kept)
    gallery.take("a.png")
    gallery.give(1, "a.png")
    await gallery.want(key, "a.png")
    await gallery.place(key)
    assert gallery.read("a.png") == ONE
    assert gallery.read(kept) == ONE, "it is the file of b.png still"


async def test_placer_another_format_gets_its_own_extension(gallery: Gallery) -> None:
    content = picture(9, "JPEG")
    key = await gallery.pay(1, content, "a.png")
    await gallery.place(key)
    assert gallery.read("a.png.jpg") == content
    assert await gallery.files(key) == {"a.png": ("saved", "a.png.jpg")}


async def test_placer_places_and_warns_of_another_size_than_was_told(gallery: Gallery) -> None:
    key = await gallery.pay(1, picture(9, size=(50, 20)), "a.png")
    await gallery.place(key)
    told = gallery.world.events[-1]
    assert isinstance(told, ResultSaved)
    assert "50×20" in told.warning
    assert "40×30" in told.warning


async def test_placer_without_any_url_gives_the_result_up(gallery: Gallery) -> None:
    key = await gallery.pay(1, ONE, "a.png")
    gallery.world.writer.now(lambda db: db.execute("UPDATE attempts SET url = NULL"))
    await gallery.place(key)
    assert await gallery.book.is_lost(key)


async def test_placer_cancelled_while_it_fetches_leaves_it_waiting(gallery: Gallery) -> None:
    key = await gallery.pay(1, ONE, "a.png")
    gallery.fetcher.waits = True
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(gallery.place, key)
            await gallery.fetcher.reached.wait()
            group.cancel_scope.cancel()
    assert await gallery.files(key) == {"a.png": ("waiting", "a.png")}
    assert gallery.leftovers == 0
    assert gallery.governor._placing == 0


async def test_placer_places_nothing_twice(gallery: Gallery) -> None:
    key = await gallery.pay(1, ONE, "a.png")
    await gallery.place(key)
    before = gallery.folders.file("a.png").stat()
    await gallery.place(key)
    assert gallery.folders.file("a.png").stat() == before
    assert len(gallery.fetcher.fetched) == 1


async def test_placer_asked_twice_for_one_edit_places_it_once(gallery: Gallery) -> None:
    key = await gallery.pay(1, ONE, "a.png", "b.png")
    placer = gallery.placer()
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(partial(placer.place, key, paid_now=True))
    files = {path: ("saved", path) for path in ("a.png", "b.png")}
    assert await gallery.files(key) == files
    assert gallery.fetcher.fetched == [gallery.url(1)]
