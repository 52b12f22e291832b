"""Sources in a store: read once for their keys, fetched to be sent only as they were keyed."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from qwenbatch.core.items import ObjectSource
from qwenbatch.core.sources import Problem, SourceFacts
from qwenbatch.errors import StoreError
from qwenbatch.imaging.probe import examine
from qwenbatch.stores.opening import Stores
from qwenbatch.stores.sources import ObjectFetcher, ObjectReader
from tests.results.conftest import png
from tests.stores.conftest import PATIENCE
from tests.stores.s3 import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qwenbatch.core.store_url import StoreUrl
    from tests.stores.s3 import S3, Hostile

pytestmark = pytest.mark.anyio
ALWAYS = 1_000
LARGE = png(3) + bytes(3 * 1024 * 1024)


class Kept(dict[str, SourceFacts]):
    """What a run remembers of sources."""

    def look_up(self, paths: Sequence[str]) -> dict[str, SourceFacts]:
        return {path: self[path] for path in paths if path in self}

    def keep(self, seen: Sequence[tuple[str, SourceFacts]]) -> None:
        self.update(seen)


class Shop:
    """Pictures in a bucket, and what reads them."""

    def __init__(self, s3: S3, place: StoreUrl, scratch: Path) -> None:
        stores = Stores(os.environ, patience=PATIENCE)
        self.s3, self.place, self.kept = s3, place, Kept()
        self.reader = ObjectReader(stores, examine, scratch=scratch)
        self.fetcher = ObjectFetcher(stores, scratch=scratch)

    def lay(self, name: str, content: bytes) -> ObjectSource:
        self.s3.put(self.place / name, content)
        return ObjectSource(str(self.place / name))

    async def examine(self, *sources: ObjectSource) -> list[SourceFacts | Problem]:
        found = await anyio.to_thread.run_sync(self.reader.examine_all, sources, self.kept)
        return [found[source] for source in sources]

    async def facts(self, source: ObjectSource) -> SourceFacts:
        (found,) = await self.examine(source)
        assert isinstance(found, SourceFacts)
        return found


@pytest.fixture
def shop(s3: S3, store: StoreUrl, tmp_path: Path) -> Shop:
    return Shop(s3, store, tmp_path)


async def test_source_is_read_once_until_it_changes(shop: Shop, hostile: Hostile) -> None:
    sources = [shop.lay("a.png", png(1)), shop.lay("large.png", LARGE), shop.lay("c.txt", b"no")]
    first = await shop.examine(*sources)
    assert [one.digest for one in first if isinstance(one, SourceFacts)] == [
        sha256(content).digest() for content in (png(1), LARGE, b"no")
    ]
    assert [isinstance(one, SourceFacts) and one.problem is None for one in first] == [1, 1, 0]
    hostile.forget()
    assert await shop.examine(*sources) == first
    assert hostile.count("GET") == 0
    shop.lay("a.png", png(2))
    changed = await shop.facts(sources[0])
    assert changed.digest == sha256(png(2)).digest()
    assert hostile.count("GET") == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", "large.png", times=2, status=503, code="SlowDown"),
        Fault("GET", "large.png", times=2, status=500, code="InternalError"),
        Fault("GET", "large.png", answer_cut=1024 * 1024),
    ],
    ids=["throttled", "500", "cut"],
)
async def test_source_that_fails_in_passing_is_read(
    shop: Shop, hostile: Hostile, fault: Fault
) -> None:
    source = shop.lay("large.png", LARGE)
    hostile.faults.append(fault)
    assert (await shop.facts(source)).digest == sha256(LARGE).digest()
    assert not fault.times


async def test_source_that_fails_for_good_is_one_bad_row_and_many_are_the_stores_end(
    shop: Shop, hostile: Hostile
) -> None:
    sources = [shop.lay(f"{number:02}.png", png(number)) for number in range(12)]
    gone = ObjectSource(str(shop.place / "gone.png"))
    hostile.faults.append(Fault("GET", "/03.png", times=ALWAYS, status=500))
    found = await shop.examine(*sources, gone)
    assert [number for number, one in enumerate(found) if isinstance(one, Problem)] == [3, 12]
    assert isinstance(found[3], Problem)
    assert found[3].passing
    assert isinstance(found[12], Problem)
    assert "no such object" in found[12].what
    shop.kept.clear()
    hostile.faults.append(Fault("GET", ".png", times=ALWAYS, status=500))
    with pytest.raises(StoreError, match="store failed"):
        await shop.examine(*sources)


async def test_fetched_is_what_was_keyed_or_nothing(
    shop: Shop, hostile: Hostile, tmp_path: Path
) -> None:
    source = shop.lay("a.png", LARGE)
    facts = await shop.facts(source)
    async with shop.fetcher.fetched(source, facts) as copy:
        assert copy is not None
        path, stamp = copy
        assert anyio.Path(path).parent == anyio.Path(tmp_path)
        assert sha256(await anyio.Path(path).read_bytes()).digest() == facts.digest
        assert stamp.size == len(LARGE)
    shop.lay("a.png", png(2))
    async with shop.fetcher.fetched(source, facts) as copy:
        assert copy is None
    hostile.faults.append(Fault("GET", "a.png", times=ALWAYS, status=503, code="SlowDown"))
    async with shop.fetcher.fetched(source, facts) as copy:
        assert copy is None
    assert [path async for path in anyio.Path(tmp_path).iterdir()] == []


async def test_source_that_grew_is_not_fetched_beyond_its_old_end(
    shop: Shop, tmp_path: Path
) -> None:
    source = shop.lay("a.png", png(1))
    facts = await shop.facts(source)
    shop.lay("a.png", LARGE)
    async with shop.fetcher.fetched(source, facts) as copy:
        assert copy is None
        assert _sizes(tmp_path) == [0]
    assert _sizes(tmp_path) == []


def _sizes(folder: Path) -> list[int]:
    return [file.stat().st_size for file in folder.iterdir()]
