"""Puts the engine together, with its doors to the gateway and to the results open."""

from __future__ import annotations

import os
import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qwenbatch import __version__
from qwenbatch.core.retry import RetryPolicy
from qwenbatch.core.subscription_key import SubscriptionKey
from qwenbatch.engine.conductor import Conductor
from qwenbatch.engine.placer import Placer
from qwenbatch.engine.run import LIVES_PER_SLOT, Run
from qwenbatch.gateway.client import GatewayClient
from qwenbatch.gateway.fetch import ResultFetcher
from qwenbatch.imaging.transit import Carrier
from qwenbatch.wiring.doors import FreeDoor, PaidDoor, Rekeyer
from qwenbatch.wiring.settings import api_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qwenbatch.engine.governor import Governor
    from qwenbatch.engine.ports import Approve, Clock, OutPath, Report, Shelf
    from qwenbatch.gateway.proxies import Proxies
    from qwenbatch.ledger.agenda import Agenda
    from qwenbatch.ledger.ledger import Ledger
    from qwenbatch.results.folders import OutFolders
    from qwenbatch.results.kept_pictures import KeptPictures
    from qwenbatch.wiring.provenance import Labels
    from qwenbatch.wiring.settings import RunSettings
    from qwenbatch.wiring.sources import Sources

SANDBOX_KEY = "sandbox"

USER_AGENT = f"qwenbatch/{__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the engine works with: one OUT, its ledger, the plan, and who governs and watches."""

    settings: RunSettings
    folders: OutFolders
    shelf: Shelf
    kept: KeptPictures
    occupancy: OutPath
    ledger: Ledger
    agenda: Agenda
    governor: Governor
    clock: Clock
    approve: Approve
    report: Report
    proxies: Proxies
    labels: Labels | None
    sources: Sources


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where edits are sent, and what opens the door."""

    url: str
    key: SubscriptionKey | None


@asynccontextmanager
async def engine(site: Site, *, run: str) -> AsyncIterator[Run]:
    """The engine, for as long as its doors are open."""
    settings = site.settings
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(_endpoint(settings, site.folders))
        client = GatewayClient(
            door=settings.door,
            url=endpoint.url,
            key=endpoint.key,
            timeout=settings.timeout,
            wall=site.clock.wall,
            user_agent=USER_AGENT,
            proxies=site.proxies,
        )
        fetcher = ResultFetcher(
            gateway_url=endpoint.url,
            user_agent=USER_AGENT,
            proxies=site.proxies,
        )
        yield Run(
            conductor=_conductor(site, run, await stack.enter_async_context(client)),
            placer=_placer(site, await stack.enter_async_context(fetcher)),
            governor=site.governor,
            agenda=site.agenda,
            book=site.ledger,
            rekeyer=Rekeyer(site.sources),
            lives=LIVES_PER_SLOT * settings.concurrency,
            canaries=settings.canary,
            approve=site.approve,
            report=site.report,
        )


def _conductor(site: Site, run: str, client: GatewayClient) -> Conductor:
    door = site.settings.door
    carrier = Carrier(
        scratch=site.folders.scratch,
        cores=os.cpu_count() or 1,
        limits=door.limits,
    )
    return Conductor(
        run=run,
        price=site.settings.price,
        policy=RetryPolicy(attempts=site.settings.attempts),
        ledger=site.ledger,
        gateway=PaidDoor(door, client, carrier, site.sources, site.kept),
        governor=site.governor,
        clock=site.clock,
        jitter=random.random,
        report=site.report,
    )


def _placer(site: Site, fetcher: ResultFetcher) -> Placer:
    return Placer(
        book=site.ledger,
        out=site.occupancy,
        shelf=site.shelf,
        fetcher=FreeDoor(fetcher, site.kept, site.labels),
        fetches=site.settings.concurrency,
        overwrite=site.settings.overwrite,
        governor=site.governor,
        clock=site.clock,
        report=site.report,
    )


@asynccontextmanager
async def _endpoint(settings: RunSettings, folders: OutFolders) -> AsyncIterator[Endpoint]:
    """The gateway that was told, or a sandbox for this run alone."""
    async with endpoint_url(settings, folders) as url:
        yield Endpoint(url, key_for(settings))


def key_for(settings: RunSettings) -> SubscriptionKey | None:
    """What opens the door: the environment's key, or the sandbox's own, which is no secret.

    None where there is none and the door needs none; UsageError if it needs one.
    """
    return SubscriptionKey(SANDBOX_KEY) if settings.sandbox else api_key(settings.door)


@asynccontextmanager
async def endpoint_url(
    settings: RunSettings, folders: OutFolders, *, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """Where edits are sent; a sandbox for this run alone lives as long as this is held."""
    if not settings.sandbox:
        yield settings.gateway
        return
    from qwenbatch.sandbox import Sandbox, SandboxSettings  # noqa: PLC0415 - a server, rarely run

    state = folders.own / "sandbox"
    async with Sandbox(SandboxSettings(host=host, state=state, key=SANDBOX_KEY)) as sandbox:
        yield sandbox.urls[settings.service]
