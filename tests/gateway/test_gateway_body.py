from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.errors import PictureError
from qwenbatch.gateway.body import RequestBody, UrlText, WithheldError
from qwenbatch.gateway.door import Order
from qwenbatch.gateway.doors.pixazo import PIXAZO

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


async def whole(body: RequestBody) -> list[bytes]:
    return [chunk async for chunk in body.chunks()]


@given(url=TEXTS, instruction=TEXTS, negative_prompt=TEXTS, watermark=st.booleans())
def test_body_is_exactly_the_documented_json(
    url: str,
    instruction: str,
    negative_prompt: str,
    *,
    watermark: bool,
) -> None:
    order = Order(instruction=instruction, negative_prompt=negative_prompt, watermark=watermark)
    body = RequestBody(UrlText(url), PIXAZO.frame(order, ""))
    sent = b"".join(anyio.run(whole, body))
    content = [{"image": url}, {"text": instruction}]
    assert json.loads(sent) == {
        "model": "qwen-image-edit",
        "input": {"messages": [{"role": "user", "content": content}]},
        "parameters": {"negative_prompt": negative_prompt, "watermark": watermark},
    }
    assert len(sent) == body.length
    assert body.handed_over
    assert not body.withheld


def test_body_refuses_texts_that_no_json_can_carry(body_for: Callable[..., RequestBody]) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        body_for(instruction="\ud800")


@pytest.mark.anyio
async def test_body_is_handed_over_only_with_its_last_chunk(
    body_for: Callable[..., RequestBody],
    pieces: Any,
) -> None:
    image = pieces([b"data:image/png;base64,", b"AAAA", b"BBBB"])
    body = body_for(image)
    chunks = body.chunks()
    for _ in range(4):
        await anext(chunks)
        assert not body.handed_over
    last = await anext(chunks)
    assert body.handed_over
    assert last.startswith(b'"},{"text":"')
    assert image.closed


@pytest.mark.anyio
async def test_body_asks_for_leave_after_all_else_before_its_last_chunk(pieces: Any) -> None:
    asked: list[str] = []

    async def before_last() -> None:
        asked.append("the connection")

    def may_go() -> bool:
        asked.append("leave")
        return False

    frame = PIXAZO.frame(Order(instruction="x"), "image/png")
    body = RequestBody(pieces([b"AAAA"]), frame, may_go=may_go)
    chunks = body.chunks(before_last)
    while not asked:
        try:
            await anext(chunks)
        except WithheldError:
            break
    assert asked == ["the connection", "leave"]
    assert body.barred
    assert body.withheld
    assert not body.handed_over


@pytest.mark.anyio
@pytest.mark.parametrize(
    "options",
    [
        {"changed": True},
        {"length": 9},
        {"length": 7},
        {"length": 0},
        {"error": OSError(5, "gone")},
        {"error": PictureError("cut off")},
    ],
    ids=str,
)
async def test_body_keeps_its_last_chunk_when_the_source_is_another(
    body_for: Callable[..., RequestBody],
    pieces: Any,
    options: dict[str, Any],
) -> None:
    image = pieces([b"AAAA", b"BBBB"], **options)
    body = body_for(image)
    given_out: list[bytes] = []

    async def collect() -> None:
        async for chunk in body.chunks():
            given_out.append(chunk)  # noqa: PERF401 - what comes before the refusal is the point

    with pytest.raises(WithheldError):
        await collect()
    assert body.withheld
    assert not body.handed_over
    assert b"parameters" not in b"".join(given_out)
    assert image.closed


@pytest.mark.anyio
async def test_body_raises_defects_of_its_source_as_they_are(
    body_for: Callable[..., RequestBody],
    pieces: Any,
) -> None:
    body = body_for(pieces([b"A"], error=ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        await whole(body)
    assert not body.withheld


@pytest.mark.anyio
async def test_body_waits_before_its_last_chunk_and_closes_its_source_when_closed(
    body_for: Callable[..., RequestBody],
    pieces: Any,
) -> None:
    image = pieces([b"A", b"B"])
    body = body_for(image)
    asked = []

    async def before_last() -> None:
        asked.append(body.handed_over)

    chunks = body.chunks(before_last)
    await anext(chunks)
    await anext(chunks)
    await chunks.aclose()
    assert image.closed
    assert asked == []
    body = body_for(pieces([b"A"]))
    [chunk async for chunk in body.chunks(before_last)]
    assert asked == [False], "until then the edit cannot run"
    assert body.handed_over


@pytest.mark.anyio
async def test_body_takes_a_source_that_cannot_be_looked_at_any_more_for_changed(
    body_for: Callable[..., RequestBody],
    pieces: Any,
) -> None:
    class Gone(pieces):  # type: ignore[misc]  # the fixture is a class
        async def unchanged(self) -> bool:
            raise OSError(9, "Bad file descriptor")

    body = body_for(Gone([b"A"]))
    with pytest.raises(WithheldError):
        await whole(body)
    assert (body.withheld, body.handed_over) == (True, False)
