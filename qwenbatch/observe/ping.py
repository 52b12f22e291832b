"""Tells a watchdog that a run began and how it ended, in the convention of healthchecks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import aiohttp
import anyio

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 10.0
"""The longest that a ping may take."""

_REDIRECTIONS = 300


@dataclass(frozen=True, slots=True)
class Way:
    """How the watchdog is reached: directly, or by a proxy that is shown `headers`."""

    proxy: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Ping:
    """A watchdog's URL, and the one run that it is told about.

    A ping that fails is remembered in `failure`, and never raised: a run must not fail because
    nobody watches it. It holds up its caller by 10 seconds at most. No word of `failure` is of the
    URL: whoever knows it can tell the watchdog that all is well.
    """

    def __init__(self, url: str, *, run: UUID | None = None, way: Way | None = None) -> None:
        self.failure: str | None = None
        self._url = url
        self._run = run or uuid4()
        self._way = way or Way()

    async def start(self) -> None:
        """The run begins."""
        await self._send("start", b"")

    async def end(self, exit_status: int, told: Mapping[str, object] | str) -> None:
        """The run is over. `told` is its summary, or why there is none."""
        body = told if isinstance(told, str) else json.dumps(told)
        await self._send(str(exit_status), body.encode(errors="backslashreplace"))

    def _at(self, what: str) -> str:
        parts = urlsplit(self._url)
        query = f"{parts.query}&rid={self._run}" if parts.query else f"rid={self._run}"
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{what}", query=query))

    async def _send(self, what: str, body: bytes) -> None:
        try:
            with anyio.fail_after(SECONDS):
                url = self._at(what)
                # A tunnel is opened with the proxy's headers; without one they go with the request.
                tunnelled = url.startswith("https:")
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(
                        url,
                        data=body,
                        headers={} if tunnelled else self._way.headers,
                        proxy=self._way.proxy,
                        proxy_headers=self._way.headers if tunnelled else None,
                        allow_redirects=False,
                    ) as answer,
                ):
                    if answer.status >= _REDIRECTIONS:
                        self.failure = f"the ping was answered with status {answer.status}"
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            self.failure = f"the ping failed: {_told(error)}"


def _told(error: Exception) -> str:
    """Why a ping failed, in words that are not the error's own: those may hold the URL."""
    match error:
        case TimeoutError():
            return f"no answer within {SECONDS:g} s"
        case aiohttp.ClientConnectionError() | OSError():
            return "the watchdog cannot be reached"
        case aiohttp.InvalidURL() | ValueError():
            return "its URL is none that can be asked"
        case _:
            return f"no answer that can be read ({type(error).__name__})"
