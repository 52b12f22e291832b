"""The client without the key: it fetches results, and from nowhere that it should not.

What counts as what: a URL that is forbidden by its scheme or its literal address is FORBIDDEN. A
name that leads to a refused address, a redirect to something forbidden (whoever redirects may
mend that), 403, 404, 410, a URL that is none, and a result over the size limit are HOPELESS.
All else is PASSING.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeAlias

import anyio
import msgspec
from aiohttp import ClientConnectorError, ThreadedResolver
from yarl import URL

from qwenbatch.core.results import Trouble, Unfetched
from qwenbatch.gateway.address_guard import RefusedAddressError
from qwenbatch.gateway.addresses import literal_of
from qwenbatch.gateway.fetch_limits import FetchLimits
from qwenbatch.gateway.fetch_sessions import FetchSessions
from qwenbatch.gateway.proxies import DEMANDS_PASSWORD, Proxies
from qwenbatch.gateway.reasons import NETWORK_ERRORS, REFUSED_BY_PROXY, reason_of
from qwenbatch.gateway.result_url import join_url, parse_url
from qwenbatch.gateway.speed import SpeedWatch, SpeedWindow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from aiohttp import ClientResponse
    from aiohttp.abc import AbstractResolver

    Sink: TypeAlias = Callable[[bytes], Awaitable[None]]

_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({403, 404, 410})
_MIN_CHUNK = 64 * 1024
_MAX_NAME = 100


class ResultFetcher:
    """Fetches results, for as long as its context is open.

    `gateway_url` is the gateway's own: plain http, loopback and private addresses are taken only
    if it has them too. Where a URL, or a redirect, goes through one of `proxies`, only the proxy
    sees the address that is connected to: the rules are held for literal addresses, and for names
    by what they mean here. `resolver` looks names up; it is closed with the context.
    """

    def __init__(
        self,
        *,
        gateway_url: str,
        user_agent: str,
        proxies: Proxies | None = None,
        limits: FetchLimits | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._gateway = URL(gateway_url)
        self._user_agent = user_agent
        self._proxies = proxies or Proxies()
        self._limits = limits or FetchLimits()
        self._resolver = resolver
        self._opened: FetchSessions | None = None

    async def __aenter__(self) -> Self:
        self._opened = FetchSessions(
            resolver=self._resolver or ThreadedResolver(),
            gateway_host=self._gateway.host or "",
            proxies=self._proxies,
            user_agent=self._user_agent,
            connect=self._limits.connect,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            # When it is cancelled too, or what is left open would be told of on stderr.
            with anyio.move_on_after(self._limits.connect, shield=True):
                await self._opened.close()

    async def stream(self, url: str, sink: Sink) -> Unfetched | None:
        """Hand a result to `sink` in chunks; None once all of it was, its length checked.

        After anything but None what `sink` was given is worth nothing. What `sink` raises goes
        through.
        """
        with anyio.move_on_after(self._limits.total):
            return await self._follow(url, sink)
        return _passing(f"it took longer than {self._limits.total:g} s")

    async def _follow(self, text: str, sink: Sink) -> Unfetched | None:
        url = parse_url(text)
        for hop in range(self._limits.redirects + 1):
            if url is None or not _leads_somewhere(url):
                return _hopeless("it is no URL" if hop == 0 else "it is redirected to no URL")
            if (refusal := await self._refusal(url)) is not None:
                if hop == 0:
                    return Unfetched(Trouble.FORBIDDEN, refusal)
                return _hopeless(f"redirected: {refusal}")
            if await self._use().refuses_name(url):
                return _led_astray(url)
            came = await self._get(url, sink)
            if not isinstance(came, _Redirect):
                return came
            url = join_url(url, came.location)
        return _passing(f"redirected more than {self._limits.redirects} times")

    async def _refusal(self, url: URL) -> str | None:
        """Why this URL is not asked for at all."""
        if url.scheme not in {"http", "https"}:
            return f"a URL of the scheme {url.scheme[:_MAX_NAME]} is not fetched"
        if url.scheme == "http" and self._gateway.scheme != "http":
            return "plain http is not fetched"
        host = url.host or ""
        if literal_of(host) is not None and not await self._use().guard.allows(host):
            return f"the address {host[:_MAX_NAME]} is not fetched from"
        return None

    def _use(self) -> FetchSessions:
        if self._opened is None:
            raise RuntimeError("the fetcher is used outside its context")
        return self._opened

    async def _get(self, url: URL, sink: Sink) -> Unfetched | _Redirect | None:
        host = _host(url)
        try:
            response = await self._use().ask(url)
        except NETWORK_ERRORS as error:
            return _failed(url, error)
        async with response:
            if response.status in _REDIRECTS and (location := response.headers.get("Location")):
                response.close()
                return _Redirect(location)
            refused = self._unwanted(host, response)
            return refused or await self._body(host, response, sink)

    def _unwanted(self, host: str, response: ClientResponse) -> Unfetched | None:
        """Why this response's body is not read."""
        status = response.status
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        refused = None
        if status in _GONE:
            refused = _hopeless(f"{host} answered {status}")
        elif status == DEMANDS_PASSWORD:
            refused = _passing(f"{host}: {REFUSED_BY_PROXY.format(status)}")
        elif status != _OK:
            refused = _passing(f"{host} answered {status}")
        elif encoding != "identity":
            refused = _passing(f"{host} sent it encoded, unasked")
        elif (response.content_length or 0) > self._limits.size:
            refused = self._oversize()
        if refused is not None:
            response.close()
        return refused

    async def _body(self, host: str, response: ClientResponse, sink: Sink) -> Unfetched | None:
        limits = self._limits
        window = SpeedWindow(limits.window, limits.window_bytes, started=anyio.current_time())
        with anyio.CancelScope() as scope:
            watch = SpeedWatch(window, scope)
            try:
                return await self._pass_on(host, response, sink, watch)
            finally:
                watch.end()
        return _passing(f"{host} sent less than {window.least} bytes in {window.seconds:g} s")

    async def _pass_on(
        self, host: str, response: ClientResponse, sink: Sink, watch: SpeedWatch
    ) -> Unfetched | None:
        pending, received = bytearray(), 0
        while True:
            try:
                data = await response.content.readany()
            except NETWORK_ERRORS as error:
                return _passing(f"{host}: {reason_of(error)}")
            if not data:
                break
            watch.add(len(data))
            received += len(data)
            if received > self._limits.size:
                return self._oversize()
            if pending or len(data) < _MIN_CHUNK:
                pending += data
                if len(pending) < _MIN_CHUNK:
                    continue
                data = bytes(pending)
                pending.clear()
            watch.pause()
            await sink(data)
            watch.go_on()
        if response.content_length not in {None, received}:
            return _passing(f"{host} sent {received} bytes of {response.content_length}")
        if pending:
            await sink(bytes(pending))
        return None

    def _oversize(self) -> Unfetched:
        return _hopeless(f"it is larger than {self._limits.size} bytes")


class _Redirect(msgspec.Struct, frozen=True):
    location: str


def _leads_somewhere(url: URL) -> bool:
    """Whether a URL names a host; those of other schemes are judged by their scheme."""
    return bool(url.raw_host) if url.scheme in {"http", "https"} else bool(url.scheme)


def _failed(url: URL, error: Exception) -> Unfetched:
    inner = error.os_error if isinstance(error, ClientConnectorError) else error
    if isinstance(inner, RefusedAddressError):
        return _led_astray(url)
    return _passing(f"{_host(url)}: {reason_of(error)}")


def _led_astray(url: URL) -> Unfetched:
    return _hopeless(f"{_host(url)} leads to an address that is not fetched from")


def _host(url: URL) -> str:
    return (url.host or "")[:_MAX_NAME]


def _hopeless(reason: str) -> Unfetched:
    return Unfetched(Trouble.HOPELESS, reason)


def _passing(reason: str) -> Unfetched:
    return Unfetched(Trouble.PASSING, reason)
