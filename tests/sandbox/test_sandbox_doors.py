"""The sandbox's other doors are as strict as the services are, each in its own words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from qwenbatch.sandbox import Fault, FaultKind, Sandbox, SandboxSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import ClientSession

pytestmark = pytest.mark.anyio

BEARER = {"Authorization": "Bearer sandbox"}
FORM = {**BEARER, "Content-Type": "multipart/form-data; boundary=edge"}
JSON = {**BEARER, "Content-Type": "application/json"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings()) as opened:
        yield opened


def form(*parts: tuple[str, bytes], end: bytes = b"--edge--\r\n") -> bytes:
    """A form of parts: what is behind `name=`, with further heads, and the value."""
    texts = (
        b"--edge\r\nContent-Disposition: form-data; name=%b\r\n\r\n%b\r\n" % (head.encode(), data)
        for head, data in parts
    )
    return b"".join(texts) + end


def image(data: bytes, mime: str = "image/png") -> tuple[str, bytes]:
    return f'"image"; filename="a.png"\r\nContent-Type: {mime}', data


PROMPT = ('"prompt"', b"sepia")


async def ask(
    http: ClientSession, url: str, body: bytes, headers: dict[str, str]
) -> tuple[int, Any]:
    async with http.post(
        url, data=body, headers=headers, skip_auto_headers=("Content-Type",)
    ) as one:
        return one.status, json.loads(await one.read())


@pytest.mark.parametrize("service", ["dashscope", "openai"])
@pytest.mark.parametrize("shown", ["", "sandbox", "Bearer", "Bearer other", "Basic sandbox"])
async def test_door_wants_its_key_as_a_bearers(
    sandbox: Sandbox, http: ClientSession, service: str, shown: str
) -> None:
    status, told = await ask(http, sandbox.urls[service], b"", {"Authorization": shown})
    assert status == 401
    error = told["error"] if service == "openai" else told
    assert error["code"] == ("invalid_api_key" if service == "openai" else "InvalidApiKey")
    assert sandbox.books.billed == 0


async def test_openai_takes_a_whole_form(
    sandbox: Sandbox, http: ClientSession, tiny_png: bytes
) -> None:
    body = form(image(tiny_png), PROMPT, ('"negative_prompt"', b"text"), ('"seed"', b"7"))
    status, told = await ask(http, sandbox.urls["openai"], body, FORM)
    assert status == 200
    assert told["data"][0]["b64_json"]
    assert sandbox.books.billed == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda png: form(image(png)), 400),
        (lambda png: form(image(png), ('"prompt"', b"  ")), 400),
        (lambda _: form(PROMPT), 400),
        (lambda png: form(image(png), image(png), PROMPT), 400),
        (lambda png: form(('"image"', png), PROMPT), 400),
        (lambda _: form(image(b""), PROMPT), 400),
        (lambda _: form(image(b"no picture"), PROMPT), 400),
        (lambda png: form(image(png, "image/jpeg"), PROMPT), 400),
        (lambda png: form(image(png, "image/tiff"), PROMPT), 400),
        (lambda png: form(image(png), PROMPT, PROMPT), 400),
        (lambda png: form(image(png), PROMPT, ('"colour"', b"red")), 400),
        (lambda png: form(image(png), PROMPT, ('"n"', b"2")), 400),
        (lambda png: form(image(png), PROMPT, ('"seed"', b"x")), 400),
        (lambda png: form(image(png), PROMPT, ('"model"', b"dall-e-2")), 404),
        (lambda png: form(image(png), ('"prompt"', b"\xff")), 400),
        (lambda png: form(image(png), PROMPT, end=b""), 400),
        (lambda png: form(image(png), PROMPT, end=b"--edge"), 400),
        (lambda png: form(image(png), PROMPT, end=b"--edge--\r\nmore"), 400),
        (lambda png: b"before\r\n" + form(image(png), PROMPT), 400),
        (lambda _: b"--edge\r\nno head--edge--", 400),
        (lambda _: b"", 400),
    ],
)
async def test_openai_refuses_what_is_no_whole_form_of_known_fields(
    sandbox: Sandbox,
    http: ClientSession,
    tiny_png: bytes,
    change: Callable[[bytes], bytes],
    status: int,
) -> None:
    got, told = await ask(http, sandbox.urls["openai"], change(tiny_png), FORM)
    assert got == status, told
    assert told["error"].keys() == {"message", "type", "param", "code"}
    assert told["error"]["message"]
    assert sandbox.books.billed == 0


@pytest.mark.parametrize("said", ["application/json", "multipart/form-data", "text/plain", ""])
async def test_openai_wants_a_form_with_a_boundary(
    sandbox: Sandbox, http: ClientSession, tiny_png: bytes, said: str
) -> None:
    body = form(image(tiny_png), PROMPT)
    status, _ = await ask(http, sandbox.urls["openai"], body, {**BEARER, "Content-Type": said})
    assert status == 400


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (b"{", JSON, (400, "InvalidParameter")),
        (b"{}", JSON, (400, "InvalidParameter")),
        (b"{}", FORM, (415, "InvalidParameter")),
        (b'{"model": "qwen-vl", "input": {}}', JSON, (404, "ModelNotFound")),
    ],
)
async def test_dashscope_refuses_with_a_code_and_a_request_id(
    sandbox: Sandbox,
    http: ClientSession,
    body: bytes,
    headers: dict[str, str],
    said: tuple[int, str],
) -> None:
    got, told = await ask(http, sandbox.urls["dashscope"], body, headers)
    assert (got, told["code"]) == said
    assert told.keys() == {"request_id", "code", "message"}


@pytest.mark.parametrize("service", ["dashscope", "openai"])
async def test_door_keeps_the_rate_that_all_doors_share(http: ClientSession, service: str) -> None:
    async with Sandbox(SandboxSettings(rate=1.0)) as sandbox:
        url = sandbox.urls[service]
        first, _ = await ask(http, url, b"", FORM if service == "openai" else JSON)
        others = [await ask(http, url, b"", BEARER) for _ in range(2)]
    assert first == 400
    assert [status for status, _ in others] == [429, 429]
    assert sandbox.books.throttled == 2


async def test_key_shown_to_the_bucket_of_results_is_a_leak(
    sandbox: Sandbox, http: ClientSession
) -> None:
    url = f"{sandbox.base_url}/results/qwen-image-edit/none.png"
    async with http.get(url, headers=BEARER) as answer:
        assert answer.status == 403
    assert sandbox.books.leaks == 1


async def test_openai_puts_mischief_with_a_url_at_a_url(
    sandbox: Sandbox, http: ClientSession, tiny_png: bytes
) -> None:
    sandbox.script(Fault(kind=FaultKind.RESULT_MISSING, times=None))
    _, told = await ask(http, sandbox.urls["openai"], form(image(tiny_png), PROMPT), FORM)
    async with http.get(told["data"][0]["url"]) as answer:
        assert answer.status == 404
