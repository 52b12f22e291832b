"""The sandbox as a server on its port."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

from aiohttp import web

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.bookkeeping import Bookkeeper
from qwenbatch.sandbox.control import Control, routes_of
from qwenbatch.sandbox.delivery import RESULTS_PATH, Delivery, shows_key
from qwenbatch.sandbox.endpoint import Endpoint, Parts
from qwenbatch.sandbox.fault_plan import FaultPlan
from qwenbatch.sandbox.fronts import FRONTS
from qwenbatch.sandbox.own_files import make_folder, write_file
from qwenbatch.sandbox.settings import SandboxError, SandboxSettings
from qwenbatch.sandbox.shelf import Shelf
from qwenbatch.sandbox.source_fetch import source_session
from qwenbatch.sandbox.wire import whole_answer
from qwenbatch.sandbox.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from aiohttp.typedefs import Handler

    from qwenbatch.sandbox.books import Books
    from qwenbatch.sandbox.faults import Fault

_BACKLOG = 1_024
_GRACE_SECONDS = 0.1
_ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - only read


class Sandbox:
    """A gateway of one's own, open for as long as its context is.

    Raises SandboxError on entry if the port or the state folder cannot be had.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._exits = AsyncExitStack()
        self._plan = FaultPlan(settings.shares, settings.seed)
        self._books: Bookkeeper | None = None
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def key(self) -> str:
        """The subscription key that is let in."""
        return self._settings.key

    @property
    def base_url(self) -> str:
        """Where the sandbox is, without a slash at the end."""
        host = self._settings.host
        named = f"[{host}]" if ":" in host else host
        return f"http://{_ANY_HOST.get(host, named)}:{self._port}"

    @property
    def url(self) -> str:
        """The whole edit endpoint of the first door, Pixazo's."""
        return next(iter(self.urls.values()))

    @property
    def urls(self) -> Mapping[str, str]:
        """The whole edit endpoint of every door, by the service whose contract it keeps."""
        return {name: f"{self.base_url}{front.path}" for name, front in FRONTS.items()}

    @property
    def books(self) -> Books:
        """The books as they stand; to be asked for only inside the context, or after it."""
        if self._books is None:
            raise SandboxError("the sandbox was not started yet: it has no books")
        return self._books.snapshot()

    async def until(self, holds: Callable[[Books], bool], *, seconds: float = 30.0) -> Books:
        """Waits until `holds` is true of the books, and returns them as they were then.

        Raises TimeoutError after `seconds`.
        """
        if self._books is None:
            raise SandboxError("the sandbox was not started yet: it has no books")
        async with asyncio.timeout(seconds):
            return await self._books.until(holds)

    def script(self, fault: Fault) -> None:
        """Queues a fault for the first POSTs that match it; ValueError if it makes no sense."""
        self._plan.script(fault)

    def clear_faults(self) -> int:
        """Forgets the scripted faults; returns how many those were."""
        return self._plan.clear()

    @asynccontextmanager
    async def closed_door(self) -> AsyncIterator[None]:
        """Inside this context connections are refused, and those that were open are reset.

        What is in flight goes on, and is billed, without its client.
        """
        runner = self._runner
        if runner is None or runner.server is None:
            raise SandboxError("the sandbox was not started yet: it has no door")
        for site in list(runner.sites):
            await site.stop()
        for connection in list(runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        try:
            yield
        finally:
            await _bind(runner, self._settings.host, self._port)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as exits:
            await self._start(exits)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exits.aclose()

    async def _start(self, exits: AsyncExitStack) -> None:
        state = self._settings.state
        try:
            if state is not None:
                make_folder(state)
            shelf = Shelf(None if state is None else state / "results")
            exits.callback(shelf.close)
            books = self._books = Bookkeeper(None if state is None else state / "books.jsonl")
            exits.callback(books.close)
        except (OSError, ValueError) as error:
            raise SandboxError(f"the sandbox's state cannot be kept in {state}: {error}") from error
        workshop = Workshop()
        exits.callback(workshop.close)
        delivery = Delivery(books=books, shelf=shelf, workshop=workshop)
        endpoint = Endpoint(
            Parts(
                settings=self._settings,
                books=books,
                plan=self._plan,
                workshop=workshop,
                shelf=shelf,
                delivery=delivery,
                sources=await exits.enter_async_context(source_session()),
                base_url=lambda: self.base_url,
            ),
        )
        exits.push_async_callback(endpoint.close)
        app = _app(endpoint, Control(books=books, plan=self._plan), delivery, books)
        await self._listen(app, exits)

    async def _listen(self, app: web.Application, exits: AsyncExitStack) -> None:
        # A made edit is billed even if its client has gone: so no cancellation of handlers.
        runner = web.AppRunner(
            app,
            handler_cancellation=False,
            access_log=None,
            shutdown_timeout=_GRACE_SECONDS,
        )
        await runner.setup()
        exits.push_async_callback(runner.cleanup)
        self._runner = runner
        self._port = await self._bound(runner)
        if self._settings.state is not None:
            write_file(_port_file(self._settings.state), f"{self._port}\n".encode())

    async def _bound(self, runner: web.AppRunner) -> int:
        wanted, state = self._settings.port, self._settings.state
        if wanted == 0 and state is not None:
            remembered = _remembered_port(state)
            with suppress(OSError, OverflowError):
                return await _bind(runner, self._settings.host, remembered)
        try:
            return await _bind(runner, self._settings.host, wanted)
        except OSError as error:
            place = f"{self._settings.host} port {wanted}"
            raise SandboxError(f"the sandbox cannot listen on {place}: {error}") from error


async def serve(settings: SandboxSettings, *, announce: Callable[[str], None]) -> None:
    """Runs a sandbox until cancelled.

    `announce` is called when the sandbox answers, with a line for each door whose last word is
    the whole endpoint, Pixazo's first. Raises SandboxError if it cannot start.
    """
    async with Sandbox(settings) as sandbox:
        announce(f"The sandbox with the key {sandbox.key} answers at {sandbox.url}")
        for name, url in list(sandbox.urls.items())[1:]:
            announce(f"with --service {name} at {url}")
        await asyncio.get_running_loop().create_future()


def _app(
    endpoint: Endpoint,
    control: Control,
    delivery: Delivery,
    books: Bookkeeper,
) -> web.Application:
    @web.middleware
    async def refuse_in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            if shows_key(request) and request.path == "/moved":
                books.leaked()
            return _refused(404, "Endpoint not found")
        except web.HTTPMethodNotAllowed as error:
            return _refused(405, "Method not allowed", ("Allow", error.headers["Allow"]))

    most = max(front.most_bytes for front in FRONTS.values())
    app = web.Application(middlewares=[refuse_in_shape], client_max_size=most)
    app.add_routes([web.post(front.path, endpoint.behind(front)) for front in FRONTS.values()])
    app.add_routes(routes_of(control=control, delivery=delivery, results_path=RESULTS_PATH))
    return app


def _refused(status: int, error: str, *headers: tuple[str, str]) -> web.Response:
    return whole_answer(status, shapes.plain_body(error), (shapes.JSON_TYPE, *headers))


async def _bind(runner: web.AppRunner, host: str, port: int) -> int:
    site = web.TCPSite(runner, host, port, backlog=_BACKLOG)
    try:
        await site.start()
    except OSError:
        await site.stop()
        raise
    address = runner.addresses[0]
    return int(address[1])


def _port_file(state: Path) -> Path:
    return state / "port"


def _remembered_port(state: Path) -> int:
    try:
        return int(_port_file(state).read_text())
    except (OSError, ValueError):
        return 0
