"""Results through a proxy: what it is shown, and what of the rules still holds."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiohttp.abc import AbstractResolver

from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.gateway import proxied_names
from qwenbatch.gateway.fetch import ResultFetcher
from qwenbatch.gateway.proxies import Proxies, parse_proxy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from aiohttp.abc import ResolveResult

    from tests.conftest import SmallProxy

pytestmark = pytest.mark.anyio

SHOWN = "Basic bmFtZTpwYXNzLXdvcmQ="
PLAIN = "http://gateway.test/edit"
ENCRYPTED = "https://gateway.test/edit"


class Known(AbstractResolver):
    """What names mean on this machine; the others mean nothing here, or (None) nobody answers."""

    def __init__(self, **names: list[str] | None) -> None:
        self.names = {name.replace("_", "."): found for name, found in names.items()}
        self.asked: list[str] = []

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        del family
        self.asked.append(host)
        found = self.names.get(host, [])
        if found is None:
            await anyio.sleep_forever()
        if not found:
            raise OSError(errno.ENOENT, "no such name")
        return [
            {
                "hostname": host,
                "host": each,
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for each in found
        ]

    async def close(self) -> None:
        pass


async def fetch(
    url: str,
    proxy: SmallProxy,
    *,
    gateway: str = PLAIN,
    known: Known | None = None,
    exempt: str = "",
    times: int = 1,
) -> Unfetched | bytes:
    """What came of the last fetch."""
    each = parse_proxy(proxy.url.replace("//", "//name:pass-word@"), variable="X")
    fetcher = ResultFetcher(
        gateway_url=gateway,
        user_agent="qwenbatch/test",
        proxies=Proxies(http=each, https=each, exempt=exempt),
        resolver=known or Known(),
    )
    got = b""

    async def sink(data: bytes) -> None:
        nonlocal got
        got += data

    failure = None
    async with fetcher:
        for _ in range(times):
            failure = await fetcher.stream(url, sink)
    if failure is not None:
        assert "secret" not in failure.reason
        assert "pass-word" not in failure.reason
    return got if failure is None else failure


async def test_fetcher_shows_the_password_in_the_tunnels_opening_alone(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    secure: Callable[..., ssl.SSLContext],
    proxy: SmallProxy,
) -> None:
    heads: list[bytes] = []

    async def handler(peer: Any) -> None:
        while True:
            heads.append((await peer.head()).lower())
            peer.say(say(200, b"picture"))

    proxy.password = SHOWN
    async with serve(handler, tls=secure("bucket.test")) as server:
        proxy.routes["bucket.test:443"] = server.port
        url = "https://bucket.test/a.png?secret=%2B"
        assert await fetch(url, proxy, gateway=ENCRYPTED, times=2) == b"picture" * 2
    (head,) = proxy.heads
    assert f"Proxy-Authorization: {SHOWN}\r\n" in head
    assert "secret" not in head
    assert len(heads) == 2
    for each in heads:
        assert each.startswith(b"get /a.png?secret=%2b http/1.1\r\n")
        assert not any(word in each for word in (b"authorization", b"cookie", b"ocp-apim"))


async def test_fetcher_shows_no_password_where_it_could_travel_on(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    proxy: SmallProxy,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(200, b"picture"))

    async with serve(handler) as server:
        proxy.routes["bucket.test:80"] = server.port
        assert await fetch("http://bucket.test/a%2fb.png?secret", proxy) == b"picture"
        proxy.password = SHOWN
        outcome = await fetch("http://bucket.test/a%2fb.png?secret", proxy)
    assert proxy.asked == ["GET http://bucket.test/a%2fb.png?secret HTTP/1.1"] * 2
    assert "authorization" not in "".join(proxy.heads).lower()
    assert outcome == Unfetched(Trouble.PASSING, "bucket.test: the proxy refused with status 407")


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_fetcher_tries_again_where_a_tunnel_is_refused(
    proxy: SmallProxy, *, status: int
) -> None:
    proxy.refusal = status
    outcome = await fetch("https://bucket.test/a?secret", proxy, gateway=ENCRYPTED)
    assert outcome == Unfetched(
        Trouble.PASSING, f"bucket.test: the proxy refused with status {status}"
    )


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/a", "http://169.254.169.254/a", "http://[fd00::1]/a", "http://0xA000001/a"],
)
async def test_fetcher_asks_no_proxy_for_literal_addresses_that_are_refused(
    proxy: SmallProxy, url: str
) -> None:
    outcome = await fetch(url, proxy)
    assert isinstance(outcome, Unfetched)
    assert outcome.trouble is Trouble.FORBIDDEN
    assert proxy.heads == []


@pytest.mark.parametrize("found", [["10.0.0.1"], ["8.8.8.8", "169.254.169.254"], ["127.0.0.1"]])
async def test_fetcher_asks_no_proxy_for_names_that_mean_refused_addresses_here(
    proxy: SmallProxy, found: list[str]
) -> None:
    known = Known(inside_test=found)
    outcome = await fetch("http://inside.test/a?secret", proxy, known=known, times=3)
    assert outcome == Unfetched(
        Trouble.HOPELESS, "inside.test leads to an address that is not fetched from"
    )
    assert proxy.heads == []
    assert known.asked.count("inside.test") == 1, "a judgement is remembered for a while"


@pytest.mark.parametrize("found", [None, [], ["8.8.8.8"]], ids=["silence", "unknown", "public"])
async def test_fetcher_leaves_other_names_to_the_proxy(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    proxy: SmallProxy,
    monkeypatch: pytest.MonkeyPatch,
    *,
    found: list[str] | None,
) -> None:
    monkeypatch.setattr(proxied_names, "LOOK_UP_SECONDS", 0.05)

    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(200, b"picture"))

    async with serve(handler) as server:
        proxy.routes["bucket.test:80"] = server.port
        known = Known(bucket_test=found)
        assert await fetch("http://bucket.test/a", proxy, known=known) == b"picture"


@pytest.mark.parametrize(
    "target", ["http://10.0.0.1/b?secret", "http://inside.test/b", "ftp://bucket.test/b"]
)
async def test_fetcher_judges_each_redirect_before_a_proxy_is_asked(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    proxy: SmallProxy,
    *,
    target: str,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(302, b"", f"Location: {target}"))

    async with serve(handler) as server:
        proxy.routes["bucket.test:80"] = server.port
        known = Known(inside_test=["192.168.1.1"])
        outcome = await fetch("http://bucket.test/a", proxy, known=known)
    assert isinstance(outcome, Unfetched)
    assert outcome.trouble is Trouble.HOPELESS
    assert proxy.asked == ["GET http://bucket.test/a HTTP/1.1"]


async def test_fetcher_goes_directly_where_no_proxy_is_wanted_and_holds_the_rule_there(
    proxy: SmallProxy,
) -> None:
    known = Known(inside_test=["10.0.0.1"])
    outcome = await fetch("http://inside.test/a", proxy, known=known, exempt=".test")
    assert outcome == Unfetched(
        Trouble.HOPELESS, "inside.test leads to an address that is not fetched from"
    )
    assert proxy.heads == []


async def test_fetcher_of_a_gateway_on_this_machine_asks_no_proxy_for_its_results(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    proxy: SmallProxy,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.head()
        peer.say(say(200, b"picture"))

    async with serve(handler) as server:
        url = f"http://127.0.0.1:{server.port}/a"
        assert await fetch(url, proxy, gateway="http://127.0.0.1:1/edit") == b"picture"
    assert proxy.heads == []
