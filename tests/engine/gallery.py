"""A world whose paid results go to a real OUT; only the fetching is a test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from PIL import Image

from qwenbatch.core.attempts import AttemptEnd, PermitRequest, attempt_id
from qwenbatch.core.items import Row, UrlSource
from qwenbatch.core.paths import fold
from qwenbatch.core.plan import DraftRow, KeyedRow
from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.engine.placer import Placer
from qwenbatch.imaging.verify import ResultVerifier
from qwenbatch.ledger.plan import PlanStore, make_tables
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.occupancy import Occupancy
from qwenbatch.results.shelf import Shelf
from tests.engine.conftest import PRICE, edit_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import Placement
    from qwenbatch.core.results import Fetched
    from qwenbatch.engine.ports import Stage
    from tests.engine.conftest import World

PASSING = Unfetched(Trouble.PASSING, "a hiccup")
HOPELESS = Unfetched(Trouble.HOPELESS, "404")
FORBIDDEN = Unfetched(Trouble.FORBIDDEN, "a file: URL")


def picture(shade: int, form: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, form)
    return buffer.getvalue()


ONE, TWO = picture(10), picture(200)


@dataclass
class FakeFetcher:
    """Results by URL: bytes to be had, or how fetching fails."""

    results: dict[str, bytes | Unfetched] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)
    go_on: anyio.Event | None = None
    waits: bool = False
    reached: anyio.Event = field(default_factory=anyio.Event)

    async def forget(self, key: EditKey, urls: Sequence[str]) -> None:
        assert key
        self.forgotten.extend(urls)

    async def fetch(self, key: EditKey, url: str, stage: Stage) -> Fetched:
        assert key
        self.fetched.append(url)
        if url in self.fails:
            if self.go_on is not None:
                await self.go_on.wait()
            raise self.fails[url]
        result = self.results.get(url, HOPELESS)
        if isinstance(result, Unfetched):
            return result
        await stage.write(result)
        if self.waits:
            self.reached.set()
            await anyio.sleep_forever()
        return await stage.finish()


class Gallery:
    """A world whose results go to a real OUT."""

    def __init__(self, world: World, out: Path) -> None:
        self.world, self.folders = world, OutFolders(out)
        self.folders.make()
        world.writer.now(make_tables)
        self.plan = PlanStore(world.writer)
        self.book = world.ledger()
        self.fetcher = FakeFetcher()
        self.governor = world.governor()
        self.shelf = Shelf(
            self.folders, ResultVerifier, lambda _: None, offload=anyio.to_thread.run_sync
        )
        self.rows = 0

    def placer(self, *, overwrite: bool = False) -> Placer:
        return Placer(
            book=self.book,
            out=Occupancy(self.folders, self.plan, offload=anyio.to_thread.run_sync),
            shelf=self.shelf,
            fetcher=self.fetcher,
            fetches=2,
            overwrite=overwrite,
            governor=self.governor,
            clock=self.world.clock,
            report=self.world.events.append,
        )

    def give(self, number: int, *paths: str) -> None:
        """The manifest gives these paths to an edit."""
        for path in paths:
            self.rows += 1
            keyed = edit_of(number).keyed
            row = Row(
                number=self.rows,
                line=self.rows,
                image="x",
                source=UrlSource("https://images.test/x"),
                mirror="x",
                instruction="sepia",
            )
            draft = DraftRow(
                row=row,
                keyed=KeyedRow(row=row, key=keyed.key),
                path=path,
                fold=fold(path),
            )
            self.plan.add([draft])

    def take(self, path: str) -> None:
        """The manifest names a path no more."""
        self.world.writer.now(
            lambda db: db.execute("DELETE FROM temp.rows WHERE path = ?", (path,)),
        )

    async def pay(self, number: int, result: bytes | Unfetched, *paths: str) -> EditKey:
        """An edit that is paid for, and where its result is wanted and lies."""
        edit = edit_of(number, paths=paths)
        attempt = attempt_id("pay", edit.key, life=1, number=1)
        url = self.url(number)
        self.fetcher.results[url] = result
        self.give(number, *paths)
        await self.book.permit(
            PermitRequest(
                key=edit.key,
                attempt=attempt,
                price=PRICE,
                expected=EditState.PENDING,
                paths=paths,
            ),
        )
        await self.book.end(
            AttemptEnd(
                key=edit.key,
                attempt=attempt,
                event=EditEvent.ANSWERED,
                url=url,
                width=40,
                height=30,
            ),
        )
        return edit.key

    @staticmethod
    def url(number: int, *, again: bool = False) -> str:
        """Where an edit's result is to be had."""
        return f"https://results.test/{number}{'-again' if again else ''}"

    async def pay_again(self, number: int, result: bytes | Unfetched, path: str) -> None:
        """The edit's result was lost, and it is sent again, as asked."""
        edit, url = edit_of(number, paths=(path,)), self.url(number, again=True)
        attempt = attempt_id("again", edit.key, life=1, number=1)
        self.fetcher.results[url] = result
        await self.book.lose(edit.key, path)
        await self.book.permit(
            PermitRequest(
                key=edit.key,
                attempt=attempt,
                price=PRICE,
                expected=EditState.EDITED,
                paths=(path,),
            ),
        )
        answered = AttemptEnd(key=edit.key, attempt=attempt, event=EditEvent.ANSWERED, url=url)
        await self.book.end(answered)

    async def place(self, key: EditKey, *, overwrite: bool = False, paid_now: bool = True) -> None:
        placer = self.placer(overwrite=overwrite)
        await placer.place(key, paid_now=paid_now, waits=(0.0, 0.0))

    async def want(self, key: EditKey, path: str) -> None:
        """As the next run's plan does for a row whose result is not in place."""
        await self.book.want(key, [path])

    async def files(self, key: EditKey) -> dict[str, tuple[str, str]]:
        """State and file of each of its placements, by path."""
        paid = await self.book.paid_edit(key)

        def told(state: str, one: Placement) -> tuple[str, str]:
            return state, one.file

        return {
            **{one.path: told("waiting", one) for one in paid.waiting},
            **{one.path: told("saved", one) for one in paid.saved},
        }

    def read(self, path: str) -> bytes:
        return self.folders.file(path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        self.folders.file(path).write_bytes(content)

    @property
    def leftovers(self) -> int:
        return len(list(self.folders.scratch.iterdir()))
