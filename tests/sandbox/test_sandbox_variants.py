from __future__ import annotations

import asyncio
import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientError, ClientPayloadError, ClientTimeout, ServerDisconnectedError

from qwenbatch.sandbox import (
    VARIANTS,
    Conduct,
    Fault,
    FaultKind,
    Sandbox,
    SandboxSettings,
    Variant,
)
from qwenbatch.sandbox.variants import DATE_MARK, PADDING_MARK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp import ClientSession

    Reply = tuple[int, dict[str, str], bytes]
    Send = Callable[..., Awaitable[Reply]]
    BodyOf = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.anyio

ANSWERED = [variant for variant in VARIANTS if variant.conduct is Conduct.ANSWER]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings()) as opened:
        yield opened


def scripted(variant: Variant) -> Fault:
    return Fault(kind=variant.kind, variant=variant.name, billed=False)


def wire_variant(kind: FaultKind, conduct: Conduct) -> Variant:
    return next(each for each in VARIANTS if each.kind is kind and each.conduct is conduct)


@pytest.mark.parametrize("variant", ANSWERED, ids=lambda each: f"{each.kind}-{each.name}"[:80])
async def test_variant_is_served_as_its_table_says(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    variant: Variant,
) -> None:
    sandbox.script(scripted(variant))
    status, headers, body = await send(sandbox, body_of())
    assert status == variant.status
    url = f"{sandbox.base_url}/results/qwen-image-edit/none.png"
    assert body == variant.answer(result_url=url, now=0.0).body
    for name, text in variant.headers:
        if text == DATE_MARK:
            assert parsedate_to_datetime(headers[name]).tzinfo is not None
        else:
            assert headers[name] == text
    assert sandbox.books.outcomes == {variant.kind: 1}
    assert sandbox.books.billed == 0


async def test_huge_answer_is_ten_megabytes_of_json(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
) -> None:
    sandbox.script(Fault(kind=FaultKind.ANSWER_HUGE))
    _, _, body = await send(sandbox, body_of())
    assert len(body) > 10_000_000
    assert PADDING_MARK not in body
    assert json.loads(body)["status_code"] == 200


@pytest.mark.parametrize(
    ("kind", "variant"),
    [
        (FaultKind.ANSWER_SHORT, None),
        (FaultKind.ANSWER_WRONG_TYPES, "sides"),
        (FaultKind.ANSWER_WRONG_CHARSET, "byte-order-mark"),
    ],
)
async def test_mischievous_answer_names_a_result_that_is_there(
    *,
    sandbox: Sandbox,
    send: Send,
    http: ClientSession,
    body_of: BodyOf,
    kind: FaultKind,
    variant: str | None,
) -> None:
    sandbox.script(Fault(kind=kind, variant=variant))
    _, _, body = await send(sandbox, body_of())
    told = json.loads(body.decode("utf-8-sig"))
    url = told["output"]["choices"][0]["message"]["content"][0]["image"]
    async with http.get(url) as result:
        assert (result.status, result.content_type) == (200, "image/png")
    assert sandbox.books.billed == 1


@pytest.mark.parametrize("conduct", [Conduct.RESET, Conduct.CLOSE, Conduct.HALF_HEAD])
async def test_cut_off_answer_never_comes_although_it_is_billed(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    conduct: Conduct,
) -> None:
    variant = wire_variant(FaultKind.CUT_OFF, conduct)
    sandbox.script(Fault(kind=variant.kind, variant=variant.name))
    with pytest.raises((ClientError, ConnectionError)):
        await send(sandbox, body_of())
    assert sandbox.books.billed == 1


@pytest.mark.parametrize("conduct", [Conduct.RESET_BEFORE_BODY, Conduct.RESET_IN_BODY])
async def test_unreachable_gateway_resets_and_bills_nothing(
    sandbox: Sandbox,
    http: ClientSession,
    headers: dict[str, str],
    conduct: Conduct,
) -> None:
    variant = wire_variant(FaultKind.UNREACHABLE, conduct)
    sandbox.script(Fault(kind=variant.kind, variant=variant.name))
    last_piece_asked_for = False

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal last_piece_asked_for
        yield b"{"
        for _ in range(100):
            await asyncio.sleep(0.01)
            yield b" " * 10_000
        last_piece_asked_for = True
        yield b"}"

    with pytest.raises((ClientError, ConnectionError)):
        await http.post(sandbox.url, data=pieces(), headers=headers)
    assert not last_piece_asked_for
    assert sandbox.books.billed == 0
    assert sandbox.books.outcomes == {FaultKind.UNREACHABLE: 1}


async def test_cut_answer_is_shorter_than_it_says(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
) -> None:
    sandbox.script(Fault(kind=FaultKind.ANSWER_CUT))
    with pytest.raises(ClientPayloadError):
        await send(sandbox, body_of())
    assert sandbox.books.billed == 1


async def test_answer_that_never_comes_is_billed_and_let_go_with_its_client(
    sandbox: Sandbox,
    http: ClientSession,
    headers: dict[str, str],
    body_of: BodyOf,
) -> None:
    sandbox.script(Fault(kind=FaultKind.ANSWER_NEVER))
    with pytest.raises(TimeoutError):
        await http.post(
            sandbox.url,
            json=body_of(),
            headers=headers,
            timeout=ClientTimeout(total=1.5),
        )
    books = await sandbox.until(lambda books: not books.in_flight)
    assert books.billed == 1


async def test_early_answer_comes_before_the_body_was_read(
    sandbox: Sandbox,
    http: ClientSession,
    headers: dict[str, str],
) -> None:
    sandbox.script(Fault(kind=FaultKind.ANSWER_EARLY))
    answered = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"{"
        await answered.wait()
        yield b"}"

    async with http.post(sandbox.url, data=pieces(), headers=headers) as answer:
        assert answer.status == 401
        assert "error" in await answer.json()
        answered.set()
    assert sandbox.books.billed == 0


async def test_closed_door_refuses_connections(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
) -> None:
    await send(sandbox, body_of())
    async with sandbox.closed_door():
        with pytest.raises((ClientError, ConnectionError, ServerDisconnectedError)):
            await send(sandbox, body_of())
        with pytest.raises((ClientError, ConnectionError)):
            await send(sandbox, body_of())
    status, _, _ = await send(sandbox, body_of())
    assert status == 200
    assert sandbox.books.posts == 2


async def test_faults_are_scripted_over_http(
    sandbox: Sandbox,
    send: Send,
    http: ClientSession,
    body_of: BodyOf,
) -> None:
    url = f"{sandbox.base_url}/faults"
    fault = {"kind": "invalid", "match": "cat", "times": None, "delay": 0, "variant": "empty-422"}
    async with http.post(url, json=fault) as answer:
        assert answer.status == 200
    assert (await send(sandbox, body_of("a cat")))[0] == 422
    assert (await send(sandbox, body_of("a dog")))[0] == 200
    assert (await send(sandbox, body_of("a cat")))[0] == 422
    async with http.delete(url) as answer:
        assert await answer.json() == {"cleared": 1}
    assert (await send(sandbox, body_of("a cat")))[0] == 200


@pytest.mark.parametrize(
    "fault",
    [
        [],
        {},
        {"kind": "rain"},
        {"kind": "invalid", "variant": "rain"},
        {"kind": "invalid", "times": 0},
        {"kind": "invalid", "times": True},
        {"kind": "invalid", "delay": -1},
        {"kind": "invalid", "colour": "red"},
    ],
)
async def test_faults_that_make_no_sense_are_refused_over_http(
    sandbox: Sandbox,
    http: ClientSession,
    fault: object,
) -> None:
    async with http.post(f"{sandbox.base_url}/faults", json=fault) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]


async def test_shares_are_served(send: Send, body_of: BodyOf) -> None:
    settings = SandboxSettings(shares={FaultKind.INVALID: 1.0})
    async with Sandbox(settings) as sandbox:
        for _ in range(3):
            assert (await send(sandbox, body_of()))[0] >= 400
        assert sandbox.books.outcomes == {"invalid": 3}


async def test_redirect_that_is_followed_with_the_key_is_booked_as_a_leak(
    sandbox: Sandbox,
    http: ClientSession,
    headers: dict[str, str],
    body_of: BodyOf,
) -> None:
    sandbox.script(Fault(kind=FaultKind.MISADDRESSED, variant="redirect-307"))
    async with http.post(sandbox.url, json=body_of(), headers=headers) as answer:
        assert answer.status == 404
    assert sandbox.books.leaks == 1
