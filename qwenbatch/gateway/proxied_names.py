"""Names that only a proxy will look up, judged by what they mean here.

Behind a proxy nobody tells which address a request ends at. So a name is looked up here too: if
any address that it has here is refused, it is not asked for. A name that means nothing here is
left to the proxy, as is its answer to the look-up of its own: the rule is weaker there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from qwenbatch.gateway.address_guard import AddressGuard

LOOK_UP_SECONDS = 2.0
"""The longest that a look-up may take; machines behind a proxy often know no names at all."""

REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 256


class ProxiedNames:
    """Judges names, one after the other, and remembers each judgement for a minute."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._judged: dict[str, tuple[bool, float]] = {}
        self._turn = anyio.Lock()

    async def refuses(self, name: str) -> bool:
        """Whether a name leads to an address that results may not come from."""
        async with self._turn:
            refused, until = self._judged.get(name, (False, 0.0))
            if until <= anyio.current_time():
                refused = await self._judge(name)
                if len(self._judged) >= MOST_REMEMBERED:
                    self._judged.clear()
                self._judged[name] = refused, anyio.current_time() + REMEMBERED_SECONDS
            return refused

    async def _judge(self, name: str) -> bool:
        with anyio.move_on_after(LOOK_UP_SECONDS):
            try:
                found = await self._guard.every_address(name)
            except (OSError, ValueError):
                return False
            return not all([await self._guard.allows(each) for each in found])
        return False
