from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientPayloadError
from PIL import Image

from qwenbatch.sandbox import Fault, FaultKind, Sandbox, SandboxSettings
from qwenbatch.sandbox.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp import ClientSession

    Reply = tuple[int, dict[str, str], bytes]
    Send = Callable[..., Awaitable[Reply]]
    BodyOf = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings()) as opened:
        yield opened


@pytest.fixture
def spoilt(sandbox: Sandbox, send: Send, body_of: BodyOf) -> Callable[..., Awaitable[str]]:
    """The URL of a paid result that has this fault."""

    async def ask(kind: FaultKind, **parts: Any) -> str:
        sandbox.script(Fault(kind=kind, **parts))
        status, _, body = await send(sandbox, body_of())
        assert (status, sandbox.books.billed) == (200, 1)
        url = json.loads(body)["output"]["choices"][0]["message"]["content"][0]["image"]
        assert isinstance(url, str)
        return url

    return ask


async def got(http: ClientSession, url: str) -> tuple[int, str, bytes]:
    async with http.get(url) as answer:
        return answer.status, answer.content_type, await answer.read()


async def test_result_is_served_with_length_and_mark(
    sandbox: Sandbox,
    send: Send,
    http: ClientSession,
    body_of: BodyOf,
) -> None:
    _, _, body = await send(sandbox, body_of())
    told = json.loads(body)
    url = told["output"]["choices"][0]["message"]["content"][0]["image"]
    async with http.get(url) as answer:
        data = await answer.read()
        assert answer.headers["Content-Length"] == str(len(data))
        assert answer.headers["ETag"].startswith('"')
    assert sandbox.books.results_fetched == {f"{told['request_id']}.png": 1}


async def test_result_is_refused_to_who_shows_the_key(
    sandbox: Sandbox,
    send: Send,
    http: ClientSession,
    headers: dict[str, str],
    body_of: BodyOf,
) -> None:
    _, _, body = await send(sandbox, body_of())
    url = json.loads(body)["output"]["choices"][0]["message"]["content"][0]["image"]
    async with http.get(url, headers=headers) as answer:
        assert answer.status == 403
    assert (sandbox.books.leaks, sandbox.books.results_fetched) == (1, {})


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.RESULT_MISSING, 404),
        (FaultKind.RESULT_FORBIDDEN, 403),
        (FaultKind.RESULT_LIMITED, 429),
    ],
)
async def test_result_is_refused_so_many_times(
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
    kind: FaultKind,
    status: int,
) -> None:
    url = await spoilt(kind, times=3)
    assert [(await got(http, url))[0] for _ in range(4)] == [status, status, status, 200]


async def test_result_that_is_missing_for_good_stays_missing(
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
) -> None:
    url = await spoilt(FaultKind.RESULT_MISSING, times=None)
    assert [(await got(http, url))[0] for _ in range(5)] == [404] * 5


async def test_result_that_is_cut_is_shorter_than_it_says(
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
) -> None:
    url = await spoilt(FaultKind.RESULT_CUT)
    with pytest.raises(ClientPayloadError):
        await got(http, url)
    assert (await got(http, url))[0] == 200


async def test_result_that_is_corrupt_has_a_wrong_checksum(
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
) -> None:
    url = await spoilt(FaultKind.RESULT_CORRUPT)
    (_, mime, bad), (_, _, good) = await got(http, url), await got(http, url)
    assert (mime, len(bad)) == ("image/png", len(good))
    assert sum(one != other for one, other in zip(bad, good, strict=True)) == 1
    with pytest.raises(SyntaxError), Image.open(BytesIO(bad)) as image:
        image.verify()


async def test_result_in_another_guise_is_what_it_says(
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
) -> None:
    status, mime, body = await got(http, await spoilt(FaultKind.RESULT_JPEG))
    assert (status, mime) == (200, "image/jpeg")
    assert Image.open(BytesIO(body)).format == "JPEG"


async def test_result_may_be_a_page(
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
) -> None:
    status, mime, body = await got(http, await spoilt(FaultKind.RESULT_HTML))
    assert (status, mime, body[:6]) == (200, "text/html", b"<html>")


async def test_result_with_a_huge_header_claims_its_pixels_soundly(
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
) -> None:
    _, _, body = await got(http, await spoilt(FaultKind.RESULT_HUGE_HEADER))
    with pytest.raises(Image.DecompressionBombError, match="400000000 pixels"):
        Image.open(BytesIO(body))


async def test_result_may_be_redirected_or_slow(
    sandbox: Sandbox,
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
) -> None:
    url = await spoilt(FaultKind.RESULT_REDIRECT, times=None)
    async with http.get(url, allow_redirects=False) as answer:
        assert answer.status == 302
    assert (await got(http, url))[:2] == (200, "image/png")
    assert sandbox.books.leaks == 0


async def test_result_that_is_slow_comes_whole(
    http: ClientSession,
    spoilt: Callable[..., Awaitable[str]],
) -> None:
    url = await spoilt(FaultKind.RESULT_SLOW, delay=0.2)
    slow, fast = await got(http, url), await got(http, url)
    assert slow == fast


@pytest.mark.parametrize("name", ["x.png", "..%2f..%2fbooks.jsonl", "0" * 36 + ".png"])
async def test_unknown_result_is_missing(sandbox: Sandbox, http: ClientSession, name: str) -> None:
    assert (await got(http, f"{sandbox.base_url}/results/qwen-image-edit/{name}"))[0] == 404


def test_shelf_keeps_only_the_last_results_and_leaves_nothing() -> None:
    shelf = Shelf(None, most=2)
    names = [f"{number:036d}.png" for number in range(3)]
    for name in names:
        shelf.put(name, b"x")
        shelf.remember(name)
    assert [shelf.get(name) for name in names] == [None, b"x", b"x"]
    shelf.close()
    assert [shelf.get(name) for name in names] == [None, None, None]
