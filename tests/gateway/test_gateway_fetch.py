from __future__ import annotations

import base64
import errno
import gzip
import socket
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from aiohttp.abc import AbstractResolver

from qwenbatch.core.replies import Answered
from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.errors import DiskError
from qwenbatch.gateway.address_guard import AddressGuard, RefusedAddressError
from qwenbatch.gateway.fetch import ResultFetcher
from qwenbatch.gateway.fetch_limits import FetchLimits
from qwenbatch.sandbox import Fault, FaultKind, Sandbox, SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp.abc import ResolveResult

pytestmark = pytest.mark.anyio

HOME = "http://127.0.0.1:1/edit"
AWAY = "https://gateway.test/edit"


class Names(AbstractResolver):
    """Answers with the next list of addresses, and from the last one on with that."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        del family
        self.asked.append(host)
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not found:
            raise OSError(errno.ENOENT, "no such name")
        return [
            {
                "hostname": host,
                "host": each,
                "port": port,
                "family": socket.AF_INET6 if ":" in each else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for each in found
        ]

    async def close(self) -> None:
        pass


class Sink:
    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    async def __call__(self, data: bytes) -> None:
        self.chunks.append(data)

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)


async def fetch(
    url: str,
    *,
    gateway: str = HOME,
    sink: Any = None,
    **options: Any,
) -> Unfetched | None:
    fetcher = ResultFetcher(gateway_url=gateway, user_agent="qwenbatch/test", **options)
    async with fetcher:
        outcome = await fetcher.stream(url, Sink() if sink is None else sink)
    if outcome is not None:
        assert "secret" not in outcome.reason
        assert 0 < len(outcome.reason) < 250
    return outcome


def trouble_in(outcome: Unfetched | None) -> Trouble | None:
    return None if outcome is None else outcome.trouble


async def test_fetcher_streams_a_result_and_shows_no_key(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
) -> None:
    picture = bytes(range(256)) * 2_000
    heads: list[str] = []

    async def handler(peer: Any) -> None:
        while True:
            heads.append((await peer.head()).decode())
            peer.say(say(200, picture, "Set-Cookie: a=b"))

    sink = Sink()
    async with serve(handler) as server:
        url = f"http://name:pass@127.0.0.1:{server.port}/a%2fb.png?secret=%2B+x#part"
        fetcher = ResultFetcher(gateway_url=HOME, user_agent="qwenbatch/test")
        async with fetcher:
            assert await fetcher.stream(url, sink) is None
            assert await fetcher.stream(url, Sink()) is None
    assert sink.data == picture
    assert all(65_536 <= len(chunk) <= 2 * 262_144 for chunk in sink.chunks[:-1])
    for head in heads:
        lines = head.strip().split("\r\n")
        assert lines[0] == "GET /a%2fb.png?secret=%2B+x HTTP/1.1"
        assert sorted(lines[1:]) == [
            "Accept-Encoding: identity",
            "Accept: */*",
            f"Host: 127.0.0.1:{server.port}",
            "User-Agent: qwenbatch/test",
        ]


@pytest.mark.parametrize(
    ("kind", "trouble"),
    [
        (None, None),
        (FaultKind.RESULT_MISSING, Trouble.HOPELESS),
        (FaultKind.RESULT_FORBIDDEN, Trouble.HOPELESS),
        (FaultKind.RESULT_LIMITED, Trouble.PASSING),
        (FaultKind.RESULT_CUT, Trouble.PASSING),
        (FaultKind.RESULT_CORRUPT, None),
        (FaultKind.RESULT_HTML, None),
        (FaultKind.RESULT_SLOW, None),
        (FaultKind.RESULT_REDIRECT, None),
        (FaultKind.RESULT_JPEG, None),
        (FaultKind.RESULT_HUGE_HEADER, None),
    ],
)
async def test_fetcher_meets_the_sandboxes_results(
    client_for: Callable[..., Any],
    body_for: Callable[..., Any],
    pieces: Any,
    images: Any,
    *,
    kind: FaultKind | None,
    trouble: Trouble | None,
) -> None:
    data = base64.b64encode((images / "chelsea.png").read_bytes())
    async with Sandbox(SandboxSettings()) as sandbox:
        if kind is not None:
            delay = 0.05 if kind is FaultKind.RESULT_SLOW else 0.0
            sandbox.script(Fault(kind=kind, delay=delay))
        async with client_for(sandbox.url) as client:
            reply = await client.post(body_for(pieces([b"data:image/png;base64,", data])))
        assert isinstance(reply, Answered)
        assert reply.answer.url is not None
        sink = Sink()
        outcome = await fetch(reply.answer.url, gateway=sandbox.url, sink=sink)
        assert trouble_in(outcome) == trouble
        if outcome is None:
            assert len(sink.data) > 0
        assert sandbox.books.leaks == 0


@pytest.mark.parametrize(
    ("url", "gateway", "trouble"),
    [
        ("ftp://h.test/a", HOME, Trouble.FORBIDDEN),
        ("file:///etc/passwd", HOME, Trouble.FORBIDDEN),
        ("data:image/png;base64,AAAA", HOME, Trouble.FORBIDDEN),
        ("javascript:alert(1)", HOME, Trouble.FORBIDDEN),
        ("http://h.test/a?secret", AWAY, Trouble.FORBIDDEN),
        ("https://127.0.0.1/a", AWAY, Trouble.FORBIDDEN),
        ("https://2130706433/a", AWAY, Trouble.FORBIDDEN),
        ("https://0x7f.1/a", AWAY, Trouble.FORBIDDEN),
        ("https://[::1]/a", AWAY, Trouble.FORBIDDEN),
        ("https://[::ffff:127.0.0.1]/a", AWAY, Trouble.FORBIDDEN),
        ("https://[64:ff9b::a9fe:a9fe]/a", AWAY, Trouble.FORBIDDEN),
        ("https://[fe80::1%25eth0]/a", AWAY, Trouble.FORBIDDEN),
        ("https://１２７.０.０.１/a", AWAY, Trouble.FORBIDDEN),
        ("https://127.0.0.1./a", AWAY, Trouble.FORBIDDEN),
        ("https://10.0.0.1/a", AWAY, Trouble.FORBIDDEN),
        ("http://169.254.169.254/a?secret", HOME, Trouble.FORBIDDEN),
        ("http://10.0.0.1/a", HOME, Trouble.FORBIDDEN),
        ("http://127.0.0.1/a", "http://10.0.0.1/edit", Trouble.FORBIDDEN),
        ("http://169.254.1.1/a", "http://169.254.1.1/edit", Trouble.FORBIDDEN),
        ("", HOME, Trouble.HOPELESS),
        ("a.png", HOME, Trouble.HOPELESS),
        ("http://", HOME, Trouble.HOPELESS),
        ("http://h.test:99999/?secret", HOME, Trouble.HOPELESS),
        ("http://[::1?secret", HOME, Trouble.HOPELESS),
        ("http://\ud800/?secret", HOME, Trouble.HOPELESS),
        ("http://%31%32%37.0.0.1/?secret", HOME, Trouble.PASSING),
        ("http://127.0.0.1:1/?secret", HOME, Trouble.PASSING),
    ],
)
async def test_fetcher_asks_only_for_what_it_may(url: str, gateway: str, trouble: Trouble) -> None:
    names = Names([])
    assert trouble_in(await fetch(url, gateway=gateway, resolver=names)) is trouble


@pytest.mark.parametrize(
    ("gateway", "addresses", "trouble"),
    [
        (HOME, ["127.0.0.1"], None),
        ("http://localhost:1/", ["127.0.0.1"], None),
        ("http://8.8.8.8/", ["127.0.0.1"], Trouble.HOPELESS),
        ("http://10.0.0.1/", ["127.0.0.1"], Trouble.HOPELESS),
        (HOME, ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"], Trouble.HOPELESS),
        (HOME, ["169.254.169.254", "127.0.0.1"], None),
        (HOME, [], Trouble.PASSING),
    ],
)
async def test_fetcher_judges_a_name_by_the_address_that_it_leads_to(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    gateway: str,
    addresses: list[str],
    trouble: Trouble | None,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(200, b"picture"))

    async with serve(handler) as server:
        url = f"http://bucket.test:{server.port}/a.png?secret=1"
        outcome = await fetch(url, gateway=gateway, resolver=Names(addresses))
    assert trouble_in(outcome) is trouble
    assert server.connections == (1 if trouble is None else 0)


async def test_fetcher_gains_nothing_for_a_name_that_answers_twice_differently() -> None:
    """The socket itself is refused, whatever the resolver let through before."""
    guard = AddressGuard(resolver=Names(["8.8.8.8"], ["127.0.0.1"]), gateway_host="1.1.1.1")
    assert [each["host"] for each in await guard.resolve("rebind.test")] == ["8.8.8.8"]
    with pytest.raises(RefusedAddressError):
        await guard.resolve("rebind.test")
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with pytest.raises(RefusedAddressError):
            guard.connect_socket((family, socket.SOCK_STREAM, 6, "", (address, 80)))
    guard.connect_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))).close()


async def test_fetcher_is_not_led_to_itself_when_a_name_is_bound_anew(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
) -> None:
    """A private gateway's bucket moves from the public net to loopback between two fetches."""

    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(200, b"picture"))

    async with serve(handler) as server:
        names = Names(["192.0.2.1"], ["127.0.0.1"])
        fetcher = ResultFetcher(
            gateway_url="http://10.0.0.1/",
            user_agent="qwenbatch/test",
            resolver=names,
        )
        async with fetcher:
            for _ in range(2):
                outcome = await fetcher.stream(f"http://rebind.test:{server.port}/", Sink())
                assert trouble_in(outcome) is Trouble.HOPELESS
    assert server.connections == 0
    assert names.asked == ["rebind.test", "rebind.test"]


async def test_fetcher_forgets_a_home_that_could_not_be_looked_up() -> None:
    names = Names([], ["127.0.0.1"])
    guard = AddressGuard(resolver=names, gateway_host="gateway.test")
    assert not await guard.allows("127.0.0.1")
    assert await guard.allows("127.0.0.1")
    assert await guard.allows("8.8.8.8")
    assert not await guard.allows("10.0.0.1")
    assert not await guard.allows("a.name")
    assert names.asked == ["gateway.test"] * 2


@pytest.mark.parametrize(("hops", "trouble"), [(1, None), (5, None), (6, Trouble.PASSING)])
async def test_fetcher_follows_five_redirects(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    hops: int,
    trouble: Trouble | None,
) -> None:
    async def handler(peer: Any) -> None:
        while True:
            number = int((await peer.head()).split(b"/")[1].split(b"?")[0].split(b" ")[0])
            status = (301, 302, 303, 307, 308)[number % 5]
            where = f"Location: /{number + 1}?secret=1"
            peer.say(say(200, b"picture") if number == hops else say(status, b"x", where))

    sink = Sink()
    async with serve(handler) as server:
        outcome = await fetch(f"http://127.0.0.1:{server.port}/0", sink=sink)
    assert trouble_in(outcome) is trouble
    assert sink.data == (b"picture" if trouble is None else b"")


@pytest.mark.parametrize(
    ("location", "trouble"),
    [
        ("http://169.254.169.254/?secret", Trouble.HOPELESS),
        ("http://10.0.0.1/", Trouble.HOPELESS),
        ("//0xa9fea9fe/", Trouble.HOPELESS),
        ("file:///etc/passwd", Trouble.HOPELESS),
        ("http://inside.test/?secret", Trouble.HOPELESS),
        ("http://[", Trouble.HOPELESS),
        ("", Trouble.PASSING),
    ],
)
async def test_fetcher_is_not_redirected_to_where_it_may_not_go(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    location: str,
    trouble: Trouble,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(302, b"", f"Location: {location}"))

    async with serve(handler) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert trouble_in(await fetch(url, resolver=Names(["10.0.0.1"]))) is trouble


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        *((f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode(), trouble)
          for status, trouble in (
              *((status, Trouble.HOPELESS) for status in (403, 404, 410)),
              *((status, Trouble.PASSING) for status in (204, 206, 304, 400, 401, 429, 500, 503)),
          )),
        (b"", Trouble.PASSING),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", Trouble.PASSING),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort", Trouble.PASSING),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Trouble.PASSING),
        (b"HTTP/1.1 200 OK\r\n\r\nno length at all", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", Trouble.HOPELESS),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Trouble.PASSING),
        (b"junk\r\n\r\n", Trouble.PASSING),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 1\r\n\r\na", None),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\na",
         Trouble.PASSING),
    ],
)  # fmt: skip
async def test_fetcher_tells_what_is_hopeless_from_what_passes(
    serve: Callable[..., Any],
    said: bytes,
    trouble: Trouble | None,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(said)

    async with serve(handler) as server:
        outcome = await fetch(f"http://127.0.0.1:{server.port}/a?secret=1")
    assert trouble_in(outcome) is trouble


async def test_fetcher_unpacks_no_bomb(
    serve: Callable[..., Any], say: Callable[..., bytes]
) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000, 1)

    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(200, bomb, "Content-Encoding: gzip"))

    sink = Sink()
    async with serve(handler) as server:
        outcome = await fetch(f"http://127.0.0.1:{server.port}/", sink=sink)
    assert trouble_in(outcome) is Trouble.PASSING
    assert sink.chunks == []


async def test_fetcher_ends_an_endless_body(serve: Callable[..., Any]) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.say(b"A" * 100_000)
            await peer.writer.drain()

    sink = Sink()
    async with serve(handler) as server:
        outcome = await fetch(
            f"http://127.0.0.1:{server.port}/",
            sink=sink,
            limits=FetchLimits(size=1_000_000),
        )
    assert trouble_in(outcome) is Trouble.HOPELESS
    assert len(sink.data) <= 1_000_000


@pytest.mark.parametrize("drip", [b"", b"A"])
async def test_fetcher_gives_up_what_comes_too_slowly(
    serve: Callable[..., Any],
    drip: bytes,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"A" * 1_000)
        while drip:
            peer.say(drip)
            await peer.writer.drain()
            await anyio.sleep(0.01)
        await anyio.sleep_forever()

    async with serve(handler) as server:
        outcome = await fetch(
            f"http://127.0.0.1:{server.port}/",
            limits=FetchLimits(window=0.15, window_bytes=1_000),
        )
    assert trouble_in(outcome) is Trouble.PASSING
    assert outcome is not None
    assert outcome.reason == "127.0.0.1 sent less than 1000 bytes in 0.15 s"


@pytest.mark.parametrize("size", [100_000, 1_000_000])
async def test_fetcher_does_not_lay_a_slow_sink_to_the_servers_charge(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    size: int,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(200, b"A" * size))

    async def sink(_data: bytes) -> None:
        await anyio.sleep(0.2)

    async with serve(handler) as server:
        outcome = await fetch(
            f"http://127.0.0.1:{server.port}/",
            sink=sink,
            limits=FetchLimits(window=0.05, window_bytes=60_000),
        )
    assert outcome is None


async def test_fetcher_gives_up_after_its_total_time(serve: Callable[..., Any]) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        await anyio.sleep_forever()

    async with serve(handler) as server:
        outcome = await fetch(f"http://127.0.0.1:{server.port}/", limits=FetchLimits(total=0.2))
    assert outcome == Unfetched(Trouble.PASSING, "it took longer than 0.2 s")


@pytest.mark.parametrize("error", [DiskError("the disk is full"), OSError(28, "full")])
async def test_fetcher_lets_its_sinks_errors_through(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    error: Exception,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(200, b"A" * 100_000))

    async def sink(_data: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    async with serve(handler) as server:
        with pytest.raises(type(error)) as caught:
            await fetch(f"http://127.0.0.1:{server.port}/", sink=sink)
    assert caught.value is error
