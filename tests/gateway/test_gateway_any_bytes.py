"""Whatever a server says, in whatever bytes: the outcome is a verdict, never an exception."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qwenbatch.core.replies import Answered, Broken
from qwenbatch.core.subscription_key import SubscriptionKey
from qwenbatch.core.verdicts import Verdict, verdict_of
from qwenbatch.gateway.body import RequestBody, UrlText
from qwenbatch.gateway.client import GatewayClient
from qwenbatch.gateway.door import Order
from qwenbatch.gateway.doors.pixazo import PIXAZO
from tests.gateway.conftest import answer, raw_server

if TYPE_CHECKING:
    from qwenbatch.core.replies import Reply

HEADERS = st.lists(
    st.sampled_from(
        [
            "Content-Type: application/json; charset=no-such-thing",
            "Content-Encoding: gzip",
            "Content-Encoding: br",
            "Transfer-Encoding: chunked",
            "Location: http://[",
            "Retry-After: -5",
            "Set-Cookie: =;;",
            "X: \xe9\x7f",
        ],
    ),
    max_size=3,
)
ANSWERS = st.builds(
    lambda status, body, headers, length: answer(status, body, *headers, length=length),
    st.integers(100, 999),
    st.binary(max_size=300) | st.sampled_from([b"{}", b"null", b'{"code": "x"', b"<html>"]),
    HEADERS,
    st.none() | st.integers(0, 400),
)


async def reply_to(said: bytes, *, reads: bool) -> Reply:
    """What the client makes of a server that says this, having read the request or not."""

    async def handler(peer: Any) -> None:
        if reads:
            await peer.request()
        peer.say(said)
        await peer.writer.drain()

    async with raw_server(handler) as server:
        client = GatewayClient(
            door=PIXAZO,
            url=server.url,
            key=SubscriptionKey("sandbox"),
            timeout=20.0,
            wall=time.time,
            user_agent="qwenbatch/test",
        )
        frame = PIXAZO.frame(Order(instruction="sepia"), "")
        body = RequestBody(UrlText("https://images.test/a.png"), frame)
        async with client:
            with anyio.fail_after(20):
                reply = await client.post(body)
        assert len(server.requests) <= 1
    if isinstance(reply, Broken) and verdict_of(reply.kind) is Verdict.RETRY:
        assert not body.handed_over, "what may have run is not sent again by itself"
    return reply


@settings(max_examples=80, deadline=None)
@given(
    said=st.binary(max_size=400)
    | ANSWERS
    | st.tuples(ANSWERS, st.integers(0, 200)).map(lambda cut: cut[0][: cut[1]]),
    reads=st.sampled_from([True, True, False]),
)
@example(said=b"", reads=True)
@example(said=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n", reads=True)
@example(said=b"HTTP/9.9 999999 \xff\r\n\r\n", reads=True)
def test_client_makes_a_verdict_of_whatever_bytes_come(said: bytes, *, reads: bool) -> None:
    reply = anyio.run(partial(reply_to, said, reads=reads))
    assert isinstance(reply, Answered | Broken)
    kind = reply.kind
    assert verdict_of(kind) in Verdict
    assert verdict_of(kind) is not Verdict.EDITED
