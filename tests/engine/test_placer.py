from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

import anyio
import pytest
from PIL import Image

from qwenbatch.core.attempts import AttemptEnd, PermitRequest, attempt_id
from qwenbatch.core.events import FetchFailed, ResultLost, ResultSaved
from qwenbatch.core.items import Row, UrlSource
from qwenbatch.core.paths import fold
from qwenbatch.core.placements import Preparation
from qwenbatch.core.plan import DraftRow, KeyedRow
from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.core.retry import LOST_AFTER
from qwenbatch.core.states import EditEvent, EditState
from qwenbatch.engine.placer import Placer
from qwenbatch.imaging.verify import ResultVerifier
from qwenbatch.ledger.plan import PlanStore, make_tables
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.occupancy import Occupancy
from qwenbatch.results.shelf import Shelf
from tests.engine.conftest import PRICE, edit_of

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.placements import Placement
    from qwenbatch.core.results import Fetched
    from qwenbatch.engine.ports import Stage
    from tests.engine.conftest import World

pytestmark = pytest.mark.anyio
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
    waits: bool = False
    reached: anyio.Event = field(default_factory=anyio.Event)

    async def fetch(self, url: str, stage: Stage) -> Fetched:
        self.fetched.append(url)
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
        self.shelf = Shelf(self.folders, ResultVerifier, lambda _: None)
        self._rows = 0

    def placer(self, *, overwrite: bool = False) -> Placer:
        return Placer(
            book=self.book,
            out=Occupancy(self.folders, self.plan),
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
            self._rows += 1
            keyed = edit_of(number).keyed
            row = Row(
                number=self._rows,
                line=self._rows,
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
        url = f"https://results.test/{number}"
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
    preparation = Preparation(
        key=key,
        path="a.png",
        suffix="",
        replaced=None,
        digest=sha256(ONE).digest(),
        size=len(ONE),
    )
    await gallery.book.prepare(preparation)
    gallery.write("a.png", ONE)
    await gallery.place(key)
    assert await gallery.files(key) == {"a.png": ("saved", "a.png")}
    assert gallery.fetcher.fetched == []


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
