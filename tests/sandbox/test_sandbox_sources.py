from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from qwenbatch.sandbox import Sandbox, SandboxSettings
from qwenbatch.sandbox.refusal import RefusalError
from qwenbatch.sandbox.source_fetch import MAX_SOURCE_BYTES, fetch_source, source_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Reply = tuple[int, dict[str, str], bytes]
    Send = Callable[..., Awaitable[Reply]]
    BodyOf = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings()) as opened:
        yield opened


@pytest.fixture
async def bucket(tiny_png: bytes) -> AsyncIterator[str]:
    """A place that holds a picture, and misbehaves under other names."""
    closing = asyncio.Event()

    async def picture(_request: web.Request) -> web.Response:
        return web.Response(body=tiny_png, content_type="image/png")

    async def hop(request: web.Request) -> web.Response:
        left = int(request.match_info["left"])
        place = f"/hop/{left - 1}" if left > 1 else "/picture.png"
        return web.Response(status=302, headers={"Location": place})

    async def astray(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "ftp://127.0.0.1/x.png"})

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(MAX_SOURCE_BYTES + 1))

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<html></html>", content_type="text/html")

    async def never(_request: web.Request) -> web.Response:
        await closing.wait()
        return web.Response()

    app = web.Application()
    app.add_routes(
        [
            web.get("/picture.png", picture),
            web.get("/hop/{left}", hop),
            web.get("/astray", astray),
            web.get("/large", large),
            web.get("/page", page),
            web.get("/never", never),
        ],
    )
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    closing.set()
    await runner.cleanup()


@pytest.mark.parametrize("path", ["picture.png", "hop/5"])
async def test_source_behind_a_url_is_fetched(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    bucket: str,
    path: str,
) -> None:
    url = f"{bucket}/{path}"
    status, _, body = await send(sandbox, body_of(image=url))
    assert (status, json.loads(body)["usage"]["width"]) == (200, 1184)
    (book,) = sandbox.books.edits.values()
    assert book.image == url


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("hop/6", "InvalidURL.TooManyRedirects"),
        ("astray", "InvalidURL"),
        ("nothing", "InvalidURL.BadStatus"),
        ("large", "BadRequest.TooLarge"),
        ("page", "InvalidParameter"),
    ],
)
async def test_source_that_cannot_be_had_is_refused_and_not_billed(
    *,
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    bucket: str,
    path: str,
    code: str,
) -> None:
    status, _, body = await send(sandbox, body_of(image=f"{bucket}/{path}"))
    assert (status, json.loads(body)["code"]) == (400, code)
    assert sandbox.books.billed == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x.png", "http:///x.png", "http://a b/x.png"])
async def test_source_without_a_server_is_refused(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    url: str,
) -> None:
    status, _, body = await send(sandbox, body_of(image=url))
    assert (status, json.loads(body)["code"].startswith("InvalidURL")) == (400, True)


async def test_source_that_takes_too_long_is_refused_in_the_service_s_words(bucket: str) -> None:
    async with source_session(seconds=0.2) as session:
        with pytest.raises(RefusalError) as refused:
            await fetch_source(session, f"{bucket}/never")
    assert refused.value.message == (
        "Download the media resource timed out during the data inspection process."
    )


async def test_sandbox_closes_at_once_while_a_source_is_awaited(
    send: Send,
    body_of: BodyOf,
    bucket: str,
) -> None:
    async with asyncio.timeout(5):
        async with Sandbox(SandboxSettings()) as sandbox:
            post = asyncio.ensure_future(send(sandbox, body_of(image=f"{bucket}/never")))
            await sandbox.until(lambda books: bool(books.edits))
        assert sandbox.books.billed == 0
        with suppress(Exception):
            await post
