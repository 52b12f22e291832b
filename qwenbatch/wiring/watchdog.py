"""Lets a watchdog know of a run, from a thread of its own: neither holds the other up."""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from anyio.from_thread import start_blocking_portal
from yarl import URL

from qwenbatch.errors import UsageError
from qwenbatch.gateway.proxies import PASSWORD_HEADER
from qwenbatch.observe.ping import SECONDS, Ping, Way
from qwenbatch.wiring.proxies import proxies_told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from anyio.from_thread import BlockingPortal

MOST_LATE = 4.0
"""Seconds that the end of a short run waits for its start to be told, for their order's sake."""


class Watchdog:
    """Whoever is to know that a run began and how it ended."""

    def __init__(self, portal: BlockingPortal, ping: Ping) -> None:
        self._portal = portal
        self._ping = ping
        self._start: Future[None] = portal.start_task_soon(ping.start)

    def tell_end(self, exit_status: int, told: Mapping[str, object] | str) -> str | None:
        """Say how the run ended, within 10 s; in words what failed of start or end, or None."""
        last = monotonic() + SECONDS
        _await(self._start, MOST_LATE)
        end = self._portal.start_task_soon(self._ping.end, exit_status, told)
        if not _await(end, last - monotonic()):
            return f"the ping took more than {SECONDS:g} s"
        return self._ping.failure


@contextmanager
def watchdog_at(url: str) -> Iterator[Watchdog]:
    """A watchdog that is told of the start now, in the background."""
    with start_blocking_portal() as portal:
        yield Watchdog(portal, Ping(url, way=_way_to(url)))


def _await(told: Future[None], seconds: float) -> bool:
    """Wait for a ping; one that takes longer is given up, and False."""
    try:
        told.result(seconds)
    except TimeoutError:
        told.cancel()
        return False
    return True


def _way_to(url: str) -> Way:
    """How the environment has the watchdog reached; directly, where its proxies make no sense.

    Such proxies are the run's own concern: it is refused, and the watchdog is to hear of that.
    """
    try:
        proxy = proxies_told().way_to(URL(url))
    except UsageError:
        proxy = None
    if proxy is None:
        return Way()
    password = proxy.authorization
    return Way(str(proxy.url), {} if password is None else {PASSWORD_HEADER: password})
