from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import pytest
from yarl import URL

from qwenbatch.core.replies import Answered, Broken
from qwenbatch.core.verdicts import Kind, kind_of
from qwenbatch.errors import UsageError
from qwenbatch.gateway.proxied_reach import reach_through
from qwenbatch.gateway.proxies import Proxies, Proxy, parse_proxy
from qwenbatch.gateway.reach import Reached, Unreached
from tests.gateway.conftest import PAID

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from qwenbatch.gateway.client import GatewayClient
    from tests.conftest import SmallProxy

KEY = "0f3a9c57-key-of-16-and-more"
WORD = "pass-word"
SHOWN = "Basic bmFtZTpwYXNzLXdvcmQ="
ONE = Proxy(URL("http://one:3128"))
TWO = Proxy(URL("http://two:3128"))


def through(proxy: SmallProxy, *, name: str = "") -> Proxies:
    url = proxy.url.replace("//", f"//{name}") if name else proxy.url
    each = parse_proxy(url, variable="HTTPS_PROXY")
    return Proxies(http=each, https=each)


# ---------------------------------------------------------------------- which way


@pytest.mark.parametrize(
    ("exempt", "url", "way"),
    [
        ("", "https://gateway.test/edit", ONE),
        ("", "http://gateway.test/edit", TWO),
        ("*", "https://gateway.test/edit", None),
        (" * ", "https://gateway.test/edit", None),
        ("gateway.test", "https://gateway.test/edit", None),
        (".test, other", "https://gateway.test/edit", None),
        ("test", "https://GATEWAY.test/edit", None),
        ("way.test", "https://gateway.test/edit", ONE),
        ("gateway.test:8443", "https://gateway.test:8443/edit", None),
        ("gateway.test:8443", "https://gateway.test/edit", ONE),
        ("10.0.0.1", "http://10.0.0.1/edit", None),
        ("10.0.0.1", "http://10.0.0.2/edit", TWO),
        ("fd00::1", "http://[fd00::1]/edit", None),
        ("[fd00::1]", "http://[fd00::1]/edit", None),
        ("[fd00::1]:81", "http://[fd00::1]:81/edit", None),
        ("", "http://127.0.0.1:8000/edit", None),
        ("", "http://[::1]:8000/edit", None),
        ("", "http://localhost:8000/edit", None),
        ("", "https://a.localhost./edit", None),
        ("", "http://0x7f.1/edit", None),
        ("", "http://localhost.test/edit", TWO),
    ],
)
def test_proxies_know_the_way_to_a_url(exempt: str, url: str, way: Proxy | None) -> None:
    assert Proxies(http=TWO, https=ONE, exempt=exempt).way_to(URL(url)) == way


def test_proxies_that_are_used_are_told_once() -> None:
    assert Proxies(http=ONE, https=ONE).used() == (ONE,)
    assert Proxies(http=TWO, https=ONE).used() == (ONE, TWO)
    assert Proxies(http=TWO, https=ONE, exempt="*").used() == Proxies().used() == ()


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("http://proxy:3128", "http://proxy:3128", None),
        ("http://proxy:3128/", "http://proxy:3128", None),
        ("proxy:3128", "http://proxy:3128", None),
        ("name:pass-word@proxy:3128", "http://proxy:3128", SHOWN),
        ("HTTP://name:pass%2Dword@proxy", "http://proxy", SHOWN),
        ("https://proxy", "https://proxy", None),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128", None),
    ],
)
def test_proxies_are_read_from_their_urls(text: str, url: str, shown: str | None) -> None:
    proxy = parse_proxy(text, variable="X")
    assert (str(proxy), proxy.authorization) == (url, shown)
    assert "bmFtZ" not in repr(proxy)


@pytest.mark.parametrize(
    "text",
    [
        "socks5://name:pass-word@proxy:1080",
        "pass-word://name@proxy",
        "http://",
        "http://name:pass-word@",
        "http://name:pass-word@proxy:port",
        "http://name:pass-word@proxy:99999",
        "http://name:pass-word@pro xy",
        "http://name:pass-word@proxy\n",
        "http://[::1:pass-word",
        "name:pass-word@",
    ],
)
def test_proxies_that_are_none_are_refused_without_their_password(text: str) -> None:
    with pytest.raises(UsageError, match=r"^HTTPS_PROXY ") as refused:
        parse_proxy(text, variable="HTTPS_PROXY")
    assert "pass-word" not in str(refused.value)
    assert refused.value.advice


# ---------------------------------------------------------------------- edits


@pytest.mark.anyio
async def test_client_tunnels_and_shows_the_password_to_the_proxy_alone(
    *,
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    secure: Callable[..., ssl.SSLContext],
    proxy: SmallProxy,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(say(200, PAID))

    proxy.password = SHOWN
    async with serve(handler, tls=secure("gateway.test")) as server:
        proxy.routes["gateway.test:443"] = server.port
        proxies = through(proxy, name="name:pass-word@")
        async with client_for("https://gateway.test/edit", key=KEY, proxies=proxies) as client:
            reply = await client.post(body_for())
            assert (WORD in repr(vars(client)), SHOWN in repr(vars(client))) == (False, False)
    assert isinstance(reply, Answered)
    assert reply.answer.url == "https://h.test/p.png"
    (head,) = proxy.heads
    assert head.startswith("CONNECT gateway.test:443 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: {SHOWN}\r\n" in head
    assert KEY not in head
    assert KEY.encode() not in proxy.passed
    (request,) = server.requests
    assert KEY.encode() in request
    assert b"proxy-authorization" not in request.lower()


@pytest.mark.anyio
async def test_client_speaks_to_a_proxy_in_tls_and_to_the_gateway_in_tls_within(
    *,
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    secure: Callable[..., ssl.SSLContext],
    proxy: SmallProxy,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(say(200, PAID))

    async def unwrap(peer: Any) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            await asyncio.gather(_pour(peer.reader, writer), _pour(reader, peer.writer))
        finally:
            writer.close()

    proxy.password = SHOWN
    async with (
        serve(handler, tls=secure("gateway.test")) as server,
        serve(unwrap, tls=secure("127.0.0.1")) as front,
    ):
        proxy.routes["gateway.test:443"] = server.port
        way = parse_proxy(f"https://name:pass-word@127.0.0.1:{front.port}", variable="X")
        proxies = Proxies(https=way)
        async with client_for("https://gateway.test/edit", proxies=proxies) as client:
            assert isinstance(await client.post(body_for()), Answered)
    assert proxy.asked == ["CONNECT gateway.test:443 HTTP/1.1"]


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
    writer.close()


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 429, 500, 502, 503, 504])
async def test_client_whose_tunnel_is_refused_did_not_reach_the_gateway(
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    proxy: SmallProxy,
    *,
    status: int,
) -> None:
    proxy.refusal = status
    body = body_for()
    async with client_for("https://gateway.test/edit", proxies=through(proxy)) as client:
        reply = await client.post(body)
    assert reply == Broken(Kind.UNREACHABLE, f"the proxy refused with status {status}")
    assert not body.handed_over


@pytest.mark.anyio
async def test_client_whose_proxy_is_gone_did_not_reach_the_gateway(
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
) -> None:
    gone = Proxies(https=parse_proxy("http://127.0.0.1:1", variable="X"))
    async with client_for("https://gateway.test/edit", proxies=gone) as client:
        reply = await client.post(body_for())
    assert reply == Broken(Kind.UNREACHABLE, "the proxy could not be connected to")


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_client_whose_proxy_dies_before_the_last_chunk_did_not_reach_the_gateway(
    *,
    serve: Callable[..., Any],
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    pieces: Any,
    secure: Callable[..., ssl.SSLContext],
    proxy: SmallProxy,
    scheme: str,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.rest()

    proxy.break_after = 1_000_000
    tls = secure("gateway.test") if scheme == "https" else None
    body = body_for(pieces([b"x" * 100_000] * 400))
    async with serve(handler, tls=tls) as server:
        proxy.routes |= {"gateway.test:443": server.port, "gateway.test:80": server.port}
        url = f"{scheme}://gateway.test/edit"
        async with client_for(url, proxies=through(proxy)) as client:
            reply = await client.post(body)
    assert isinstance(reply, Broken)
    assert reply.kind is Kind.UNREACHABLE
    assert not body.handed_over


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_client_whose_proxy_dies_after_the_last_chunk_is_cut_off(
    serve: Callable[..., Any],
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    secure: Callable[..., ssl.SSLContext],
    proxy: SmallProxy,
    *,
    scheme: str,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.request()
        proxy.break_off()
        await peer.rest()

    tls = secure("gateway.test") if scheme == "https" else None
    async with serve(handler, tls=tls) as server:
        proxy.routes |= {"gateway.test:443": server.port, "gateway.test:80": server.port}
        url = f"{scheme}://gateway.test/edit"
        async with client_for(url, proxies=through(proxy)) as client:
            reply = await client.post(body_for())
    assert isinstance(reply, Broken)
    assert reply.kind is Kind.CUT_OFF


@pytest.mark.anyio
async def test_client_asks_a_proxy_for_a_plain_gateway_by_its_whole_url(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    proxy: SmallProxy,
) -> None:
    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(say(200, PAID))

    proxy.password = SHOWN
    async with serve(handler) as server:
        proxy.routes["gateway.test:80"] = server.port
        proxies = through(proxy, name="name:pass-word@")
        async with client_for("http://gateway.test/edit?a=1#b", proxies=proxies) as client:
            assert isinstance(await client.post(body_for()), Answered)
    assert proxy.asked == ["POST http://gateway.test/edit?a=1 HTTP/1.1"]
    assert b"proxy-authorization" not in server.requests[0].lower()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "kind"), [(502, Kind.GAVE_UP), (503, Kind.SERVER_ERROR), (504, Kind.GAVE_UP)]
)
async def test_client_doubts_what_a_proxy_says_in_a_plain_gateways_place(
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    proxy: SmallProxy,
    *,
    status: int,
    kind: Kind,
) -> None:
    proxy.refusal = status
    async with client_for("http://gateway.test/edit", proxies=through(proxy)) as client:
        reply = await client.post(body_for())
    assert isinstance(reply, Answered)
    assert kind_of(reply.answer) is kind


@pytest.mark.anyio
async def test_client_of_a_plain_gateway_knows_a_proxy_that_wants_a_password(
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    proxy: SmallProxy,
) -> None:
    proxy.refusal = 407
    async with client_for("http://gateway.test/edit", proxies=through(proxy)) as client:
        reply = await client.post(body_for())
    assert reply == Broken(Kind.UNREACHABLE, "the proxy refused with status 407")


# ---------------------------------------------------------------------- a look at the gateway


@pytest.mark.anyio
async def test_reach_shakes_hands_through_a_tunnel_and_asks_for_nothing(
    serve: Callable[..., Any],
    certified: Callable[..., ssl.SSLContext],
    authority_file: str,
    proxy: SmallProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority_file)
    heard: list[bytes] = []

    async def handler(peer: Any) -> None:
        heard.append(await peer.rest())

    proxy.password = SHOWN
    way = parse_proxy(proxy.url.replace("//", "//name:pass-word@"), variable="X")
    async with serve(handler, tls=certified("gateway.test")) as server:
        proxy.routes["gateway.test:443"] = server.port
        reached = await anyio.to_thread.run_sync(
            reach_through, way, "https://gateway.test/edit?secret"
        )
    assert isinstance(reached, Reached)
    assert (reached.host, reached.address) == ("gateway.test", proxy.url)
    assert (reached.tls or "").startswith("TLSv1")
    assert heard in ([], [b""])


def test_reach_tells_that_a_proxy_refuses(proxy: SmallProxy) -> None:
    proxy.refusal = 407
    way = parse_proxy(proxy.url, variable="X")
    told = reach_through(way, "https://gateway.test/edit")
    assert told == Unreached("gateway.test", f"{proxy.url}: the proxy refused with status 407")


def test_reach_connects_to_the_proxy_alone_for_plain_http(proxy: SmallProxy) -> None:
    way = parse_proxy(proxy.url, variable="X")
    assert reach_through(way, "http://gateway.test/edit") == Reached(
        "gateway.test", "127.0.0.1", None
    )
    assert proxy.heads == []
    gone = reach_through(parse_proxy("127.0.0.1:1", variable="X"), "http://gateway.test/edit")
    assert isinstance(gone, Unreached)
    assert "refused" in gone.reason
