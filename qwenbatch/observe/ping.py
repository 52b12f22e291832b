"""Tells a watchdog that a run began and how it ended, in the convention of healthchecks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import aiohttp
import anyio

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 10.0
"""The longest that a ping may take."""


class Ping:
    """A watchdog's URL, and the one run that it is told about.

    A ping that fails is remembered in `failure`, and never raised: a run must not fail because
    nobody watches it. It holds up its caller by 10 seconds at most.
    """

    def __init__(self, url: str, *, run: UUID | None = None) -> None:
        self.failure: str | None = None
        self._url = url
        self._run = run or uuid4()

    async def start(self) -> None:
        """The run begins."""
        await self._send("start", b"")

    async def end(self, exit_status: int, told: Mapping[str, object] | str) -> None:
        """The run is over. `told` is its summary, or why there is none."""
        body = told if isinstance(told, str) else json.dumps(told)
        await self._send(str(exit_status), body.encode())

    def _at(self, what: str) -> str:
        parts = urlsplit(self._url)
        query = f"{parts.query}&rid={self._run}" if parts.query else f"rid={self._run}"
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{what}", query=query))

    async def _send(self, what: str, body: bytes) -> None:
        try:
            with anyio.fail_after(SECONDS):
                async with (
                    aiohttp.ClientSession(trust_env=True) as session,
                    session.post(self._at(what), data=body) as answer,
                ):
                    if not answer.ok:
                        self.failure = f"the ping was answered with status {answer.status}"
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            self.failure = f"the ping failed: {type(error).__name__}"
