from __future__ import annotations

import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest

from qwenbatch.core.budget import Caps
from qwenbatch.core.events import AttemptEnded
from qwenbatch.core.items import Row, UrlSource
from qwenbatch.core.money import MicroUSD
from qwenbatch.core.pacing import Pace
from qwenbatch.core.plan import Edit, Fate, key_row
from qwenbatch.core.replies import Answered, Broken
from qwenbatch.core.retry import RetryPolicy
from qwenbatch.core.states import EditState
from qwenbatch.core.verdicts import Answer, Kind, Usage, kind_of
from qwenbatch.engine.conductor import Conductor
from qwenbatch.engine.governor import Governor
from qwenbatch.ledger import database, runs
from qwenbatch.ledger.ledger import Ledger
from qwenbatch.ledger.spool import Spool
from qwenbatch.ledger.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    import apsw

    from qwenbatch.core.attempts import AttemptId
    from qwenbatch.core.deadlines import Deadline
    from qwenbatch.core.events import Event
    from qwenbatch.core.plan import KeyedRow
    from qwenbatch.core.replies import Reply

PRICE = MicroUSD(55_000)
WALL = 1_767_323_045.0


class HandClock:
    """The machine's time, and as much more as a test says; `set_by` moves the wall clock alone."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self.more = 0.0
        self.set_by = 0.0
        self._tick = tick
        self._began = tick()

    def monotonic(self) -> float:
        return self._tick() + self.more

    def wall(self) -> float:
        return WALL + self._tick() - self._began + self.more + self.set_by


def edit_of(
    number: int,
    *,
    expected: EditState = EditState.PENDING,
    fate: Fate = Fate.SEND,
    paths: tuple[str, ...] = (),
) -> Edit:
    url = f"https://images.test/{number}.png"
    row = Row(
        number=number,
        line=number,
        image=url,
        source=UrlSource(url),
        mirror=f"{number}.png",
        instruction="sepia",
    )
    return Edit(
        keyed=key_row(row, None, url),
        paths=paths or (f"{number}.png",),
        items=1,
        expected=expected,
        fate=fate,
    )


def edited(number: int = 1) -> Answered:
    usage = Usage(40, 30)
    url = f"https://results.test/{number}.png"
    answer = Answer(status=200, url=url, usage=usage, request_id="r")
    return Answered(answer, b'{"raw": 1}', None)


def failed(status: int, code: str = "", *, retry_after: float | None = None) -> Answered:
    answer = Answer(status=status, code=code, message="words", retry_after=retry_after)
    return Answered(answer, b'{"raw": 0}', kind_of(answer))


@dataclass
class FakeSource:
    """A request of the fake gateway."""

    gateway: FakeGateway
    number: int
    handed_over: bool = False

    async def post(self, attempt: AttemptId) -> Reply:
        assert attempt.version == 5
        self.gateway.posts += 1
        await self.gateway.hold("upload")
        reply = self.gateway.replies[min(self.number, len(self.gateway.replies) - 1)]
        self.handed_over = not (isinstance(reply, Broken) and reply.kind is Kind.UNREACHABLE)
        await self.gateway.hold("answer")
        if isinstance(reply, BaseException):
            raise reply
        return reply


@dataclass
class FakeGateway:
    """Answers in turn, the last answer for ever; waits for ever at one step if told to."""

    replies: list[Reply | BaseException]
    waits_at: str = ""
    changed: bool = False
    posts: int = 0
    open_sources: int = 0
    reached: anyio.Event = field(default_factory=anyio.Event)
    go_on: anyio.Event = field(default_factory=anyio.Event)
    _made: int = 0

    @asynccontextmanager
    async def ready(self, keyed: KeyedRow) -> AsyncIterator[FakeSource | None]:
        assert keyed.key
        await self.hold("ready")
        self.open_sources += 1
        try:
            if self.changed:
                yield None
            else:
                self._made += 1
                yield FakeSource(self, self._made - 1)
        finally:
            self.open_sources -= 1

    async def hold(self, step: str) -> None:
        await anyio.lowlevel.checkpoint()
        if step == self.waits_at:
            self.reached.set()
            await self.go_on.wait()


class Hold:
    """Keeps the ledger's writer busy until it is let go."""

    def __init__(self, writer: Writer) -> None:
        self._entered, self._let_go = threading.Event(), threading.Event()
        writer.submit(self._wait)
        assert self._entered.wait(10)

    def _wait(self, _: apsw.Connection) -> None:
        self._entered.set()
        assert self._let_go.wait(10)

    def let_go(self) -> None:
        self._let_go.set()


class World:
    """A real ledger and a real governor; the gateway is a test's own."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.events: list[Event] = []
        self.ended = anyio.Event()
        self.writer = Writer(database.create_or_open(folder / "ledger.db", service="sandbox"))
        self.spool = Spool(folder / "spool", records=2)
        self.run = self.begin("run")

    def begin(self, name: str) -> int:
        now = int(WALL * 1000)
        self.run = self.writer.now(
            lambda db: runs.begin(db, name=name, manifest="/m.csv", spooled=(), now=now),
        )
        return self.run

    def report(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, AttemptEnded):
            self.ended.set()

    def close(self) -> None:
        self.writer.close()
        self.spool.close()

    def governor(
        self,
        *,
        concurrency: int = 8,
        rate: float = 10_000.0,
        deadline: Deadline | None = None,
        room: Callable[[int], bool] = lambda _: True,
    ) -> Governor:
        return Governor(
            concurrency=concurrency,
            pace=Pace(most=rate, learned=None, now=self.clock.monotonic()),
            deadline=deadline,
            room=room,
            clock=self.clock,
            report=self.report,
        )

    def ledger(self, caps: Caps | None = None) -> Ledger:
        return Ledger(
            self.writer,
            run=self.run,
            caps=caps or Caps(),
            spool=self.spool,
            wall=self.clock.wall,
        )

    def conductor(
        self,
        gateway: FakeGateway,
        governor: Governor | None = None,
        *,
        caps: Caps | None = None,
        attempts: int = 4,
        wait: float = 0.001,
    ) -> Conductor:
        return Conductor(
            run=f"run {self.run}",
            price=PRICE,
            policy=RetryPolicy(attempts=attempts, wait_initial=wait, wait_max=wait),
            ledger=self.ledger(caps),
            gateway=gateway,
            governor=governor or self.governor(),
            clock=self.clock,
            jitter=lambda: 0.5,
            report=self.report,
        )

    # ------------------------------------------------------------------ what the ledger has

    def state(self, edit: Edit) -> tuple[str, str | None] | None:
        row: tuple[str, str | None] | None = self.writer.now(
            lambda db: db.execute(
                "SELECT state, kind FROM edits WHERE key = ?",
                (edit.key,),
            ).fetchone(),
        )
        return row

    def attempts(self) -> list[str]:
        return self.writer.now(
            lambda db: [row[0] for row in db.execute("SELECT state FROM attempts ORDER BY state")],
        )

    def money(self) -> tuple[int, int, int]:
        row: tuple[int, int, int] | None = self.writer.now(
            lambda db: db.execute(
                "SELECT reserved, paid, uncertain FROM spending WHERE scope = 'run' AND id = ?",
                (self.run,),
            ).fetchone(),
        )
        return row or (0, 0, 0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
