from __future__ import annotations

import asyncio
import socket
import struct
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import connector

from qwenbatch.core.subscription_key import SubscriptionKey
from qwenbatch.gateway.body import RequestBody, UrlText
from qwenbatch.gateway.client import GatewayClient
from qwenbatch.gateway.door import Order
from qwenbatch.gateway.doors.pixazo import PIXAZO

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable

    import trustme

    from qwenbatch.gateway.door import Door

KEY = "sandbox"
PAID = b'{"output":{"choices":[{"message":{"content":[{"image":"https://h.test/p.png"}]}}]}}'
"""The body of an answer to an edit that was made."""


class PiecesText:
    """An image's text in memory, in pieces; it can change, be unreadable, or lie."""

    media_type = "image/png"

    def __init__(
        self,
        pieces: Iterable[bytes],
        *,
        length: int | None = None,
        changed: bool = False,
        error: Exception | None = None,
    ) -> None:
        self._pieces = list(pieces)
        self._length = sum(map(len, self._pieces)) if length is None else length
        self._changed = changed
        self._error = error
        self.given = 0
        self.closed = False

    @property
    def length(self) -> int:
        return self._length

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                await asyncio.sleep(0)
                self.given += 1
                yield piece
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True

    async def unchanged(self) -> bool:
        await asyncio.sleep(0)
        return not self._changed


class RawServer:
    """A server whose every connection is handled by a function of bytes."""

    def __init__(self, handler: Callable[[Peer], Awaitable[None]]) -> None:
        self._handler = handler
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/edit?secret=query"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        self.writers.append(writer)
        try:
            await self._handler(Peer(self, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Peer:
    """One connection, as the server sees it."""

    def __init__(
        self,
        server: RawServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> bytes:
        """Head and body, whole."""
        head = await self.head()
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await self.reader.readexactly(length)
        self.server.requests.append(head + body)
        return body

    async def rest(self) -> bytes:
        return await self.reader.read()

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def reset(self) -> None:
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def answer(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Said",
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@asynccontextmanager
async def raw_server(
    handler: Callable[[Peer], Awaitable[None]],
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RawServer]:
    raw = RawServer(handler)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, limit=2**24, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for task in raw.tasks:
            task.cancel()
        await asyncio.gather(*raw.tasks, return_exceptions=True)
        for writer in raw.writers:
            # TLS would wait for the other side's goodbye.
            writer.transport.abort()
        await asyncio.sleep(0)
        await server.wait_closed()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def images() -> Path:
    return Path(__file__).parent.parent / "images"


@pytest.fixture
def serve() -> Callable[..., Any]:
    return raw_server


@pytest.fixture
def say() -> Callable[..., bytes]:
    return answer


@pytest.fixture
def secure(
    authority: trustme.CA, certified: Callable[..., ssl.SSLContext]
) -> Callable[..., ssl.SSLContext]:
    """TLS for servers that the clients of this process trust."""
    authority.configure_trust(connector._SSL_CONTEXT_VERIFIED)
    return certified


@pytest.fixture
def pieces() -> type[PiecesText]:
    return PiecesText


@pytest.fixture
def body_for() -> Callable[..., RequestBody]:
    """A request's body for a URL, or for a text of one's own."""

    def build(
        image: Any = "https://images.test/a.png",
        instruction: str = "sepia",
        door: Door = PIXAZO,
    ) -> RequestBody:
        framed = door.frame(Order(instruction=instruction), "image/png")
        return RequestBody(UrlText(image) if isinstance(image, str) else image, framed)

    return build


@pytest.fixture
def client_for() -> Callable[..., GatewayClient]:
    def build(
        url: str,
        *,
        timeout: float = 20.0,
        key: str = KEY,
        door: Door = PIXAZO,
        **more: Any,
    ) -> GatewayClient:
        return GatewayClient(
            door=door,
            url=url,
            key=SubscriptionKey(key),
            timeout=timeout,
            wall=time.time,
            user_agent="qwenbatch/test",
            **more,
        )

    return build
