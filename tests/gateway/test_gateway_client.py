from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from qwenbatch.core.replies import Answered, Broken, Withheld
from qwenbatch.core.verdicts import Kind, kind_of
from qwenbatch.errors import UsageError
from qwenbatch.gateway import client as client_module
from qwenbatch.sandbox import (
    VARIANTS,
    Conduct,
    Fault,
    FaultKind,
    Sandbox,
    SandboxSettings,
    Variant,
)
from tests.gateway.expected import expected_kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from qwenbatch.core.replies import Reply
    from qwenbatch.gateway.body import RequestBody
    from qwenbatch.gateway.client import GatewayClient

    ClientFor = Callable[..., GatewayClient]
    BodyFor = Callable[..., RequestBody]

pytestmark = pytest.mark.anyio

SUCCESS = {"output": {"choices": [{"message": {"content": [{"image": "https://h.test/a.png"}]}}]}}
MEGABYTES = [b"A" * 65_536] * 160


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings()) as opened:
        yield opened


@pytest.fixture
def photograph(images: Path) -> bytes:
    return (images / "chelsea.png").read_bytes()


@pytest.fixture
def data_uri(photograph: bytes, pieces: Any) -> Callable[[], Any]:
    text = b"data:image/png;base64," + base64.b64encode(photograph)
    return lambda: pieces([text[at : at + 65_536] for at in range(0, len(text), 65_536)])


def kind_in(reply: Reply) -> Kind | None:
    match reply:
        case Answered(answer=answer):
            return kind_of(answer)
        case Broken(kind=kind):
            return kind
        case Withheld():
            return Kind.SOURCE_CHANGED


async def test_client_sends_the_documented_request(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    client_for: ClientFor,
    body_for: BodyFor,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(say(200, json.dumps(SUCCESS).encode(), "Set-Cookie: a=b"))

    async with serve(handler) as server, client_for(server.url) as client:
        for _ in range(2):
            reply = await client.post(body_for())
            assert isinstance(reply, Answered)
            assert reply.answer.url == "https://h.test/a.png"
            assert json.loads(reply.raw) == SUCCESS
    head, _, body = server.requests[1].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /edit?secret=query HTTP/1.1"
    assert sorted(lines[1:]) == [
        "Accept: application/json",
        "Cache-Control: no-cache",
        "Connection: close",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
        f"Host: 127.0.0.1:{server.port}",
        "Ocp-Apim-Subscription-Key: sandbox",
        "User-Agent: qwenbatch/test",
    ]
    assert json.loads(body)["input"]["messages"][0]["content"][1] == {"text": "sepia"}


async def test_client_has_a_photograph_edited_by_the_sandbox(
    sandbox: Sandbox,
    client_for: ClientFor,
    body_for: BodyFor,
    data_uri: Callable[[], Any],
) -> None:
    async with client_for(sandbox.url) as client:
        reply = await client.post(body_for(data_uri()))
    assert isinstance(reply, Answered)
    assert (reply.answer.url or "").startswith(sandbox.base_url)
    assert sandbox.books.billed == 1
    assert sandbox.books.posts == 1


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: f"{each.kind}-{each.name}"[:80])
async def test_client_tells_every_variant_of_the_table(
    sandbox: Sandbox,
    client_for: ClientFor,
    body_for: BodyFor,
    data_uri: Callable[[], Any],
    *,
    variant: Variant,
) -> None:
    sandbox.script(Fault(kind=variant.kind, variant=variant.name, billed=False))
    timeout = 0.3 if variant.conduct is Conduct.NEVER else 20.0
    async with client_for(sandbox.url, timeout=timeout) as client:
        body = body_for(data_uri())
        reply = await client.post(body)
    assert kind_in(reply) == expected_kind(variant)
    assert sandbox.books.posts == 1
    if isinstance(reply, Answered) and variant.conduct is Conduct.ANSWER:
        assert reply.answer.status == variant.status
        assert len(reply.raw) <= client_module.MAX_RAW_BYTES


@pytest.mark.parametrize("lengthy", [True, False])
@pytest.mark.parametrize("ending", ["reset", "half-closed", "stay"])
async def test_client_reads_an_early_answer_although_writing_fails(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
    *,
    ending: str,
    lengthy: bool,
) -> None:
    """The server reads only the head, answers, and goes; the client has megabytes to send."""
    message = b'{"error": "Payload too large"}'

    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(413, message + b" " * (50_000 if lengthy else 0)))
        await peer.writer.drain()
        if ending == "stay":
            await anyio.sleep_forever()
        if ending == "half-closed":
            peer.writer.write_eof()
            await anyio.sleep_forever()
        # Closing a socket that holds unread bytes resets the connection, behind the answer.

    async with serve(handler) as server, client_for(server.url) as client:
        for _ in range(30):
            body = body_for(pieces(MEGABYTES))
            reply = await client.post(body)
            assert isinstance(reply, Answered), reply
            assert kind_of(reply.answer) is Kind.INVALID
            assert reply.answer.message == "Payload too large"
            assert not body.handed_over


@pytest.mark.parametrize("status", [200, 204, 408, 500, 502, 504, 524])
async def test_client_takes_an_early_answer_that_leaves_it_open_for_unreachable(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
    *,
    status: int,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(status))
        await peer.writer.drain()

    async with serve(handler) as server, client_for(server.url) as client:
        reply = await client.post(body_for(pieces(MEGABYTES)))
    assert isinstance(reply, Broken)
    assert reply.kind is Kind.UNREACHABLE
    assert str(status) in reply.reason


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"", Kind.CUT_OFF),
        (b"HTTP/1.1 200 OK\r\nContent-", Kind.CUT_OFF),
        (b"HTTP/1.1 999\r\n\r\n", Kind.UNREADABLE),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Kind.CUT_OFF),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", Kind.CUT_OFF),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", Kind.CUT_OFF),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", Kind.CUT_OFF),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Kind.CUT_OFF),
        (b"HTTP/1.1 200 OK\r\nA\xff\x00: b\r\n\r\n", Kind.CUT_OFF),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", Kind.UNREADABLE),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Kind.CUT_OFF),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Kind.CUT_OFF),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip at all", Kind.UNREADABLE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}", Kind.UNREADABLE),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", Kind.UNREADABLE),
        (b"HTTP/1.1 401 No\r\nContent-Length: 900\r\n\r\n{", Kind.DENIED),
        (b"HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab", Kind.THROTTLED),
        (b"HTTP/1.1 500 No\r\nContent-Length: 900\r\n\r\n" + b'{"error": "x"', Kind.GAVE_UP),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
            Kind.MISADDRESSED,
        ),
        (
            b"HTTP/1.1 200 OK\r\nSet-Cookie: \xff=;;;=\r\nContent-Length: 2\r\n\r\n{}",
            Kind.UNREADABLE,
        ),
    ],
)
async def test_client_survives_what_no_server_should_say(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
    said: bytes,
    kind: Kind,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(said)

    async with serve(handler) as server, client_for(server.url) as client:
        reply = await client.post(body_for())
    assert kind_in(reply) is kind
    assert len(server.requests) == 1
    if isinstance(reply, Broken):
        assert 0 < len(reply.reason) < 100
        assert "secret" not in reply.reason


async def test_client_saves_the_url_of_an_answer_that_ends_short(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    client_for: ClientFor,
    body_for: BodyFor,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(say(200, json.dumps(SUCCESS).encode(), length=100_000))
        await peer.writer.drain()
        await anyio.sleep_forever()

    async with serve(handler) as server, client_for(server.url, timeout=0.3) as client:
        reply = await client.post(body_for())
    assert kind_in(reply) is None


async def test_client_reads_no_more_than_its_bound(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
) -> None:
    bomb = gzip.compress(b" " * 200_000_000, 1)
    sent = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    endless = b"HTTP/1.1 200 OK\r\n\r\n"

    async def handler(peer: Any) -> None:
        await peer.request()
        if len(server.requests) == 1:
            peer.say(sent + bomb)
            await peer.rest()
        else:
            peer.say(endless)
            while True:
                peer.say(b" " * 100_000)
                await peer.writer.drain()

    async with serve(handler) as server, client_for(server.url) as client:
        for _ in range(2):
            with anyio.fail_after(15):
                reply = await client.post(body_for())
            assert isinstance(reply, Answered)
            assert kind_of(reply.answer) is Kind.UNREADABLE
            assert len(reply.raw) == client_module.MAX_RAW_BYTES


async def test_client_never_sends_a_post_twice(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    client_for: ClientFor,
    body_for: BodyFor,
) -> None:
    """The server promises to keep the connection, and closes it as the second POST comes."""

    async def handler(peer: Any) -> None:
        await peer.request()
        if len(server.requests) == 1:
            peer.say(say(200, json.dumps(SUCCESS).encode(), "Connection: keep-alive"))
            await peer.head()

    async with serve(handler) as server, client_for(server.url) as client:
        assert kind_in(await client.post(body_for())) is None
        assert kind_in(await client.post(body_for())) is Kind.CUT_OFF
    assert len(server.requests) == 2


async def test_client_takes_no_stray_answer_for_the_next_edits(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    client_for: ClientFor,
    body_for: BodyFor,
) -> None:
    stray = json.dumps(SUCCESS).replace("a.png", "stray.png").encode()

    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(say(200, json.dumps(SUCCESS).encode(), "Connection: keep-alive"))
        await peer.writer.drain()
        peer.say(say(200, stray))
        await peer.rest()

    async with serve(handler) as server, client_for(server.url) as client:
        for _ in range(5):
            reply = await client.post(body_for())
            assert isinstance(reply, Answered)
            assert reply.answer.url == "https://h.test/a.png"
    assert server.connections == 5


async def test_client_withholds_the_last_chunk_of_a_changed_source(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
) -> None:
    received = bytearray()
    gone = anyio.Event()

    async def handler(peer: Any) -> None:
        received.extend(await peer.head())
        try:
            received.extend(await peer.rest())
        finally:
            gone.set()

    async with serve(handler) as server, client_for(server.url) as client:
        image = pieces([b"A" * 1_000] * 3, changed=True)
        body = body_for(image)
        with anyio.fail_after(10):
            assert await client.post(body) == Withheld()
            await gone.wait()
    assert body.withheld
    assert not body.handed_over
    assert b"parameters" not in received
    assert image.closed


async def test_client_withholds_from_a_server_that_has_begun_a_doubtful_answer(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(b"HTTP/1.1 504 Late\r\nContent-Length: 10\r\n\r\n")
        await peer.writer.drain()
        await peer.rest()

    async with serve(handler) as server, client_for(server.url) as client:
        with anyio.fail_after(10):
            reply = await client.post(body_for(pieces(MEGABYTES, changed=True)))
    assert reply == Withheld()


async def test_client_sends_nothing_more_once_it_has_given_up(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
) -> None:
    """What it had handed to its own buffer is dropped, however late the server reads on."""
    gave_up, over, came = anyio.Event(), anyio.Event(), bytearray()

    async def handler(peer: Any) -> None:
        peer.writer.transport.pause_reading()
        await gave_up.wait()
        peer.writer.transport.resume_reading()
        try:
            while data := await peer.reader.read(65_536):
                came.extend(data)
        finally:
            over.set()

    piece = b"A" * 65_536
    async with serve(handler) as server, client_for(server.url, timeout=0.3) as client:
        image = pieces([piece] * 1_000)
        reply = await client.post(body_for(image))
        gave_up.set()
        with anyio.fail_after(10):
            await over.wait()
    assert reply == Broken(Kind.UNREACHABLE, "the upload took longer than 0.3 s")
    assert came.count(b"A") < image.given * len(piece)


async def test_client_withheld_is_not_billed(
    sandbox: Sandbox,
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
) -> None:
    async with client_for(sandbox.url) as client:
        reply = await client.post(body_for(pieces(MEGABYTES[:20], error=OSError(5, "gone"))))
        assert reply == Withheld()
        books = await sandbox.until(lambda books: books.broken_off == 1)
    assert books.billed == 0


async def test_client_raises_a_defect_of_the_body(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.rest()

    async with serve(handler) as server, client_for(server.url) as client:
        with pytest.raises(ZeroDivisionError):
            await client.post(body_for(pieces([b"A"], error=ZeroDivisionError())))


async def test_client_gives_up_an_upload_that_takes_too_long(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        await anyio.sleep_forever()

    async with serve(handler) as server, client_for(server.url, timeout=0.3) as client:
        image = pieces([b"A" * 65_536] * 1_000)
        body = body_for(image)
        reply = await client.post(body)
    assert reply == Broken(Kind.UNREACHABLE, "the upload took longer than 0.3 s")
    assert not body.handed_over
    assert image.closed


async def test_client_gives_the_answer_its_own_time(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
) -> None:
    """Neither half is late, although both together take longer than one may."""

    class Lasting(pieces):  # type: ignore[misc]  # the fixture is a class
        async def unchanged(self) -> bool:
            await anyio.sleep(0.6)
            return True

    async def handler(peer: Any) -> None:
        await peer.request()
        await anyio.sleep(0.6)
        peer.say(say(200, json.dumps(SUCCESS).encode()))

    async with serve(handler) as server, client_for(server.url, timeout=1.0) as client:
        assert kind_in(await client.post(body_for(Lasting([b"A"])))) is None


async def test_client_says_that_no_answer_came_in_time(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.request()
        await anyio.sleep_forever()

    async with serve(handler) as server, client_for(server.url, timeout=0.2) as client:
        reply = await client.post(body_for())
    assert reply == Broken(Kind.CUT_OFF, "no answer within 0.2 s")


async def test_client_cannot_connect(client_for: ClientFor, body_for: BodyFor) -> None:
    for url, words in (
        ("http://127.0.0.1:1/x?secret=1", "refused"),
        ("http://nowhere.invalid/x", "resolved"),
        ("http://127.0.0.1:99999/x", None),
    ):
        if words is None:
            with pytest.raises(UsageError):
                client_for(url)
            continue
        body = body_for()
        async with client_for(url) as client:
            reply = await client.post(body)
        assert isinstance(reply, Broken)
        assert reply.kind is Kind.UNREACHABLE
        assert words in reply.reason
        assert not body.handed_over


async def test_client_finds_no_tls_where_there_is_none(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.reader.read(1)
        peer.say(b"HTTP/1.1 400 No\r\n\r\n")

    async with serve(handler) as server, client_for(f"https://127.0.0.1:{server.port}/") as client:
        reply = await client.post(body_for())
    assert reply == Broken(Kind.UNREACHABLE, "TLS failed")


async def test_client_does_not_wait_for_a_connection_without_end(
    client_for: ClientFor,
    body_for: BodyFor,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[..., Any],
) -> None:
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.2)

    async def handler(peer: Any) -> None:
        await peer.rest()

    async with serve(handler) as server, client_for(f"https://127.0.0.1:{server.port}/") as client:
        reply = await client.post(body_for())
    assert reply == Broken(Kind.UNREACHABLE, "no connection within 0.2 s")


@pytest.mark.parametrize("handed_over", [True, False])
async def test_client_lets_cancellation_through_and_stops_reading_the_source(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body_for: BodyFor,
    pieces: Any,
    *,
    handed_over: bool,
) -> None:
    arrived = anyio.Event()
    image = pieces([b"A"] if handed_over else [b"A" * 65_536] * 1_000)
    replies = []

    async def handler(peer: Any) -> None:
        await (peer.request() if handed_over else peer.head())
        arrived.set()
        await anyio.sleep_forever()

    async with serve(handler) as server, client_for(server.url) as client:
        body = body_for(image)

        async def post() -> None:
            replies.append(await client.post(body))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post)
            await arrived.wait()
            tasks.cancel_scope.cancel()
    assert replies == []
    assert body.handed_over is handed_over
    assert image.closed


@pytest.mark.parametrize("key", ["", " pass", "a\n", "a\r\nX: y", "schlüssel", "a\x00"])
async def test_client_refuses_a_key_that_no_header_can_carry(
    client_for: ClientFor,
    key: str,
) -> None:
    with pytest.raises(UsageError) as caught:
        client_for("http://127.0.0.1/", key=key)
    assert not key or key not in str(caught.value)


async def test_client_shows_its_key_to_nobody_else(
    sandbox: Sandbox,
    client_for: ClientFor,
    body_for: BodyFor,
) -> None:
    for status in (301, 302, 303, 307, 308):
        sandbox.script(Fault(kind=FaultKind.MISADDRESSED, variant=f"redirect-{status}"))
        async with client_for(sandbox.url) as client:
            reply = await client.post(body_for())
            assert kind_in(reply) is Kind.MISADDRESSED
            assert "sandbox" not in repr(client)
    assert sandbox.books.leaks == 0
    assert sandbox.books.posts == 5
