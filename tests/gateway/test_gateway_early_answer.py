"""The worst moment for an early answer: it is in the kernel, unread, when the next write fails."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.core.replies import Answered, Broken
from qwenbatch.core.verdicts import Kind, kind_of
from qwenbatch.gateway.patient_socket import PatientSocket

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from qwenbatch.gateway.body import RequestBody
    from qwenbatch.gateway.client import GatewayClient

pytestmark = pytest.mark.anyio

SAID = b'HTTP/1.1 401 No\r\nContent-Length: 28\r\n\r\n{"error": "Invalid API key"}'


@contextmanager
def rude_server(said: bytes) -> Iterator[tuple[str, Event]]:
    """Reads the head and no byte more, says its piece, and closes: with a reset, as Linux does."""
    gone = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            connection.sendall(said)
            connection.close()
            gone.set()

        thread = Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", gone
        thread.join(10)


class StallingText:
    """Keeps the event loop from hearing anything until the server has gone."""

    def __init__(self, gone: Event, pieces: int) -> None:
        self._gone = gone
        self._pieces = pieces

    @property
    def length(self) -> int:
        return self._pieces * 1_000

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for _ in range(self._pieces):
            assert self._gone.wait(10)
            yield b"A" * 1_000

    async def unchanged(self) -> bool:
        return True


@pytest.mark.parametrize("pieces", [1, 2, 100])
async def test_early_answer_is_read_from_behind_a_failed_write(
    client_for: Callable[..., GatewayClient],
    body_for: Callable[..., RequestBody],
    pieces: int,
) -> None:
    with rude_server(SAID) as (url, gone):
        body = body_for(StallingText(gone, pieces))
        async with client_for(url) as client:
            reply: Any = await client.post(body)
    assert isinstance(reply, Answered), reply
    assert kind_of(reply.answer) is Kind.DENIED
    assert not body.handed_over


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 401 N"])
async def test_reset_without_an_answer_gets_no_last_chunk(
    client_for: Callable[..., GatewayClient],
    body_for: Callable[..., RequestBody],
    said: bytes,
) -> None:
    with rude_server(said) as (url, gone):
        body = body_for(StallingText(gone, 2))
        async with client_for(url) as client:
            reply: Any = await client.post(body)
    assert isinstance(reply, Broken)
    assert reply.kind is Kind.UNREACHABLE
    assert not body.handed_over


def test_patient_socket_takes_all_after_a_reset_and_still_reads() -> None:
    with rude_server(SAID) as (url, gone), PatientSocket() as client:
        client.connect(("127.0.0.1", int(url.rsplit(":")[-1].strip("/"))))
        assert client.send(b"POST / HTTP/1.1\r\n\r\nunread") == 25
        assert gone.wait(10)
        assert client.send(b"A" * 100) == 100
        assert client.sendmsg([b"A" * 100, memoryview(b"BB")]) == 102
        assert client.recv(1_000) == SAID
        assert client.recv(1_000) == b""
