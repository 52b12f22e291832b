from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwenbatch.core.verdicts import Kind, Usage, Verdict, kind_of, verdict_of
from qwenbatch.gateway.answers import read_answer
from qwenbatch.gateway.retry_after import MAX_WAIT
from qwenbatch.sandbox import VARIANTS, Conduct, FaultKind, Variant
from qwenbatch.sandbox.faults import TABLE_KINDS

NOW = 1_750_000_000.0
URL = "https://pub-1.r2.dev/qwen-image-edit/a.png?sig=1"
READABLE = {
    ("answer_cut", "cut"),
    ("answer_huge", "huge"),
    ("answer_wrong_types", "sides"),
    *(("answer_wrong_charset", name) for name in ("lying", "unknown", "text", "byte-order-mark")),
    ("answer_short", "short"),
}


def expected_kind(variant: Variant) -> Kind | None:
    """What must come of a variant that answers."""
    if variant.kind in TABLE_KINDS:
        return Kind(variant.kind)
    if variant.kind is FaultKind.ANSWER_EARLY:
        return Kind.DENIED if variant.status == 401 else Kind.THROTTLED
    return None if (variant.kind, variant.name) in READABLE else Kind.UNREADABLE


def read(body: Any, status: int = 200, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    return read_answer(status=status, headers=sent, body=data, now=NOW)


def with_content(content: Any) -> dict[str, Any]:
    return {"status_code": 200, "output": {"choices": [{"message": {"content": content}}]}}


@pytest.mark.parametrize(
    "variant",
    [each for each in VARIANTS if each.status is not None],
    ids=lambda each: f"{each.kind}-{each.name}"[:80],
)
def test_answer_of_every_variant_has_its_kind(variant: Variant) -> None:
    said = variant.answer(result_url=URL, now=NOW)
    answer = read_answer(status=said.status, headers=dict(said.headers), body=said.body, now=NOW)
    assert kind_of(answer) == expected_kind(variant)
    assert answer.url == (URL if expected_kind(variant) is None else None)


def test_answer_reads_the_whole_success() -> None:
    variant = next(each for each in VARIANTS if each.name == "huge")
    said = variant.answer(result_url=URL, now=NOW)
    answer = read(said.body)
    assert answer.url == URL
    assert answer.usage == Usage(1024, 1024)
    assert answer.inner_status == 200
    assert answer.request_id.startswith("5e0d0a1c")
    assert len(answer.message) == 500


@pytest.mark.parametrize(
    ("content", "url"),
    [
        ([{"image": URL}], URL),
        ([{"text": "here"}, {"image": URL}], URL),
        ({"image": URL}, URL),
        ([URL], URL),
        (URL, URL),
        ([{"image": f"  {URL}\n"}], URL),
        ([{"image": "data:image/png;base64,AAAA"}, {"image": URL}], URL),
        ([{"image": "ftp://host/a.png"}], "ftp://host/a.png"),
        ([{"image": "data:image/png;base64,AAAA"}], "data:image/png;base64,AAAA"),
        ([{"image": "HTTPS://HOST/a.png"}], "HTTPS://HOST/a.png"),
        ([{"image": "a.png"}], None),
        ([{"image": "Error: no image"}], None),
        ([{"image": "https://"}], None),
        ([{"image": ""}], None),
        ([{"image": [URL]}], None),
        ([{"url": URL}], None),
        (None, None),
        (5, None),
        ([], None),
    ],
)
def test_answer_finds_the_image_url_only_where_the_contract_has_it(
    content: Any,
    url: str | None,
) -> None:
    answer = read(with_content(content))
    assert answer.url == url
    assert (kind_of(answer) is None) == (url is not None)


def test_answer_takes_the_first_choice_that_has_an_image() -> None:
    good = with_content([{"image": URL}])["output"]["choices"][0]
    assert read({"output": {"choices": [None, {"message": 5}, good]}}).url == URL


def test_answer_reads_a_url_beside_what_json_forbids() -> None:
    head = json.dumps(with_content([{"image": URL}])).encode()[:-1]
    for oddity in (b"NaN", b"-Infinity", b"9" * 9_000, b'"\xff\xfe"', b'"\\ud800"', b"1e999"):
        assert read(head + b', "message": ' + oddity + b"}").url == URL


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_answer_is_read_in_the_charset_that_it_has(charset: str) -> None:
    assert read(json.dumps(with_content([{"image": URL}])).encode(charset)).url == URL


def test_answer_does_not_fall_into_deep_nesting() -> None:
    deep = b'{"output":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    assert kind_of(read(deep)) is Kind.UNREADABLE
    assert kind_of(read(b"[" * 5_000_000)) is Kind.UNREADABLE


def test_answer_puts_the_plain_shapes_texts_together() -> None:
    answer = read({"error": "Insufficient Balance", "message": "Not enough."}, 402)
    assert answer.plain_error
    assert answer.message == "Insufficient Balance: Not enough."


@pytest.mark.parametrize("activity", ["0f6b3c52", 5, ["x"], {"a": 1}])
def test_answer_with_any_activity_may_have_run(activity: Any) -> None:
    answer = read({"error": "Internal server error", "activityId": activity}, 500)
    assert kind_of(answer) is Kind.GAVE_UP


@pytest.mark.parametrize(
    ("stated", "inner"),
    [
        (429, 429),
        ("429", 429),
        (" 429 ", 429),
        (True, None),
        (429.0, None),
        (10**30, None),
        (-1, None),
        ("4e2", None),
        (None, None),
        ([429], None),
    ],
)
def test_answer_states_its_inner_status_as_a_number_or_digits(
    stated: Any,
    inner: int | None,
) -> None:
    assert read({"status_code": stated}).inner_status == inner
    assert read({"statusCode": stated}).inner_status == inner


@pytest.mark.parametrize("side", [0, -1, 1_000_001, 10**17, True, 1.5, "640", None])
def test_answer_believes_no_side_that_no_picture_has(side: object) -> None:
    assert read({"usage": {"width": side, "height": 640}}).usage == Usage(None, 640)


def test_answer_keeps_its_texts_within_bounds() -> None:
    long = "é" * 5_000
    answer = read({"code": long, "message": long, "error": long, "request_id": long}, 400)
    assert len(answer.code) == 100
    assert len(answer.message) == 500
    assert len(answer.request_id) == 200


@pytest.mark.parametrize(
    ("header", "message", "wait"),
    [
        ("57", "", 57.0),
        (" 1.5 ", "", 1.5),
        ("0", "", 0.0),
        ("-5", "", None),
        ("soon", "", None),
        ("", "", None),
        ("999999999", "", MAX_WAIT),
        ("inf", "", MAX_WAIT),
        ("nan", "", MAX_WAIT),
        ("-inf", "", None),
        ("1e400", "", MAX_WAIT),
        ("Sun, 15 Jun 2025 15:06:50 GMT", "", 10.0),
        ("Sun, 15 Jun 2025 15:06:50", "", 10.0),
        ("Sun, 15 Jun 2025 15:00:00 GMT", "", 0.0),
        ("Sun, 15 Jun 2999 15:00:00 GMT", "", MAX_WAIT),
        ("Sun, 99 Jun 99999 15:00:00 GMT", "", None),
        (None, "Rate limit is exceeded. Try again in 57 seconds.", 57.0),
        (None, "Out of call volume quota. Quota will be replenished in 07:01:20.", 25_280.0),
        (None, "Quota will be replenished in 20.09:58:55.", 1_763_935.0),
        (None, "Try again in 999999999999 seconds.", MAX_WAIT),
        (None, "Try again later.", None),
        ("3", "Try again in 57 seconds.", 3.0),
        ("-5", "Try again in 57 seconds.", 57.0),
    ],
)
def test_answer_tells_how_long_to_wait(
    header: str | None,
    message: str,
    wait: float | None,
) -> None:
    headers = {} if header is None else {"RETRY_AFTER": header}
    assert read({"statusCode": 429, "message": message}, 429, **headers).retry_after == wait


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("output", "choices", "message", "content", "image", "code", "error", "usage"),
                    *("status_code", "statusCode", "activityId", "request_id", "width", "height"),
                ],
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    status=st.integers(0, 999),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "X", ""]), st.text()),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    now=st.floats(0, 4e9),
)
@example(status=200, headers={"retry-after": "9" * 5_000}, body=b"\x00{\x00", now=0.0)
@example(status=200, headers={}, body=b"\xff\xfe\x00", now=0.0)
@example(status=400, headers={}, body=b'{"code": "\\ud800", "message": "\\udfff"}', now=0.0)
def test_answer_is_read_whatever_it_is(
    status: int,
    headers: dict[str, str],
    body: bytes,
    now: float,
) -> None:
    answer = read_answer(status=status, headers=headers, body=body, now=now)
    assert verdict_of(kind_of(answer)) in Verdict
    for text in (answer.code, answer.message, answer.request_id, answer.url or ""):
        text.encode("utf-8")
    wait = answer.retry_after
    assert wait is None or (math.isfinite(wait) and 0 <= wait <= MAX_WAIT)


def test_answers_of_all_conducts_are_covered() -> None:
    silent = {each.conduct for each in VARIANTS if each.status is None}
    assert Conduct.ANSWER not in silent
