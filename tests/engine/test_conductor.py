from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import anyio
import apsw
import pytest

from qwenbatch.core.budget import Caps
from qwenbatch.core.events import AttemptEnded, AttemptSent
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.plan import Conducted
from qwenbatch.core.replies import Answered, Broken, Withheld
from qwenbatch.core.states import EditState
from qwenbatch.core.stops import StopReason
from qwenbatch.core.verdicts import Kind
from qwenbatch.errors import DiskError, LedgerError
from qwenbatch.ledger import intake, spool
from tests.engine.conftest import PRICE, FakeGateway, Hold, edit_of, edited, failed

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.replies import Reply
    from tests.engine.conftest import World

pytestmark = pytest.mark.anyio
EDIT = edit_of(1)


async def test_conductor_leads_an_edit_from_slot_to_ledger(world: World) -> None:
    gateway = FakeGateway([edited()])
    assert await world.conductor(gateway).conduct(EDIT) is Conducted.EDITED
    assert world.state(EDIT) == ("edited", None)
    assert world.money() == (0, PRICE, 0)
    assert [type(event) for event in world.events] == [AttemptSent, AttemptEnded]
    assert (gateway.posts, gateway.open_sources) == (1, 0)
    answer = (await world.ledger().paid_edit(EDIT.key)).answers[0]
    assert answer.url == "https://results.test/1.png"


@pytest.mark.parametrize(
    ("replies", "state", "attempts"),
    [
        ([failed(500, "InternalError"), edited()], ("edited", None), ["paid", "unpaid"]),
        ([failed(400)], ("failed", "invalid"), ["unpaid"]),
        ([failed(504)], ("uncertain", "gave_up"), ["uncertain"]),
        ([Broken(Kind.CUT_OFF, "reset")], ("uncertain", "cut_off"), ["uncertain"]),
        ([Broken(Kind.UNREACHABLE, "dns")], ("pending", "unreachable"), ["unpaid"] * 4),
        ([failed(503)], ("pending", "server_error"), ["unpaid"] * 4),
        ([failed(500, "RequestTimeOut")], ("failed", "too_complex"), ["unpaid"] * 2),
        ([failed(401)], ("pending", "denied"), ["unpaid"]),
        ([failed(429)] * 6 + [edited()], ("edited", None), ["paid"] + ["unpaid"] * 6),
    ],
)
async def test_conductor_records_every_end(
    world: World,
    replies: list[Reply | BaseException],
    state: tuple[str, str | None],
    attempts: list[str],
) -> None:
    end = await world.conductor(FakeGateway(replies)).conduct(EDIT)
    assert end is (Conducted.EDITED if state[0] == "edited" else Conducted.LEFT)
    assert world.state(EDIT) == state
    assert world.attempts() == attempts


async def test_conductor_a_withheld_body_is_never_billed(world: World) -> None:
    gateway = FakeGateway([Withheld()])
    assert await world.conductor(gateway).conduct(EDIT) is Conducted.CHANGED
    assert world.state(EDIT) == ("pending", None)
    assert world.attempts() == []
    assert world.money() == (0, 0, 0)


async def test_conductor_a_changed_source_asks_for_no_permit(world: World) -> None:
    gateway = FakeGateway([edited()], changed=True)
    assert await world.conductor(gateway).conduct(EDIT) is Conducted.CHANGED
    assert world.state(EDIT) is None
    assert gateway.posts == 0


async def test_conductor_leaves_an_edit_that_someone_else_moved(world: World) -> None:
    gateway = FakeGateway([failed(504)])
    await world.conductor(gateway).conduct(EDIT)
    assert await world.conductor(gateway).conduct(EDIT) is Conducted.LEFT
    assert gateway.posts == 1


@pytest.mark.parametrize(
    ("reply", "state"),
    [(failed(503), "uncertain"), (failed(400), "uncertain"), (edited(), "edited")],
)
async def test_conductor_resends_what_is_uncertain_only_where_it_was_planned(
    world: World,
    reply: Reply,
    state: str,
) -> None:
    await world.conductor(FakeGateway([failed(504)])).conduct(EDIT)
    world.begin("next")
    resend = edit_of(1, expected=EditState.UNCERTAIN)
    await world.conductor(FakeGateway([reply])).conduct(resend)
    found = world.state(EDIT)
    assert found is not None
    assert found[0] == state
    assert "uncertain" in world.attempts(), "the first attempt is not settled by a resend"


async def test_conductor_two_lives_of_one_edit_make_one_post(world: World) -> None:
    """A changed source may turn out to be that of another row, whose edit is in flight."""
    gateway, ends = FakeGateway([edited()], waits_at="answer"), []
    conductor = world.conductor(gateway)

    async def live() -> None:
        ends.append(await conductor.conduct(EDIT))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(live)
            await gateway.reached.wait()
            await live()
            assert ends == [Conducted.LEFT]
            gateway.go_on.set()
    assert ends == [Conducted.LEFT, Conducted.EDITED]
    assert gateway.posts == 1
    assert world.money() == (0, PRICE, 0)


async def test_conductor_a_second_life_goes_on_where_the_first_left_off(world: World) -> None:
    gateway = FakeGateway([failed(503), Withheld(), edited()])
    conductor = world.conductor(gateway)
    assert await conductor.conduct(EDIT) is Conducted.CHANGED
    assert await conductor.conduct(EDIT) is Conducted.EDITED
    assert world.attempts() == ["paid", "unpaid"]


async def test_conductor_stays_within_a_cap_whatever_comes_at_once(world: World) -> None:
    gateway, governor = FakeGateway([edited()]), world.governor()
    conductor = world.conductor(gateway, governor, caps=Caps(max_cost=MicroUSD(3 * PRICE)))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(conductor.conduct, edit_of(number))
    assert governor.stopped_by is StopReason.MAX_COST
    assert world.money() == (0, 3 * PRICE, 0)
    assert gateway.posts == 3


async def test_conductor_uses_what_a_failed_attempt_gives_back_to_the_cap(world: World) -> None:
    gateway, governor = FakeGateway([failed(400), edited()]), world.governor()
    conductor = world.conductor(gateway, governor, caps=Caps(max_cost=PRICE))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(conductor.conduct, edit_of(number))
    assert world.money() == (0, PRICE, 0)
    assert gateway.posts == 2
    assert governor.stopped_by is StopReason.MAX_COST


async def test_conductor_a_stop_after_the_permit_makes_no_post(world: World) -> None:
    gateway, governor = FakeGateway([edited()]), world.governor()
    conductor, hold = world.conductor(gateway, governor), Hold(world.writer)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(conductor.conduct, EDIT)
            await anyio.wait_all_tasks_blocked()
            governor.stop(StopReason.INTERRUPTED, "you")
            hold.let_go()
    assert gateway.posts == 0
    assert world.state(EDIT) == ("pending", None)
    assert world.attempts() == []


async def test_conductor_a_stop_awaits_what_is_in_flight(world: World) -> None:
    gateway, governor = FakeGateway([edited()], waits_at="answer"), world.governor()
    conductor = world.conductor(gateway, governor)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(conductor.conduct, EDIT)
            await gateway.reached.wait()
            governor.stop(StopReason.INTERRUPTED, "you")
            gateway.go_on.set()
    assert world.state(EDIT) == ("edited", None)


async def test_conductor_a_defect_in_flight_is_recorded_before_it_is_raised(
    world: World,
) -> None:
    gateway = FakeGateway([RuntimeError("a defect")])
    with pytest.raises(RuntimeError, match="a defect"):
        await world.conductor(gateway).conduct(EDIT)
    assert world.state(EDIT) == ("uncertain", "cut_off")
    assert gateway.open_sources == 0


async def test_conductor_says_of_an_answer_that_the_disk_did_not_take_why_it_is_doubtful(
    world: World,
) -> None:
    with pytest.raises(DiskError):
        await world.conductor(FakeGateway([DiskError("the disk is full")])).conduct(EDIT)
    assert world.state(EDIT) == ("uncertain", "cut_off")
    (told,) = [event.message for event in world.events if isinstance(event, AttemptEnded)]
    assert told == "its answer could not be kept: the disk is full"


async def test_conductor_an_answer_that_only_the_spool_takes_is_not_lost(
    world: World,
    tmp_path: Path,
) -> None:
    reply = Answered(edited().answer, b"x" * 300_000, None)
    gateway = FakeGateway([reply], waits_at="answer")
    conductor = world.conductor(gateway)

    def fill(db: apsw.Connection) -> None:
        db.execute(f"PRAGMA max_page_count = {db.pragma('page_count')}")

    async def fail() -> None:
        with pytest.raises(DiskError):
            await conductor.conduct(EDIT)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await gateway.reached.wait()
            world.writer.now(fill)
            gateway.go_on.set()
    world.writer.now(lambda db: db.execute("PRAGMA max_page_count = 100000"))
    assert world.state(EDIT) == ("sending", None)
    for record in spool.read(tmp_path / "spool"):
        world.writer.now(partial(intake.take_in, record=record))
    assert world.state(EDIT) == ("edited", None)


async def test_conductor_an_answer_that_a_busy_ledger_does_not_take_is_not_lost(
    world: World,
    tmp_path: Path,
) -> None:
    gateway = FakeGateway([edited()], waits_at="answer")
    conductor = world.conductor(gateway)

    async def fail() -> None:
        with pytest.raises(LedgerError, match="kept busy by another program"):
            await conductor.conduct(EDIT)

    with closing(apsw.Connection(str(tmp_path / "ledger.db"))) as other, anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await gateway.reached.wait()
            world.writer.now(lambda db: db.set_busy_timeout(0))
            other.execute("BEGIN IMMEDIATE")
            gateway.go_on.set()
        other.execute("ROLLBACK")
    (record,) = spool.read(tmp_path / "spool")
    world.writer.now(partial(intake.take_in, record=record))
    assert world.state(EDIT) == ("edited", None)


# ---------------------------------------------------------------------- cancelled at each await


@pytest.mark.parametrize(
    ("step", "state", "attempts"),
    [
        ("ready", None, []),
        ("upload", ("pending", None), []),
        ("answer", ("uncertain", "cut_off"), ["uncertain"]),
    ],
)
async def test_conductor_cancelled_at_the_gateway_leaves_the_ledger_right(
    world: World,
    step: str,
    state: tuple[str, str | None] | None,
    attempts: list[str],
) -> None:
    gateway = FakeGateway([edited()], waits_at=step)
    conductor = world.conductor(gateway)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(conductor.conduct, EDIT)
            await gateway.reached.wait()
            group.cancel_scope.cancel()
    assert world.state(EDIT) == state
    assert world.attempts() == attempts
    assert gateway.open_sources == 0
    assert world.money() == (0, 0, PRICE * len(attempts))


async def test_conductor_cancelled_while_it_waits_for_a_slot_did_nothing(world: World) -> None:
    gateway = FakeGateway([edited()], waits_at="answer")
    conductor = world.conductor(gateway, world.governor(concurrency=1))
    other = edit_of(2)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as outer:
            outer.start_soon(conductor.conduct, other)
            await gateway.reached.wait()
            async with anyio.create_task_group() as group:
                group.start_soon(conductor.conduct, EDIT)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            assert world.state(EDIT) is None
            gateway.go_on.set()
    assert world.state(other) == ("edited", None)


async def test_conductor_cancelled_while_it_waits_for_its_turn_did_nothing(world: World) -> None:
    gateway, governor = FakeGateway([edited()]), world.governor()
    governor.heard(Kind.THROTTLED, retry_after=60.0, seconds=0.0, again=True)
    conductor = world.conductor(gateway, governor)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(conductor.conduct, EDIT)
            await anyio.wait_all_tasks_blocked()
            assert gateway.open_sources == 1
            group.cancel_scope.cancel()
    assert world.state(EDIT) is None
    assert (gateway.posts, gateway.open_sources) == (0, 0)


async def test_conductor_cancelled_while_its_permit_is_written_gives_it_back(
    world: World,
) -> None:
    gateway = FakeGateway([edited()])
    conductor, hold = world.conductor(gateway), Hold(world.writer)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(conductor.conduct, EDIT)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
            hold.let_go()
    assert world.state(EDIT) == ("pending", None)
    assert world.attempts() == []
    assert world.money() == (0, 0, 0)


async def test_conductor_cancelled_while_an_answer_is_written_keeps_it(world: World) -> None:
    gateway = FakeGateway([edited()], waits_at="answer")
    conductor = world.conductor(gateway)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(conductor.conduct, EDIT)
            await gateway.reached.wait()
            hold = Hold(world.writer)
            gateway.go_on.set()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
            hold.let_go()
    assert world.state(EDIT) == ("edited", None)
    assert world.money() == (0, PRICE, 0)


@pytest.mark.parametrize(
    ("reply", "waits_at", "state"),
    [
        (edited(), "", ("edited", None)),
        (edited(), "answer", ("uncertain", "cut_off")),
        (edited(), "upload", ("pending", None)),
        (Withheld(), "", ("pending", None)),
    ],
    ids=["an answer", "a doubt", "a POST that was not made", "a body withheld"],
)
async def test_conductor_cancelled_while_the_ledger_cannot_write_leaves_it_to_the_spool(
    world: World,
    tmp_path: Path,
    reply: Reply,
    waits_at: str,
    state: tuple[str, str | None],
) -> None:
    """The second signal, on a disk that is full: what is in flight is known all the same."""
    gateway = FakeGateway([reply], waits_at=waits_at or "answer")
    conductor = world.conductor(gateway)

    async def fail() -> None:
        with pytest.raises(DiskError):
            await conductor.conduct(EDIT)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await gateway.reached.wait()
            hold = Hold(world.writer)
            world.writer.submit(lambda db: db.pragma("query_only", value=True))
            if not waits_at:
                gateway.go_on.set()
                await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
            hold.let_go()
    world.writer._connection.pragma("query_only", value=False)
    assert world.state(EDIT) == ("sending", None)
    for record in spool.read(tmp_path / "spool"):
        world.writer.now(partial(intake.take_in, record=record))
    assert world.state(EDIT) == state


async def test_conductor_a_permit_given_back_makes_room_under_the_cap(world: World) -> None:
    gateway = FakeGateway([Withheld(), edited()], waits_at="answer")
    conductor = world.conductor(gateway, caps=Caps(max_cost=PRICE))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(conductor.conduct, EDIT)
            await gateway.reached.wait()
            group.start_soon(conductor.conduct, edit_of(2))
            await anyio.wait_all_tasks_blocked()
            assert world.state(edit_of(2)) == ("pending", None)
            await anyio.wait_all_tasks_blocked()
            gateway.go_on.set()
    assert world.state(edit_of(2)) == ("edited", None)
    assert world.money() == (0, PRICE, 0)


async def test_conductor_keeps_room_only_for_what_is_in_flight(world: World) -> None:
    asked: list[int] = []

    def room(results: int) -> bool:
        asked.append(results)
        return True

    governor = world.governor(room=room)
    replies: list[Reply | BaseException] = [edited(), Withheld(), failed(400), edited()]
    conductor = world.conductor(FakeGateway(replies), governor)
    for number in range(1, 5):
        await conductor.conduct(edit_of(number))
    assert set(asked) == {1}


async def test_conductor_hears_how_long_the_gateway_asks_to_wait(world: World) -> None:
    governor = world.governor()
    gateway = FakeGateway([failed(429, retry_after=24 * 3600.0)])
    assert await world.conductor(gateway, governor).conduct(EDIT) is Conducted.LEFT
    assert governor.stopped_by is StopReason.THROTTLED
    assert gateway.posts == 1


async def test_conductor_breaks_nothing_off_where_nothing_is_tried_again(world: World) -> None:
    governor = world.governor()
    conductor = world.conductor(FakeGateway([failed(503)]), governor, attempts=1)
    for number in range(1, 11):
        await conductor.conduct(edit_of(number))
    assert governor.stopped_by is None
    await conductor.conduct(edit_of(11))
    assert governor.stopped_by is StopReason.BREAKER
    assert len(world.attempts()) == 10


async def test_conductor_cancelled_while_it_waits_to_retry_leaves_it_pending(
    world: World,
) -> None:
    gateway, governor = FakeGateway([failed(503)], waits_at="answer"), world.governor()
    conductor = world.conductor(gateway, governor, wait=60.0)
    slots = governor._slots.value
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(conductor.conduct, EDIT)
            gateway.go_on.set()
            await world.ended.wait()
            await anyio.wait_all_tasks_blocked()
            assert gateway.open_sources == 0, "waiting holds nothing"
            assert governor._slots.value == slots
            group.cancel_scope.cancel()
    assert world.state(EDIT) == ("pending", "server_error")
    assert world.attempts() == ["unpaid"]


async def test_conductor_cancelled_while_a_cap_holds_it_leaves_it_pending(world: World) -> None:
    gateway = FakeGateway([edited()], waits_at="answer")
    conductor = world.conductor(gateway, caps=Caps(max_cost=PRICE))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as outer:
            outer.start_soon(conductor.conduct, edit_of(2))
            await gateway.reached.wait()
            async with anyio.create_task_group() as group:
                group.start_soon(conductor.conduct, EDIT)
                await anyio.wait_all_tasks_blocked()
                assert world.state(EDIT) == ("pending", None)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            assert world.state(EDIT) == ("pending", None)
            gateway.go_on.set()
    assert world.attempts() == ["paid"]
