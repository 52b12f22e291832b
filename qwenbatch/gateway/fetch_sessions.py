"""The fetcher's two ways out: directly to addresses that the rules allow, or through a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from qwenbatch.gateway.address_guard import AddressGuard
from qwenbatch.gateway.addresses import literal_of
from qwenbatch.gateway.proxied_names import ProxiedNames
from qwenbatch.gateway.proxies import PASSWORD_HEADER, Proxies
from qwenbatch.gateway.secret_header import SecretHeader

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from aiohttp.abc import AbstractResolver
    from yarl import URL

READ_BUFFER = 128 * 1024
"""Bytes; a connection is not read from while more than twice as many wait to be taken."""


class FetchSessions:
    """Asks for URLs, without key and cookies; made and closed in a running event loop.

    `resolver` is closed with it; `connect` is the longest that a connection may take, in seconds.
    """

    def __init__(
        self,
        *,
        resolver: AbstractResolver,
        gateway_host: str,
        proxies: Proxies,
        user_agent: str,
        connect: float,
    ) -> None:
        self.guard = AddressGuard(resolver=resolver, gateway_host=gateway_host)
        self._names = ProxiedNames(self.guard)
        self._proxies = proxies
        self._user_agent = user_agent
        self._connect = connect
        self._direct = self._session(
            TCPConnector(limit=0, resolver=self.guard, socket_factory=self.guard.connect_socket),
        )
        # A proxy may well be at a private address. No name but a proxy's own is looked up here.
        self._proxied = self._session(TCPConnector(limit=0, resolver=resolver))

    async def close(self) -> None:
        """Close what is open."""
        await self._direct.close()
        await self._proxied.close()
        await self.guard.close()

    async def ask(self, url: URL) -> ClientResponse:
        """Ask for a URL, directly or through its proxy; raises what aiohttp raises."""
        proxy = self._proxies.way_to(url)
        if proxy is None:
            return await self._direct.get(url, allow_redirects=False)
        to_proxy = {"User-Agent": self._user_agent}
        if proxy.authorization is not None:
            to_proxy[PASSWORD_HEADER] = SecretHeader(proxy.authorization)
        return await self._proxied.get(
            url,
            allow_redirects=False,
            proxy=proxy.url,
            # Of a CONNECT alone: what is asked for over plain http goes without the password.
            proxy_headers=to_proxy if url.scheme == "https" else None,
        )

    async def refuses_name(self, url: URL) -> bool:
        """Whether a name that goes through a proxy leads, as seen from here, where none may.

        On the direct way the connection itself tells.
        """
        host = url.host or ""
        if literal_of(host) is not None or self._proxies.way_to(url) is None:
            return False
        return await self._names.refuses(host)

    def _session(self, connector: TCPConnector) -> ClientSession:
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            timeout=ClientTimeout(total=None, sock_connect=self._connect),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
        )
