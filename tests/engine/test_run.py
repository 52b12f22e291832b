"""One run over a real ledger, agenda and shelf; gateway and fetching are a test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest

from qwenbatch.core.attempts import AttemptEnd, PermitRequest, attempt_id
from qwenbatch.core.items import Row, UrlSource
from qwenbatch.core.plan import Fate, Judged, KeyedRow, key_row
from qwenbatch.core.replies import Withheld
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.core.stops import StopReason
from qwenbatch.engine.run import Run
from qwenbatch.errors import DiskError
from qwenbatch.ledger.agenda import Agenda
from tests.engine.conftest import PRICE, FakeGateway, edit_of, edited
from tests.engine.gallery import ONE, PASSING, TWO, Gallery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from qwenbatch.core.canary import Canary
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.plan import Edit
    from qwenbatch.core.results import Unfetched
    from tests.engine.conftest import World

pytestmark = pytest.mark.anyio


@dataclass
class Changing:
    """A source that is another one whenever it is read."""

    read: int = 0

    async def rekey(self, keyed: KeyedRow) -> KeyedRow:
        self.read += 1
        return key_row(keyed.row, None, f"https://images.test/now-{self.read}.png")


class CountingAgenda(Agenda):
    """The agenda, and how many edits were taken from it."""

    taken = 0

    async def edits(self) -> AsyncIterator[Edit]:
        async for edit in super().edits():
            self.taken += 1
            yield edit


async def never(_: Sequence[Canary], /) -> bool:
    """Without canaries nobody is asked."""
    raise AssertionError


@dataclass
class Stage:
    """A gallery with a run in it."""

    gallery: Gallery
    gateway: FakeGateway = field(default_factory=lambda: FakeGateway([edited()]))
    rekeyer: Changing = field(default_factory=Changing)

    def __post_init__(self) -> None:
        self.world, self.governor = self.gallery.world, self.gallery.governor
        self.agenda = CountingAgenda(self.world.writer)

    def plan(self, number: int, path: str, fate: Fate, expected: EditState) -> None:
        """The manifest's next row wants an edit's result at a path."""
        self.gallery.give(number, path)
        row = self.gallery.rows
        self.gallery.plan.judge([Judged(number=row, fate=fate, expected=expected)])

    async def run(self) -> None:
        run = Run(
            conductor=self.world.conductor(self.gateway, self.governor),
            placer=self.gallery.placer(),
            governor=self.governor,
            agenda=self.agenda,
            book=self.gallery.book,
            rekeyer=self.rekeyer,
            lives=4,
            canaries=0,
            approve=never,
            report=self.world.report,
        )
        with anyio.fail_after(20):
            await run()

    async def lose(self, number: int, result: bytes | Unfetched, path: str) -> EditKey:
        """An edit that was paid for, and whose result was given up."""
        key = await self.gallery.pay(number, result, path)
        self.gallery.take(path)
        await self.gallery.book.lose(key, path)
        self.plan(number, path, Fate.RESEND_LOST, EditState.EDITED)
        return key


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Stage:
    return Stage(Gallery(world, tmp_path / "out"))


async def test_run_places_what_is_paid_even_if_it_is_stopping_already(stage: Stage) -> None:
    key = await stage.gallery.pay(1, ONE, "a.png")
    stage.plan(2, "b.png", Fate.SEND, EditState.PENDING)
    stage.governor.stop(StopReason.INTERRUPTED, "you")
    await stage.run()
    assert await stage.gallery.files(key) == {"a.png": ("saved", "a.png")}
    assert stage.gateway.posts == 0


async def test_run_takes_no_further_edit_once_it_is_stopping(stage: Stage) -> None:
    for number in range(2, 40):
        stage.plan(number, f"{number}.png", Fate.SEND, EditState.PENDING)
    stage.governor.stop(StopReason.INTERRUPTED, "you")
    await stage.run()
    assert stage.agenda.taken == 1


async def test_run_resends_nothing_lost_whose_url_works_after_all(stage: Stage) -> None:
    key = await stage.lose(1, ONE, "a.png")
    await stage.run()
    assert await stage.gallery.files(key) == {"a.png": ("saved", "a.png")}
    assert (stage.gateway.posts, stage.world.attempts()) == (0, ["paid"])


async def test_run_resends_nothing_lost_while_its_url_leaves_hope(stage: Stage) -> None:
    key = await stage.lose(1, PASSING, "a.png")
    await stage.run()
    assert await stage.gallery.files(key) == {"a.png": ("waiting", "a.png")}
    assert stage.gateway.posts == 0


async def test_run_resends_what_is_lost_for_good(stage: Stage) -> None:
    key = await stage.lose(1, b"no picture", "a.png")
    stage.gallery.fetcher.results.clear()
    stage.world.clock.more += 25 * 3600
    stage.gallery.fetcher.results["https://results.test/1.png"] = TWO
    await stage.run()
    assert stage.gateway.posts == 1
    assert stage.world.attempts() == ["paid", "paid"]
    assert await stage.gallery.files(key) == {"a.png": ("saved", "a.png")}


async def test_run_keys_a_changed_source_anew_once_and_leaves_it_pending_then(
    stage: Stage,
) -> None:
    stage.plan(1, "a.png", Fate.SEND, EditState.PENDING)
    stage.gateway.replies = [Withheld()]
    await stage.run()
    assert (stage.rekeyer.read, stage.gateway.posts) == (1, 2)
    assert stage.world.attempts() == []
    row = edit_of(1).keyed.row
    assert isinstance(row, Row)
    assert isinstance(row.source, UrlSource)
    states = stage.world.writer.now(
        lambda db: db.execute("SELECT state, kind FROM edits ORDER BY id").fetchall(),
    )
    assert states == [("pending", None), ("pending", "source_changed")]


async def test_run_stops_where_the_disk_fails_and_lets_the_others_land(stage: Stage) -> None:
    bad = await stage.gallery.pay(1, ONE, "a.png")
    other = edit_of(2)
    stage.plan(2, "b.png", Fate.SEND, EditState.PENDING)
    stage.gateway.waits_at = "answer"
    stage.gallery.fetcher.results["https://results.test/1.png"] = TWO

    may_fail = stage.gallery.fetcher.go_on = anyio.Event()

    async def fail_and_go_on() -> None:
        await stage.gateway.reached.wait()
        may_fail.set()
        await stage.governor.stopped()
        stage.gateway.go_on.set()

    stage.gallery.fetcher.fails["https://results.test/1"] = DiskError("no room", "")
    async with anyio.create_task_group() as group:
        group.start_soon(fail_and_go_on)
        await stage.run()
    assert stage.governor.stopped_by is StopReason.DISK
    assert stage.world.state(other) == ("edited", None)
    assert await stage.gallery.files(other.key) == {"b.png": ("saved", "b.png")}
    assert await stage.gallery.files(bad) == {"a.png": ("waiting", "a.png")}
    assert stage.world.money() == (0, 2 * PRICE, 0)


async def test_run_raises_a_defect_in_one_life_once_the_others_have_landed(stage: Stage) -> None:
    await stage.gallery.pay(1, ONE, "a.png")
    other = edit_of(2)
    stage.plan(2, "b.png", Fate.SEND, EditState.PENDING)
    stage.gateway.waits_at = "answer"
    stage.gallery.fetcher.results["https://results.test/1.png"] = TWO
    may_fail = stage.gallery.fetcher.go_on = anyio.Event()
    stage.gallery.fetcher.fails["https://results.test/1"] = ZeroDivisionError("a defect")

    async def fail_and_go_on() -> None:
        await stage.gateway.reached.wait()
        may_fail.set()
        await stage.governor.stopped()
        stage.gateway.go_on.set()

    async with anyio.create_task_group() as group:
        group.start_soon(fail_and_go_on)
        with pytest.raises(ZeroDivisionError, match="a defect"):
            await stage.run()
    assert await stage.gallery.files(other.key) == {"b.png": ("saved", "b.png")}
    assert stage.world.money() == (0, 2 * PRICE, 0)


async def test_run_sends_again_only_what_was_asked_for_before_its_source_changed(
    stage: Stage,
) -> None:
    stage.plan(1, "a.png", Fate.SEND, EditState.UNCERTAIN)
    [old] = [edit async for edit in stage.agenda.edits()]
    assert old.expected is EditState.UNCERTAIN
    await stage.agenda.rekey(old, await stage.rekeyer.rekey(old.keyed))
    [new] = [edit async for edit in stage.agenda.edits()]
    assert (new.key == old.key, new.expected) == (False, EditState.PENDING)


async def test_run_pays_for_no_edit_that_was_planned_as_paid_for(stage: Stage) -> None:
    """What a row asked for is nothing to an edit that was moved since."""
    edit = edit_of(1)
    attempt = attempt_id("other", edit.key, life=1, number=1)
    request = PermitRequest(
        key=edit.key,
        attempt=attempt,
        price=PRICE,
        expected=EditState.PENDING,
        paths=("a.png",),
    )
    await stage.gallery.book.permit(request)
    doubt = AttemptEnd(key=edit.key, attempt=attempt, event=EditEvent.DOUBTED)
    await stage.gallery.book.end(doubt)
    stage.plan(1, "a.png", Fate.SEND, EditState.PENDING)
    await stage.run()
    assert stage.world.state(edit) == ("uncertain", None)
    assert (stage.gateway.posts, stage.gallery.fetcher.fetched) == (0, [])
    assert await stage.gallery.files(edit.key) == {"a.png": ("waiting", "a.png")}, "nor given up"
