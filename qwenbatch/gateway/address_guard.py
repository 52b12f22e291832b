"""Keeps the fetcher's connections to the addresses that the rules allow.

Names are judged where they become addresses, and once more at the very address that a socket is
about to be connected to: so a name that answers twice, differently, gains nothing.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver

from qwenbatch.gateway.addresses import Reach, literal_of, may_fetch_from, reach_of

if TYPE_CHECKING:
    from aiohttp import AddrInfoType
    from aiohttp.abc import ResolveResult


class RefusedAddressError(OSError):
    """A name led to an address that results may not come from. It never leaves the gateway."""


class AddressGuard(AbstractResolver):
    """Resolves names by `resolver`, and lets through what may be fetched from.

    `gateway_host` is the host of the gateway's own URL: a gateway on a loopback or private
    address may keep its results on such a one too. It is looked up only when that matters.
    """

    def __init__(self, *, resolver: AbstractResolver, gateway_host: str) -> None:
        self._resolver = resolver
        self._gateway_host = gateway_host
        self._home: frozenset[Reach] | None = None

    async def allows(self, host: str) -> bool:
        """Whether results may come from this literal address; false where it is none."""
        literal = literal_of(host)
        if literal is None:
            return False
        reach = reach_of(literal)
        if reach in {Reach.PUBLIC, Reach.FORBIDDEN}:
            return may_fetch_from(reach, home=frozenset())
        return may_fetch_from(reach, home=await self._find_home())

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """A name's allowed addresses; RefusedAddressError if all that it has are refused."""
        found = await self._resolver.resolve(host, port, family)
        allowed = [each for each in found if await self.allows(each["host"])]
        if found and not allowed:
            raise RefusedAddressError
        return allowed

    async def every_address(self, host: str) -> list[str]:
        """A name's addresses, whether allowed or not; OSError if it has none here."""
        found = await self._resolver.resolve(host, 0, socket.AF_UNSPEC)
        return [each["host"] for each in found]

    def connect_socket(self, address: AddrInfoType) -> socket.socket:
        """A socket for this very address; RefusedAddressError if the rules do not allow it."""
        family, kind, protocol, _, place = address
        literal = literal_of(str(place[0]))
        home = self._home or frozenset()
        if literal is None or not may_fetch_from(reach_of(literal), home=home):
            raise RefusedAddressError
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Close the resolver behind this one."""
        await self._resolver.close()

    async def _find_home(self) -> frozenset[Reach]:
        if self._home is None:
            literal = literal_of(self._gateway_host)
            if literal is not None:
                self._home = frozenset({reach_of(literal)})
            else:
                self._home = await self._home_by_name()
        return self._home or frozenset()

    async def _home_by_name(self) -> frozenset[Reach] | None:
        """None if it cannot be told now."""
        try:
            found = await self._resolver.resolve(self._gateway_host, 0, socket.AF_UNSPEC)
        except OSError:
            return None
        literals = [literal_of(each["host"]) for each in found]
        return frozenset(reach_of(each) for each in literals if each is not None)
