from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, ClientTimeout
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from qwenbatch.sandbox import Sandbox

    Reply = tuple[int, dict[str, str], bytes]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def images() -> Path:
    return Path(__file__).parent.parent / "images"


@pytest.fixture
def tiny_png() -> bytes:
    """A picture of 64×48 px with a gradient, so that it has no symmetry."""
    image = Image.merge(
        "RGB",
        (
            Image.linear_gradient("L").resize((64, 48)),
            Image.linear_gradient("L").rotate(90).resize((64, 48)),
            Image.new("L", (64, 48), 90),
        ),
    )
    png = BytesIO()
    image.save(png, "PNG")
    return png.getvalue()


@pytest.fixture
def body_of(tiny_png: bytes) -> Callable[..., dict[str, Any]]:
    """Builds a request's body; `image` is bytes, or a string that goes as it is."""

    def build(
        text: object = "sepia",
        image: bytes | str | None = None,
        *,
        mime: str = "image/png",
        **parameters: object,
    ) -> dict[str, Any]:
        data = tiny_png if image is None else image
        if isinstance(data, bytes):
            data = f"data:{mime};base64,{base64.b64encode(data).decode()}"
        content = [{"image": data}, {"text": text}]
        body: dict[str, Any] = {
            "model": "qwen-image-edit",
            "input": {"messages": [{"role": "user", "content": content}]},
        }
        return {**body, "parameters": parameters} if parameters else body

    return build


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession(timeout=ClientTimeout(total=60)) as session:
        yield session


@pytest.fixture
def headers() -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Cache-Control": "no-cache",
        "Ocp-Apim-Subscription-Key": "sandbox",
    }


@pytest.fixture
def send(http: ClientSession, headers: dict[str, str]) -> Callable[..., Awaitable[Reply]]:
    """POSTs a body (an object, or bytes as they are) to the endpoint."""

    async def post(
        sandbox: Sandbox,
        body: object,
        *,
        changed: dict[str, str] | None = None,
        without: str = "",
    ) -> Reply:
        sent = {**headers, **(changed or {})}
        sent.pop(without, None)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with http.post(
            sandbox.url,
            data=BytesIO(data),
            headers=sent,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
        ) as answer:
            return answer.status, dict(answer.headers), await answer.read()

    return post


@pytest.fixture
def edit(
    http: ClientSession,
    send: Callable[..., Awaitable[Reply]],
    body_of: Callable[..., dict[str, Any]],
) -> Callable[..., Awaitable[Image.Image]]:
    """The picture that a request brings back."""

    async def ask(sandbox: Sandbox, *args: object, **kwargs: object) -> Image.Image:
        status, _, answer = await send(sandbox, body_of(*args, **kwargs))
        assert status == 200, answer
        told = json.loads(answer)
        url = told["output"]["choices"][0]["message"]["content"][0]["image"]
        async with http.get(url) as result:
            assert result.status == 200
            image = Image.open(BytesIO(await result.read()), formats=("PNG",))
        image.load()
        assert image.size == (told["usage"]["width"], told["usage"]["height"])
        return image

    return ask
