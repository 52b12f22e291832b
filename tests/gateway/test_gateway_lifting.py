from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwenbatch.gateway.lifting import Lifter

FIELDS, URLS = frozenset({"b64_json"}), frozenset({"url"})


def lifted(text: bytes, cuts: list[int]) -> tuple[Lifter, bytes, bytes]:
    """What is left of a text that comes in pieces, and the picture that was in it."""
    lifter, rest, picture = Lifter(FIELDS, URLS), b"", b""
    places = sorted({min(cut, len(text)) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(text)], strict=True):
        left, found = lifter.feed(text[start:end])
        rest += left
        picture += found
    return lifter, rest, picture


CUTS = st.lists(st.integers(0, 400), max_size=12)
STRINGS = st.text(max_size=20) | st.sampled_from(["b64_json", "url", "data:", "AAAA"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=6,
)


@given(picture=st.binary(min_size=1, max_size=200), cuts=CUTS, other=VALUES, spaces=st.booleans())
def test_lifter_takes_the_picture_out_wherever_the_text_is_cut(
    picture: bytes, cuts: list[int], other: Any, *, spaces: bool
) -> None:
    told = {"x": 1, "data": [{"b64_json": base64.b64encode(picture).decode(), "url": None}]}
    indent = 2 if spaces else None
    text = json.dumps({**told, "other": other}, indent=indent).encode()
    lifter, rest, found = lifted(text, cuts)
    assert (found, lifter.lifted, lifter.broken) == (picture, True, False)
    left = json.loads(rest)
    assert left["data"][0]["b64_json"] == ""
    assert left["x"] == 1


@given(told=VALUES, cuts=CUTS)
@example(told={"url": "https://h.test/a.png", "b64_json": None}, cuts=[])
@example(told={"url": "data:", "x": "b64_json"}, cuts=[3])
@example(told=["b64_json", "AAAA"], cuts=[])
def test_lifter_leaves_what_holds_no_picture_as_it_is(told: Any, cuts: list[int]) -> None:
    text = json.dumps(told).encode()
    lifter, rest, found = lifted(text, cuts)
    if not (lifter.lifted or lifter.broken):
        assert rest == text
        assert found == b""


@given(text=st.binary(max_size=300), cuts=CUTS)
def test_lifter_takes_any_bytes(text: bytes, cuts: list[int]) -> None:
    lifter, rest, found = lifted(text, cuts)
    assert len(rest) + len(found) <= len(text)
    assert not (lifter.lifted and lifter.broken)


@pytest.mark.parametrize(
    ("value", "picture"),
    [
        (r"QUJD\/\/8\u003d", b"ABC\xff\xff"),
        (r"QU\nJD", b"ABC"),
        ("data:image/png;base64,QUJD", b"ABC"),
        ("QUJDRA==", b"ABCD"),
        ("QUJDRA", b"ABCD"),
        ("QUJDRA==\n", b"ABCD"),
        ("QU\nJDQ\r\nUJD Q UJD", b"ABCABCABC"),
        ("QUJD\nRA", b"ABCD"),
        ("QU-_", b"AO\xbf"),
    ],
)
@pytest.mark.parametrize("cut", [[], list(range(60))])
def test_lifter_knows_the_ways_in_which_base64_is_written(
    value: str, picture: bytes, cut: list[int]
) -> None:
    lifter, _, found = lifted(b'{"b64_json": "' + value.encode() + b'"}', cut)
    assert (found, lifter.lifted) == (picture, True)


@pytest.mark.parametrize("value", ["QUJDR", "QU=DQUJD", "QUI=QUJD", "QU!D", r"QU\"JD", "é" * 4])
@pytest.mark.parametrize("cut", [[], list(range(60))])
def test_lifter_says_what_is_no_base64(value: str, cut: list[int]) -> None:
    lifter, _, _ = lifted(b'{"b64_json": "' + value.encode() + b'"}', cut)
    assert not lifter.lifted
    assert lifter.broken


def test_lifter_of_a_picture_that_breaks_off_has_lifted_nothing() -> None:
    lifter, rest, found = lifted(b'{"data": [{"b64_json": "QUJDQUJD', [])
    assert (lifter.lifted, lifter.broken) == (False, False)
    assert found == b"ABCABC"
    assert rest == b'{"data": [{"b64_json": "'


def test_lifter_takes_a_picture_at_a_url_only_from_a_data_uri() -> None:
    for value, wanted in (("data:image/png;base64,QUJD", b"ABC"), ("QUJD", b"")):
        _, _, found = lifted(json.dumps({"url": value}).encode(), [])
        assert found == wanted


def test_lifter_takes_pictures_from_whichever_fields_it_is_told() -> None:
    lifter = Lifter(frozenset({"image"}))
    rest, found = lifter.feed(b'{"b64_json": "REVG", "url": "data:,REVG", "image": "QUJD"}')
    assert (found, lifter.lifted) == (b"ABC", True)
    assert json.loads(rest) == {"b64_json": "REVG", "url": "data:,REVG", "image": ""}


def test_lifter_takes_the_first_of_several_pictures() -> None:
    text = json.dumps({"data": [{"b64_json": "QUJD"}, {"b64_json": "REVG"}]}).encode()
    lifter, rest, found = lifted(text, [])
    assert (found, lifter.lifted) == (b"ABC", True)
    assert json.loads(rest)["data"][1] == {"b64_json": "REVG"}
