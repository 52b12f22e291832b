"""A picture that comes within an answer, as the client hands it on."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest

from qwenbatch.core.replies import Answered
from qwenbatch.core.verdicts import Kind
from qwenbatch.gateway.doors.openai import OPENAI

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

PIECE = b"QUJD" * 16_384
PIECES = 400
MOST_HELD = 4 * 1024 * 1024
"""A sixth of the answer that is sent: what the client holds of it does not grow with it."""


class Counting:
    """Counts a picture, and keeps none of it."""

    def __init__(self) -> None:
        self.size = 0
        self.kept = False

    async def write(self, piece: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        assert piece == b"ABC" * (len(piece) // 3)
        self.size += len(piece)

    async def keep(self) -> str:
        await anyio.lowlevel.checkpoint()
        self.kept = True
        return "answer:1"


@pytest.mark.parametrize(("end", "kind"), [(b'"}]}', None), (b'"', None), (b"", Kind.UNREADABLE)])
async def test_client_hands_a_picture_on_as_it_comes(
    serve: Callable[..., Any],
    client_for: Callable[..., Any],
    body_for: Callable[..., Any],
    pieces: Any,
    *,
    end: bytes,
    kind: Kind | None,
) -> None:
    """Whole, with the rest of the answer cut off, and itself cut off."""

    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(b'HTTP/1.1 200 OK\r\n\r\n{"data": [{"b64_json": "')
        for _ in range(PIECES):
            peer.say(PIECE)
            await peer.writer.drain()
        peer.say(end)

    album = Counting()
    async with serve(handler) as server, client_for(server.url, door=OPENAI) as client:
        tracemalloc.start()
        try:
            reply = await client.post(body_for(pieces([b"x"]), door=OPENAI), album)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(reply, Answered)
    assert reply.kind is kind
    assert album.kept is (kind is None)
    assert album.size == PIECES * len(PIECE) * 3 // 4
    assert len(reply.raw) < 100
    assert peak < MOST_HELD
