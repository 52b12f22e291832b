from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
import pytest
from aiohttp import web

from qwenbatch.observe import ping
from qwenbatch.observe.ping import Ping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RUN = UUID(int=7)


@dataclass
class Watchdog:
    """A watchdog that notes what it is told."""

    status: int = 200
    silent: bool = False
    told: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    async def hear(self, request: web.Request) -> web.Response:
        self.told.append((request.path, request.query.get("rid", ""), await request.text()))
        if self.silent:
            await anyio.sleep_forever()
        return web.Response(status=self.status)


@asynccontextmanager
async def watchdog(*, status: int = 200, silent: bool = False) -> AsyncIterator[Watchdog]:
    dog = Watchdog(status=status, silent=silent)
    app = web.Application()
    app.router.add_post("/{tail:.*}", dog.hear)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    dog.url = f"http://{host}:{port}/ping/uuid"
    try:
        yield dog
    finally:
        await runner.cleanup()


async def _tell(dog: Watchdog, url: str) -> Ping:
    one = Ping(url, run=RUN)
    await one.start()
    await one.end(5, {"run": "r"})
    assert len(dog.told) in {0, 2}
    return one


def test_ping_tells_the_start_and_the_exit_status_of_one_run() -> None:
    async def lead() -> None:
        async with watchdog() as dog:
            one = await _tell(dog, dog.url + "/")
            assert one.failure is None
            assert dog.told == [
                ("/ping/uuid/start", str(RUN), ""),
                ("/ping/uuid/5", str(RUN), '{"run": "r"}'),
            ]

    anyio.run(lead)


def test_ping_keeps_the_query_of_its_url() -> None:
    async def lead() -> None:
        async with watchdog() as dog:
            await _tell(dog, dog.url + "?create=1")
            assert dog.told[0][:2] == ("/ping/uuid/start", str(RUN))

    anyio.run(lead)


def test_ping_that_is_refused_is_a_remark_and_no_error() -> None:
    async def lead() -> None:
        async with watchdog(status=404) as dog:
            assert "404" in str((await _tell(dog, dog.url)).failure)

    anyio.run(lead)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "nonsense", "http://[", "http://h:x/"])
def test_ping_that_cannot_be_made_is_a_remark_and_no_error(url: str) -> None:
    async def lead() -> None:
        one = Ping(url)
        await one.start()
        await one.end(0, "")
        assert one.failure is not None
        assert one.failure.startswith("the ping failed: ")
        assert "Error" not in one.failure
        assert url not in one.failure

    anyio.run(lead)


def test_ping_gives_up_on_a_silent_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lead() -> None:
        async with watchdog(silent=True) as dog:
            one = Ping(dog.url)
            await one.start()
            assert one.failure == "the ping failed: no answer within 0.2 s"
            assert dog.told

    monkeypatch.setattr(ping, "SECONDS", 0.2)
    anyio.run(lead)
