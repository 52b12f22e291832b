"""The services' own clients, which we did not write, make edits through the sandbox's doors."""

from __future__ import annotations

import asyncio
import base64
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any

import dashscope
import openai
import pytest
from PIL import Image

from qwenbatch.sandbox import Fault, FaultKind, Sandbox, SandboxSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientSession

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings()) as opened:
        yield opened


def ask_dashscope(sandbox: Sandbox, picture: bytes, *, key: str = "sandbox", **more: Any) -> Any:
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return dashscope.MultiModalConversation.call(
        model="qwen-image-edit",
        api_key=key,
        base_address=f"{sandbox.base_url}/api/v1",
        messages=[{"role": "user", "content": [{"image": uri}, {"text": "sepia"}]}],
        **more,
    )


def ask_openai(sandbox: Sandbox, picture: Any, *, key: str = "sandbox", **more: Any) -> Any:
    image = ("a.png", picture, "image/png") if isinstance(picture, bytes) else picture
    with openai.OpenAI(
        api_key=key, base_url=f"{sandbox.base_url}/v1", max_retries=0, timeout=20
    ) as client:
        return client.images.edit(
            model="qwen-image-edit",
            image=image,
            prompt="sepia",
            **more,
        )


async def test_dashscope_makes_an_edit(
    sandbox: Sandbox, tiny_png: bytes, http: ClientSession
) -> None:
    said = await asyncio.to_thread(
        ask_dashscope, sandbox, tiny_png, negative_prompt="text", watermark=False
    )
    assert said.status_code == 200
    url = said.output.choices[0].message.content[0]["image"]
    async with http.get(url) as answer:
        picture = Image.open(BytesIO(await answer.read()))
    assert picture.size == (said.usage["width"], said.usage["height"])
    assert sandbox.books.requests.keys() == {said.request_id}
    (edit,) = sandbox.books.edits.values()
    assert edit.image == sha256(tiny_png).hexdigest()


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.THROTTLED, 429, "Throttling"),
        (FaultKind.MODERATED, 400, "DataInspectionFailed"),
        (FaultKind.SERVER_ERROR, 500, "InternalError"),
    ],
)
async def test_dashscope_understands_failures(
    sandbox: Sandbox, tiny_png: bytes, kind: FaultKind, status: int, code: str
) -> None:
    sandbox.script(Fault(kind=kind))
    said = await asyncio.to_thread(ask_dashscope, sandbox, tiny_png)
    assert (said.status_code, said.code) == (status, code)
    assert said.request_id
    assert said.message


async def test_dashscope_is_refused_with_another_key(sandbox: Sandbox, tiny_png: bytes) -> None:
    said = await asyncio.to_thread(ask_dashscope, sandbox, tiny_png, key="another")
    assert (said.status_code, said.code) == (401, "InvalidApiKey")
    assert sandbox.books.billed == 0


@pytest.mark.parametrize("as_list", [True, False])
async def test_openai_makes_an_edit(sandbox: Sandbox, tiny_png: bytes, *, as_list: bool) -> None:
    image = ("a.png", tiny_png, "image/png")
    said = await asyncio.to_thread(
        ask_openai,
        sandbox,
        [image] if as_list else image,
        n=1,
        extra_body={"negative_prompt": "text", "seed": 7},
    )
    picture = Image.open(BytesIO(base64.b64decode(said.data[0].b64_json or "")))
    assert picture.format == "PNG"
    (edit,) = sandbox.books.edits.values()
    assert edit.image == sha256(tiny_png).hexdigest()
    assert sandbox.books.billed == 1


async def test_openai_is_given_a_url_where_it_asks_for_one(
    sandbox: Sandbox, tiny_png: bytes, http: ClientSession
) -> None:
    said = await asyncio.to_thread(ask_openai, sandbox, tiny_png, response_format="url")
    async with http.get(said.data[0].url) as answer:
        assert (await answer.read()).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.THROTTLED, openai.RateLimitError),
        (FaultKind.EXHAUSTED, openai.RateLimitError),
        (FaultKind.DENIED, openai.AuthenticationError),
        (FaultKind.MISADDRESSED, openai.NotFoundError),
        (FaultKind.MODERATED, openai.BadRequestError),
        (FaultKind.INVALID, openai.BadRequestError),
        (FaultKind.SERVER_ERROR, openai.InternalServerError),
        (FaultKind.CUT_OFF, openai.APIConnectionError),
    ],
)
async def test_openai_understands_failures(
    sandbox: Sandbox, tiny_png: bytes, kind: FaultKind, error: type[openai.APIError]
) -> None:
    sandbox.script(Fault(kind=kind))
    with pytest.raises(error) as raised:
        await asyncio.to_thread(ask_openai, sandbox, tiny_png)
    if kind is FaultKind.EXHAUSTED:
        assert raised.value.code == "insufficient_quota"


async def test_openai_is_refused_with_another_key(sandbox: Sandbox, tiny_png: bytes) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        await asyncio.to_thread(ask_openai, sandbox, tiny_png, key="another")
    assert raised.value.code == "invalid_api_key"
    assert sandbox.books.billed == 0


@pytest.mark.parametrize("field", [{"quality": "high"}, {"n": 2}, {"size": "9x9"}])
async def test_openai_is_refused_what_the_sandbox_does_not_know(
    sandbox: Sandbox, tiny_png: bytes, field: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError):
        await asyncio.to_thread(ask_openai, sandbox, tiny_png, **field)
    assert sandbox.books.billed == 0
