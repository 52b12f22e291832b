"""How OpenAI's door reads the answers of servers that say the same thing in ways of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.verdicts import Answer, Kind, kind_of
from qwenbatch.gateway.door import Order
from qwenbatch.gateway.doors.openai import OPENAI
from qwenbatch.sandbox.form import read_form


def read(told: Any, status: int = 400, **headers: str) -> Answer:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return OPENAI.read(status=status, headers=headers, body=body, now=0.0)


@pytest.mark.parametrize(
    ("told", "status", "kind", "message"),
    [
        ({"error": {"message": "no", "type": "t", "code": "c"}}, 400, Kind.INVALID, "no"),
        ({"error": "Unauthorized"}, 401, Kind.DENIED, "Unauthorized"),
        ({"error": {"message": "no", "code": 500}}, 500, Kind.SERVER_ERROR, "no"),
        ({"detail": "Not Found"}, 404, Kind.MISADDRESSED, "Not Found"),
        ({"detail": [{"msg": "Field required"}]}, 422, Kind.INVALID, '[{"msg": "Field required"}]'),
        ({"detail": "Model mismatch: x"}, 400, Kind.MISADDRESSED, "Model mismatch: x"),
        ({"message": "said elsewhere"}, 400, Kind.INVALID, "said elsewhere"),
        ({"error": None}, 500, Kind.GAVE_UP, ""),
        (b"Internal Server Error", 500, Kind.GAVE_UP, ""),
        ({"error": {"code": "insufficient_quota"}}, 429, Kind.EXHAUSTED, ""),
        ({"error": {"type": "insufficient_quota"}}, 429, Kind.EXHAUSTED, ""),
        ({"error": {"code": 5, "message": ["x"]}}, 429, Kind.THROTTLED, ""),
    ],
)
def test_openai_failure_is_told_by_code_message_and_status(
    told: Any, status: int, kind: Kind, message: str
) -> None:
    answer = read(told, status)
    assert kind_of(answer, OPENAI.rules) is kind
    assert answer.message == message


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ({"data": [{"url": "http://h.test/a.png"}]}, "http://h.test/a.png"),
        ({"data": [{"url": ""}, {"url": "https://h.test/b"}]}, "https://h.test/b"),
        ({"data": [{"url": "answer:someone-elses"}]}, None),
        ({"data": [{"url": "file:///etc/passwd"}]}, None),
        ({"data": [{"url": "/v1/images/1/content"}]}, None),
        ({"data": [{"b64_json": "answer:1"}]}, None),
        ({"data": {"url": "http://h.test/a.png"}}, None),
        ({"data": ["http://h.test/a.png"]}, None),
    ],
)
def test_openai_result_is_at_a_web_address_only(told: Any, url: str | None) -> None:
    assert read(told, 200).url == url


def test_openai_answer_has_an_id_and_a_size_where_it_says_so() -> None:
    answer = read({"id": "img-1", "size": "1024x768"}, 200, **{"X-Request-Id": "r"})
    assert (answer.request_id, answer.usage.width, answer.usage.height) == ("img-1", 1024, 768)
    answer = read({"size": "auto"}, 200, **{"X-Request-Id": "r"})
    assert (answer.request_id, answer.usage.width) == ("r", None)
    assert read({"size": "9" * 5000 + "x1"}, 200).usage.width is None


@given(
    told=st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "detail", "data", "url", "code", "size", "message"]),
                inner,
                max_size=4,
            )
        ),
    ),
    status=st.integers(100, 599),
)
def test_openai_answer_of_any_shape_is_read(told: Any, status: int) -> None:
    answer = read(told, status)
    kind_of(answer, OPENAI.rules)
    assert len(answer.message) <= 500


@given(instruction=st.text(min_size=1, max_size=50), negative=st.text(max_size=20))
def test_openai_form_carries_every_text_to_the_letter(instruction: str, negative: str) -> None:
    try:
        instruction.encode(), negative.encode()
    except UnicodeEncodeError:
        return
    frame = OPENAI.frame(Order(instruction=instruction, negative_prompt=negative), "image/webp")
    picture = b"\r\n--x\r\n\x00\xff"
    parts = read_form(frame.head + picture + frame.tail, {"Content-Type": frame.content_type})
    told = {part.name: part.data for part in parts}
    wanted = {"model": b"qwen-image-edit", "n": b"1", "response_format": b"b64_json"}
    wanted |= {"image": picture, "prompt": instruction.encode()}
    assert told == wanted | ({"negative_prompt": negative.encode()} if negative else {})
    assert (parts[0].filename, parts[0].content_type) == ("image.webp", "image/webp")


def test_openai_form_tells_another_take_another_seed() -> None:
    first, second = (
        OPENAI.frame(Order(instruction="x", take=take), "image/png").tail for take in (1, 2)
    )
    assert b"seed" not in first
    assert b'name="seed"\r\n\r\n2\r\n' in second


def test_openai_form_refuses_texts_that_no_form_can_carry() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        OPENAI.frame(Order(instruction="\ud800"), "image/png")
