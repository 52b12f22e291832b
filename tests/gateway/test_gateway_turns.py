from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.replies import Answered
from qwenbatch.core.subscription_key import SubscriptionKey
from qwenbatch.gateway.body import RequestBody
from qwenbatch.gateway.client import GatewayClient
from qwenbatch.gateway.door import Order
from qwenbatch.gateway.doors.pixazo import PIXAZO

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CHUNK = 64 * 1024
CHUNKS = 100
MOST_IN_ONE_TURN = 1024 * 1024
ANSWER = b"HTTP/1.1 500 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class ReadyText:
    """An image's text that never has to be waited for."""

    media_type = "image/png"
    length = CHUNK * CHUNKS

    def __init__(self) -> None:
        self.given = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for _ in range(CHUNKS):
            self.given += CHUNK
            yield b"A" * CHUNK

    async def unchanged(self) -> bool:
        return True


def swallow(listening: socket.socket) -> None:
    """Read a request as fast as it comes, then answer: a gateway on a very fast network."""
    connection, _ = listening.accept()
    with connection:
        head, _, body = connection.recv(CHUNK).partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        got = len(body)
        while got < length:
            got += len(connection.recv(4 * CHUNK))
        connection.sendall(ANSWER)


@pytest.mark.anyio
async def test_upload_lets_others_have_their_turn_however_fast_the_network_is() -> None:
    text, steps = ReadyText(), [0]

    async def watch() -> None:
        while True:
            steps.append(text.given)
            await asyncio.sleep(0)

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        server = threading.Thread(target=swallow, args=(listening,))
        server.start()
        client = GatewayClient(
            door=PIXAZO,
            url=f"http://127.0.0.1:{listening.getsockname()[1]}/edit",
            key=SubscriptionKey("sandbox"),
            timeout=60,
            wall=lambda: 0.0,
            user_agent="test",
        )
        body = RequestBody(text, PIXAZO.frame(Order(instruction="x"), ""))
        async with client:
            watcher = asyncio.create_task(watch())
            reply = await client.post(body)
            watcher.cancel()
        server.join()
    assert isinstance(reply, Answered)
    assert steps[-1] == text.length
    longest = max(after - before for before, after in pairwise(steps))
    assert longest <= MOST_IN_ONE_TURN
