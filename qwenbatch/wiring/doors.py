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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qwenbatch.core.keys import EditKey
    from qwenbatch.core.plan import KeyedRow
    from qwenbatch.core.replies import Reply
    from qwenbatch.core.results import Fetched
    from qwenbatch.engine.ports import Stage
    from qwenbatch.gateway.body import ImageText
    from qwenbatch.gateway.client import GatewayClient
    from qwenbatch.gateway.fetch import ResultFetcher
    from qwenbatch.imaging.transit import Carrier
    from qwenbatch.wiring.provenance import Labels
    from qwenbatch.wiring.sources import Sources


class Request:
    """An edit whose source is open: it can be sent once."""

    def __init__(self, client: GatewayClient, body: RequestBody) -> None:
        self._client = client
        self._body = body

    @property
    def handed_over(self) -> bool:
        """Whether the body's last chunk went out: from then on the edit may run."""
        return self._body.handed_over

    async def post(self) -> Reply:
        """Send it and wait for the answer."""
        return await self._client.post(self._body)


class PaidDoor:
    """The way to the service: a source made ready, a body made of it, one POST."""

    def __init__(self, client: GatewayClient, carrier: Carrier, sources: Sources) -> None:
        self._client = client
        self._carrier = carrier
        self._sources = sources

    @asynccontextmanager
    async def ready(self, keyed: KeyedRow) -> AsyncIterator[Request | None]:
        """Open an edit's source; None if it is no longer what was keyed."""
        source = keyed.row.source
        if isinstance(source, UrlSource):
            yield self._request(keyed, UrlText(source.url))
        elif keyed.facts is None:
            yield None
        else:
            async with self._sources.ready(self._carrier, source, keyed.facts) as uri:
                yield None if uri is None else self._request(keyed, uri)

    def _request(self, keyed: KeyedRow, image: ImageText) -> Request:
        body = RequestBody(
            image=image,
            instruction=keyed.row.instruction,
            negative_prompt=keyed.row.negative_prompt,
            watermark=keyed.row.watermark,
        )
        return Request(self._client, body)


class FreeDoor:
    """The way from where results lie to the shelf; it never shows the key."""

    def __init__(self, fetcher: ResultFetcher, labels: Labels | None = None) -> None:
        self._fetcher = fetcher
        self._labels = labels

    async def fetch(self, key: EditKey, url: str, stage: Stage) -> Fetched:
        """Stream an edit's result into a stage, and verify it; with its texts, if it takes any."""
        if self._labels is None:
            failure = await self._fetcher.stream(url, stage.write)
        else:
            failure = await self._stream_labelled(key, url, stage, self._labels)
        if failure is not None:
            return failure
        try:
            return await stage.finish()
        except PictureError as error:
            return Unfetched(Trouble.HOPELESS, f"what was fetched {error.what}")

    async def _stream_labelled(
        self, key: EditKey, url: str, stage: Stage, labels: Labels
    ) -> Unfetched | None:
        inserter = await labels.inserter(key, url)

        async def write(piece: bytes) -> None:
            if passed := inserter.feed(piece):
                await stage.write(passed)

        failure = await self._fetcher.stream(url, write)
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
