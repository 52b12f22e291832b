from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.items import BadRow, Row
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.column_names import column_meant, folded
from qwenbatch.manifest.fields import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[..., list[Row | BadRow]]

NEAR = [
    ("instructions", "instruction"),
    ("Instrucion", "instruction"),
    ("prompt", "instruction"),
    ("out", "output"),
    ("outptu", "output"),
    ("outputs", "output"),
    ("negative prompts", "negative_prompt"),
    ("negativePrompt", "negative_prompt"),
    ("watermarks", "watermark"),
    ("takes", "take"),
    ("ids", "id"),
]
EQUAL = [
    ("Instruction", "instruction"),
    (" INSTRUCTION ", "instruction"),
    ("negative prompt", "negative_prompt"),
    ("Negative-Prompt", "negative_prompt"),
]
TRAVELLING = [
    *("title", "sku", "note", "time", "tag", "date", "idx", "take_away"),
    *("imagesize", "image_url", "output_size", "x" * 41),
]


@pytest.mark.parametrize(
    ("name", "column"), [*NEAR, *EQUAL, ("imgae", "image"), ("iamge", "image")]
)
def test_column_near_miss_is_recognised(name: str, column: str) -> None:
    assert column_meant(name) == column


@pytest.mark.parametrize("name", TRAVELLING)
def test_column_of_another_meaning_travels(read: Read, name: str) -> None:
    assert column_meant(name) is None
    (row,) = read("m.csv", f"image,{name}\na.jpg,1\n", "all")
    assert isinstance(row, Row)
    (line,) = read("m.jsonl", json.dumps({"image": "a.jpg", name: "1"}), "all")
    assert isinstance(line, Row)
    assert msgspec.json.decode(row.extra) == msgspec.json.decode(line.extra) == {name: "1"}


@pytest.mark.parametrize(("name", "column"), NEAR)
def test_column_near_miss_is_refused_where_the_column_lacks(
    read: Read, name: str, column: str
) -> None:
    words = f'the column "{name}" is not known: did you mean "{column}"?'
    advice = "rename it, or choose a name that is less like it"
    with pytest.raises(ManifestError) as caught:
        read("m.csv", f"image,{name}\na.jpg,1\n", "all")
    assert words in str(caught.value)
    assert advice in str(caught.value) + str(vars(caught.value))
    good = {"image": "a.jpg"}
    rows = read("m.jsonl", f"{json.dumps(good | {name: '1'})}\n{json.dumps(good)}", "all")
    bad, row = rows
    assert isinstance(bad, BadRow)
    assert isinstance(row, Row)
    (fault,) = bad.faults
    assert (fault.column, fault.reason, fault.advice) == (name, words, advice)


@pytest.mark.parametrize(("name", "column"), NEAR)
def test_column_near_miss_travels_beside_the_column(read: Read, name: str, column: str) -> None:
    ours = {"image": "a.jpg", "instruction": "x"}
    ours |= (
        {} if column in ours else {column: {"output": "a.png", "watermark": "1"}.get(column, "1")}
    )
    both = ours | {name: "n"}
    (row,) = read("m.csv", f"{','.join(both)}\n{','.join(both.values())}\n")
    assert isinstance(row, Row)
    assert msgspec.json.decode(row.extra) == {name: "n"}
    fitting: dict[str, object] = {"take": 1, "watermark": True}
    typed = {key: fitting.get(key, value) for key, value in both.items()}
    (line,) = read("m.jsonl", json.dumps(typed))
    assert isinstance(line, Row), line
    assert msgspec.json.decode(line.extra) == {name: "n"}


@pytest.mark.parametrize(("name", "column"), EQUAL)
def test_column_is_known_whatever_its_case_blanks_and_dashes(
    read: Read, name: str, column: str
) -> None:
    (row,) = read("m.csv", f"image,{name}\na.jpg,said\n", "all")
    (line,) = read("m.jsonl", json.dumps({"image": "a.jpg", name: "said"}), "all")
    for found in (row, line):
        assert isinstance(found, Row)
        assert getattr(found, column) == "said"
        assert found.extra == b"{}"


def test_column_near_miss_in_jsonl_stands_for_the_instruction_that_lacks(read: Read) -> None:
    (bad,) = read("m.jsonl", '{"image":"a.jpg","instructions":"x"}')
    assert isinstance(bad, BadRow)
    assert [fault.column for fault in bad.faults] == ["instructions"]


def test_column_of_another_case_travels_in_jsonl_beside_the_column(read: Read) -> None:
    (row,) = read("m.jsonl", '{"Image":"b.jpg","image":"a.jpg","instruction":"x"}')
    assert isinstance(row, Row)
    assert (row.image, row.extra) == ("a.jpg", b'{"Image":"b.jpg"}')


def test_column_written_twice_in_other_cases_is_refused_in_jsonl(read: Read) -> None:
    (bad,) = read("m.jsonl", '{"Image":"b.jpg","IMAGE":"a.jpg","instruction":"x"}')
    assert isinstance(bad, BadRow)
    assert [fault.column for fault in bad.faults] == ["IMAGE"]


def test_column_near_miss_travels_beside_another_case_of_the_column(read: Read) -> None:
    (row,) = read("m.jsonl", '{"image":"a.jpg","instructions":"n","Instruction":"x"}')
    assert isinstance(row, Row)
    assert (row.instruction, row.extra) == ("x", b'{"instructions":"n"}')


def test_column_near_miss_beside_a_request_body_is_refused_unless_the_body_says_it(
    read: Read,
) -> None:
    content = [{"image": "https://h.example/a.jpg"}, {"text": "x"}]
    said = {"messages": [{"role": "user", "content": content}]}
    body = {"model": "qwen-image-edit", "input": said}
    row, bad = read(
        "m.jsonl",
        json.dumps(body | {"images": "n"}) + "\n" + json.dumps(body | {"outptu": "a.png"}),
    )
    assert isinstance(row, Row)
    assert row.extra == b'{"images":"n"}'
    assert isinstance(bad, BadRow)
    assert [fault.column for fault in bad.faults] == ["outptu"]


def test_column_near_miss_is_shown_without_controls(read: Read) -> None:
    (bad,) = read("m.jsonl", json.dumps({"image": "a.jpg", "output\x1b": "b.png"}), "all")
    assert isinstance(bad, BadRow)
    assert [fault.column for fault in bad.faults] == ["output\\x1b"]


@given(name=st.text())
def test_column_meant_is_ours_or_none_for_any_name(name: str) -> None:
    assert column_meant(name) in {*COLUMNS, None}
    assert folded(folded(name)) == folded(name) or not name.isascii()
