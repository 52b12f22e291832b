"""A worker that stands still in the midst of an upload: its last chunk is the trigger."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
from PIL import Image

from qwenbatch.core.items import FileSource, Row
from qwenbatch.core.plan import Edit, Fate, key_row
from qwenbatch.core.sources import Problem
from qwenbatch.core.states import EditState
from qwenbatch.fleet.worker import Self, Worker
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.fleet_spools import WorkerSpools
from qwenbatch.wiring.fleet_worker import Workplace
from qwenbatch.wiring.settings import RunSettings
from qwenbatch.wiring.sources import Sources
from tests.fleet.office import PRICE, VERSION, Office

if TYPE_CHECKING:
    from pathlib import Path

ASIDE = 30.0
"""Seconds for which it stands still: longer than its lease."""

TRIGGER = b'"parameters"'
"""What stands in a body's last chunk."""


class _Gateway:
    """Refuses what it is sent whole. The worker stands still at the first POST."""

    def __init__(self) -> None:
        self.bodies: list[bytearray] = []
        self.aside = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = bytearray()
        self.bodies.append(body)
        try:
            while data := await reader.read(65_536):
                self.aside = ASIDE
                body += data
                if TRIGGER in body[-1_000:]:
                    writer.write(b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\n{}")
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _edit(folder: Path) -> Edit:
    """An edit whose source takes many turns of the loop to send."""
    path = folder / "a.png"
    Image.effect_noise((2_400, 2_400), 90).convert("RGB").save(path)
    row = Row(
        number=1,
        line=1,
        image="a.png",
        source=FileSource(str(path)),
        mirror="a.png",
        instruction="mirror",
    )
    facts = await Sources((), {}, scratch=None).read(row.source)  # type: ignore[arg-type]
    assert not isinstance(facts, Problem)
    return Edit(
        keyed=key_row(row, facts, None),
        paths=("a.png",),
        items=1,
        expected=EditState.PENDING,
        fate=Fate.SEND,
    )


def test_worker_that_stands_still_in_mid_upload_withholds_the_trigger(tmp_path: Path) -> None:
    async def story(office: Office, stack: AsyncExitStack) -> None:
        gateway = _Gateway()
        server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/edit"
        spools = WorkerSpools(tmp_path / "spools", records=64, price=PRICE, wall=office.clock.wall)
        stack.callback(spools.close)
        spools.begin()
        place = Workplace(
            RunSettings(source=tmp_path, out=tmp_path / "out", sandbox=True),
            key=None,
            spools=spools,
            clock=SystemClock(),
            stack=stack,
            desk=tmp_path / "desk",
        )
        worker = Worker(
            Self(worker="a", node="a", version=VERSION),
            office.line,
            hands_for=place.hands_for,
            prepare=place.open,
            monotonic=lambda: office.clock.monotonic() + gateway.aside,
        )
        _, conductor = await office.keeper(stack, gateway=url)
        async with anyio.create_task_group() as group:
            group.start_soon(worker.work, ())
            await conductor.conduct(await _edit(tmp_path))
            group.cancel_scope.cancel()
        assert [TRIGGER in body for body in gateway.bodies] == [False, True]

    async def lead() -> None:
        async with AsyncExitStack() as stack:
            office = Office(tmp_path, stack)
            await office.begin()
            await story(office, stack)

    anyio.run(lead)
