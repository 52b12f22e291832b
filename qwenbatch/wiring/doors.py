"""Joins rooms that do not know each other: sources to the wire, the wire to the shelf."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from qwenbatch.core.items import UrlSource
from qwenbatch.core.plan import key_row
from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.core.sources import Problem
from qwenbatch.errors import PictureError
from qwenbatch.gateway.body import RequestBody, UrlText
from qwenbatch.gateway.door import Order
from qwenbatch.results.kept_pictures import is_kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from qwenbatch.core.attempts import AttemptId
    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.plan import KeyedRow
    from qwenbatch.core.replies import Reply
    from qwenbatch.core.results import Fetched
    from qwenbatch.engine.ports import Stage
    from qwenbatch.gateway.body import Image
    from qwenbatch.gateway.client import GatewayClient
    from qwenbatch.gateway.door import Door
    from qwenbatch.gateway.fetch import ResultFetcher
    from qwenbatch.imaging.transit import Carrier
    from qwenbatch.results.kept_pictures import KeptPictures
    from qwenbatch.wiring.provenance import Labels
    from qwenbatch.wiring.sources import Sources


class Request:
    """An edit whose source is open: it can be sent once.

    `kept` keeps the picture that comes within the answer; None through a door that brings none.
    """

    def __init__(
        self,
        client: GatewayClient,
        body: RequestBody,
        key: EditKey,
        kept: KeptPictures | None,
    ) -> None:
        self._client = client
        self._body = body
        self._key = key
        self._kept = kept

    @property
    def handed_over(self) -> bool:
        """Whether the body's last chunk went out: from then on the edit may run."""
        return self._body.handed_over

    async def post(self, attempt: AttemptId) -> Reply:
        """Send it and wait for the answer; a picture within that is durable by then."""
        if self._kept is None:
            return await self._client.post(self._body)
        async with self._kept.page(self._key, attempt) as page:
            return await self._client.post(self._body, page)


class PaidDoor:
    """The way to the service: a source made ready, a body made of it, one POST.

    `may_go` is asked at the very last moment before a body's last chunk goes out.
    """

    def __init__(
        self,
        door: Door,
        client: GatewayClient,
        carrier: Carrier,
        sources: Sources,
        kept: KeptPictures,
        *,
        may_go: Callable[[], bool] = lambda: True,
    ) -> None:
        self._door = door
        self._client = client
        self._carrier = carrier
        self._sources = sources
        self._kept = kept
        self._may_go = may_go

    @asynccontextmanager
    async def ready(self, keyed: KeyedRow) -> AsyncIterator[Request | None]:
        """Open an edit's source; None if it is no longer what was keyed."""
        source = keyed.row.source
        if isinstance(source, UrlSource):
            yield self._request(keyed, UrlText(source.url))
        elif keyed.facts is None:
            yield None
        else:
            async with self._sources.ready(self._carrier, source, keyed.facts) as cargo:
                yield None if cargo is None else self._request(keyed, cargo)

    def _request(self, keyed: KeyedRow, image: Image) -> Request:
        row = keyed.row
        order = Order(
            instruction=row.instruction,
            negative_prompt=row.negative_prompt,
            watermark=row.watermark,
            take=row.take,
        )
        frame = self._door.frame(order, image.media_type)
        body = RequestBody(image, frame, may_go=self._may_go)
        kept = self._kept if self._door.brings_pictures else None
        return Request(self._client, body, keyed.key, kept)


class FreeDoor:
    """The way from where results lie to the shelf; it never shows the key."""

    def __init__(
        self,
        fetcher: ResultFetcher,
        kept: KeptPictures,
        labels: Labels | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._kept = kept
        self._labels = labels

    async def fetch(self, key: EditKey, url: str, stage: Stage) -> Fetched:
        """Stream an edit's result into a stage, and verify it; with its texts, if it takes any."""
        if self._labels is None:
            failure = await self._stream(key, url, stage.write)
        else:
            failure = await self._stream_labelled(key, url, stage, self._labels)
        if failure is not None:
            return failure
        try:
            return await stage.finish()
        except PictureError as error:
            return Unfetched(Trouble.HOPELESS, f"what was fetched {error.what}")

    async def forget(self, key: EditKey, urls: Sequence[str]) -> None:
        """Nothing waits for an edit's result any more: what was kept of it here may go."""
        await self._kept.forget(key, urls)

    async def _stream(
        self,
        key: EditKey,
        url: str,
        sink: Callable[[bytes], Awaitable[None]],
    ) -> Unfetched | None:
        if is_kept(url):
            return await self._kept.stream(key, url, sink)
        return await self._fetcher.stream(url, sink)

    async def _stream_labelled(
        self, key: EditKey, url: str, stage: Stage, labels: Labels
    ) -> Unfetched | None:
        inserter = await labels.inserter(key, url)

        async def write(piece: bytes) -> None:
            if passed := inserter.feed(piece):
                await stage.write(passed)

        failure = await self._stream(key, url, write)
        if failure is None:
            if rest := inserter.rest():
                await stage.write(rest)
            if not inserter.inserted:
                labels.tell_unlabelled()
        return failure


class Rekeyer:
    """Reads a changed source again and names its edit anew."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def rekey(self, keyed: KeyedRow) -> KeyedRow | Problem:
        """The row with its source's new key, or why there is no sendable picture any more."""
        source = keyed.row.source
        if isinstance(source, UrlSource):
            return Problem("a URL does not change its key")
        found = await self._sources.read(source)
        if isinstance(found, Problem):
            return found
        return found.problem or key_row(keyed.row, found, None)
