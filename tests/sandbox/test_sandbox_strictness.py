from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from qwenbatch.sandbox import Sandbox, SandboxSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aiohttp import ClientSession

    Reply = tuple[int, dict[str, str], bytes]
    Send = Callable[..., Awaitable[Reply]]
    BodyOf = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.anyio

KEY = "Ocp-Apim-Subscription-Key"
CONTENT = ("input", "messages", 0, "content")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings()) as opened:
        yield opened


def put(body: Any, path: tuple[str | int, ...], value: object) -> None:
    for step in path[:-1]:
        body = body[step]
    body[path[-1]] = value


async def test_documented_request_is_answered_as_documented(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
) -> None:
    body = body_of("sepia", negative_prompt="", watermark=False)
    status, headers, answer = await send(sandbox, body)
    told = json.loads(answer)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert list(told) == ["status_code", "request_id", "code", "message", "output", "usage"]
    url = told["output"]["choices"][0]["message"]["content"][0]["image"]
    assert url == f"{sandbox.base_url}/results/qwen-image-edit/{told['request_id']}.png"
    assert told["output"] == {
        "text": None,
        "finish_reason": None,
        "choices": [
            {
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": [{"image": url}]},
            },
        ],
    }
    assert told["usage"] == {
        "input_tokens": 0,
        "output_tokens": 0,
        "width": 1184,
        "image_count": 1,
        "height": 896,
    }


@pytest.mark.parametrize(
    ("changed", "without", "status", "words"),
    [
        ({}, KEY, 401, b"missing subscription key"),
        ({KEY: "other"}, "", 401, b"invalid subscription key"),
        ({"Content-Type": "text/plain"}, "", 415, b"Content-Type"),
        ({}, "Content-Type", 415, b"Content-Type"),
        ({}, "Cache-Control", 400, b"Cache-Control"),
        ({"Cache-Control": "no-store"}, "", 400, b"Cache-Control"),
    ],
)
async def test_headers_other_than_documented_are_refused(
    *,
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    changed: dict[str, str],
    without: str,
    status: int,
    words: bytes,
) -> None:
    got, _, answer = await send(sandbox, body_of(), changed=changed, without=without)
    assert got == status
    assert words in answer
    assert ("statusCode" in json.loads(answer)) == (status == 401)
    assert (sandbox.books.posts, sandbox.books.billed, dict(sandbox.books.edits)) == (1, 0, {})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("extra",), 1),
        (("input",), []),
        (("input", "extra"), 1),
        (("input", "messages"), []),
        (("input", "messages"), [{}, {}]),
        (("input", "messages", 0, "role"), "system"),
        (("input", "messages", 0, "name"), "me"),
        (CONTENT, []),
        (CONTENT, [{"text": "x"}, {"image": "http://127.0.0.1/x.png"}]),
        (CONTENT, [{"image": "http://127.0.0.1/x.png"}]),
        ((*CONTENT, 0, "detail"), "high"),
        ((*CONTENT, 1, "text"), ""),
        ((*CONTENT, 1, "text"), "  "),
        ((*CONTENT, 1, "text"), 5),
        ((*CONTENT, 0, "image"), 5),
        ((*CONTENT, 0, "image"), "picture.png"),
        ((*CONTENT, 0, "image"), "ftp://127.0.0.1/x.png"),
        ((*CONTENT, 0, "image"), "data:image/png;base64"),
        ((*CONTENT, 0, "image"), "data:image/png;base64,"),
        ((*CONTENT, 0, "image"), "data:image/png;base64,@@@@"),
        ((*CONTENT, 0, "image"), "data:image/png;base64,AAA"),
        ((*CONTENT, 0, "image"), "data:image/png;base64,AAAA\n"),
        ((*CONTENT, 0, "image"), "data:image/png,AAAA"),
        ((*CONTENT, 0, "image"), "data:image/png;charset=x;base64,AAAA"),
        ((*CONTENT, 0, "image"), "data:image/heic;base64,AAAA"),
        ((*CONTENT, 0, "image"), "data:image/png;base64,AAAA"),
        (("parameters",), None),
        (("parameters",), {"seed": 1}),
        (("parameters",), {"watermark": "false"}),
        (("parameters",), {"negative_prompt": None}),
    ],
)
async def test_body_other_than_documented_is_refused(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    path: tuple[str | int, ...],
    value: object,
) -> None:
    body = body_of()
    put(body, path, value)
    status, _, answer = await send(sandbox, body)
    assert status == 400
    assert json.loads(answer)["code"] in {"InvalidParameter", "InvalidURL"}
    assert sandbox.books.billed == 0


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
async def test_body_that_is_no_json_is_refused(sandbox: Sandbox, send: Send, body: bytes) -> None:
    status, _, answer = await send(sandbox, body)
    assert status == 400
    assert json.loads(answer)["error"] == "Invalid request parameters"


async def test_other_model_does_not_exist(sandbox: Sandbox, send: Send, body_of: BodyOf) -> None:
    status, _, answer = await send(sandbox, {**body_of(), "model": "qwen-image-edit-plus"})
    told = json.loads(answer)
    assert (status, told["code"], told["message"]) == (404, "ModelNotFound", "Model not exist.")


async def test_data_uri_one_byte_over_its_limit_is_too_large(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    tiny_png: bytes,
) -> None:
    head = "data:image/png;base64,"
    room = (10_485_760 - len(head)) // 4 * 3
    fits = tiny_png + bytes(room - len(tiny_png))
    status, _, _ = await send(sandbox, body_of(image=fits))
    assert status == 200
    status, _, answer = await send(sandbox, body_of(image=fits + bytes(3)))
    assert (status, json.loads(answer)["code"]) == (400, "BadRequest.TooLarge")


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_over_twelve_megabytes_is_refused(
    sandbox: Sandbox,
    http: ClientSession,
    headers: dict[str, str],
    *,
    chunked: bool,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(13):
            yield b" " * 1_000_000

    data = pieces() if chunked else BytesIO(b" " * 13_000_000)
    async with http.post(sandbox.url, data=data, headers=headers) as answer:
        assert answer.status == 413
    assert sandbox.books.billed == 0


@pytest.mark.parametrize("cut", [0.5, 0.95])
@pytest.mark.parametrize(
    ("name", "mime"),
    [("coffee.png", "image/png"), ("rocket.jpg", "image/jpeg")],
)
async def test_truncated_picture_is_refused(
    *,
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    images: Path,
    name: str,
    mime: str,
    cut: float,
) -> None:
    data = (images / name).read_bytes()
    status, _, answer = await send(sandbox, body_of(image=data[: int(len(data) * cut)], mime=mime))
    assert (status, json.loads(answer)["code"]) == (400, "InvalidParameter")
    assert sandbox.books.billed == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"])
async def test_six_formats_are_taken_under_their_own_mime_type_only(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    tiny_png: bytes,
    kind: str,
) -> None:
    data = BytesIO()
    Image.open(BytesIO(tiny_png)).save(data, kind)
    status, _, _ = await send(sandbox, body_of(image=data.getvalue(), mime=f"image/{kind.lower()}"))
    assert status == 200
    other = "image/png" if kind != "PNG" else "image/jpeg"
    status, _, _ = await send(sandbox, body_of(image=data.getvalue(), mime=other))
    assert status == 400


async def test_other_formats_are_refused(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    tiny_png: bytes,
) -> None:
    data = BytesIO()
    Image.open(BytesIO(tiny_png)).save(data, "PPM")
    status, _, _ = await send(sandbox, body_of(image=data.getvalue()))
    assert status == 400


async def test_pixel_bomb_is_refused(sandbox: Sandbox, send: Send, body_of: BodyOf) -> None:
    for size in ((9_500, 9_500), (20_000, 20_000)):
        bomb = BytesIO()
        Image.new("1", size).save(bomb, "PNG")
        status, _, _ = await send(sandbox, body_of(image=bomb.getvalue()))
        assert status == 400


async def test_strip_is_refused(sandbox: Sandbox, send: Send, body_of: BodyOf) -> None:
    strip = BytesIO()
    Image.new("1", (1, 1_000)).save(strip, "PNG")
    status, _, _ = await send(sandbox, body_of(image=strip.getvalue()))
    assert status == 400


async def test_long_texts_are_cut_silently_and_the_books_say_so(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
) -> None:
    status, _, _ = await send(sandbox, body_of("x" * 803, negative_prompt="y" * 507))
    assert status == 200
    (book,) = sandbox.books.edits.values()
    assert (book.instruction_characters_cut, book.negative_prompt_characters_cut) == (3, 7)


async def test_unknown_path_and_wrong_method_are_told_apart(
    sandbox: Sandbox,
    http: ClientSession,
) -> None:
    async with http.get(f"{sandbox.base_url}/nothing") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "Endpoint not found"})
    async with http.get(sandbox.url) as answer:
        assert answer.status == 405
    async with http.get(f"{sandbox.base_url}/health") as answer:
        assert answer.status == 200


async def test_base64_in_a_chunked_body_is_read(
    sandbox: Sandbox,
    http: ClientSession,
    headers: dict[str, str],
    body_of: BodyOf,
) -> None:
    body = json.dumps(body_of()).encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:-5]
        yield body[-5:]

    async with http.post(sandbox.url, data=pieces(), headers=headers) as answer:
        assert answer.status == 200


async def test_fingerprint_differs_with_every_field(
    sandbox: Sandbox,
    send: Send,
    body_of: BodyOf,
    images: Path,
) -> None:
    rocket = (images / "rocket.jpg").read_bytes()
    for body in (
        body_of("a"),
        body_of("a", negative_prompt="", watermark=False),
        body_of("b"),
        body_of("a", negative_prompt="b"),
        body_of("a", watermark=True),
        body_of("a", rocket, mime="image/jpeg"),
    ):
        status, _, _ = await send(sandbox, body)
        assert status == 200
    books = sandbox.books
    assert sorted(book.posts for book in books.edits.values()) == [1, 1, 1, 1, 2]
    assert base64.b16encode(bytes.fromhex(next(iter(books.edits)))).lower() in {
        key.encode() for key in books.edits
    }
