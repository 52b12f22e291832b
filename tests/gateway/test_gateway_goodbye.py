"""A server that never answers the goodbye of TLS: what is over keeps no connection for it."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from qwenbatch.core.replies import Answered
from tests.gateway.conftest import PAID

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from qwenbatch.gateway.client import GatewayClient

SECONDS = 10.0


@contextmanager
def silent_server(tls: ssl.SSLContext, said: bytes) -> Iterator[tuple[str, Future[bytes]]]:
    """Answers one POST; told is what comes, in TCP, behind a goodbye that it never returns."""

    def serve() -> bytes:
        accepted, _ = listener.accept()
        accepted.settimeout(SECONDS)
        with tls.wrap_socket(accepted, server_side=True) as connection:
            request = b""
            while not request.endswith(b"}"):
                request += connection.recv(65_536)
            connection.sendall(said)
            assert connection.recv(1) == b"", "it goes on speaking"
            with socket.socket(fileno=connection.detach()) as beneath:
                beneath.settimeout(SECONDS)
                return beneath.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        listener.settimeout(SECONDS)
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/edit", threads.submit(serve)


@pytest.mark.anyio
async def test_client_waits_for_no_goodbye(
    secure: Callable[..., ssl.SSLContext],
    say: Callable[..., bytes],
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
) -> None:
    with silent_server(secure("127.0.0.1"), say(200, PAID)) as (url, served):
        async with client_for(url) as client:
            reply = await client.post(body_for())
            assert isinstance(reply, Answered)
            # Still within the client's context: an answer, then the end of the connection.
            assert await anyio.to_thread.run_sync(served.result, SECONDS) == b""
