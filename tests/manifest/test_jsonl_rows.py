from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from qwenbatch.core.items import BadRow, FileSource, InlineSource, Row, UrlSource
from qwenbatch.manifest.lines import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., list[Row | BadRow]]

URL = "https://h.example/a.jpg"
PICTURE = bytes(range(256)) * 3
DATA = "data:image/png;base64," + b64encode(PICTURE).decode()


def body(image: object = URL, **changes: Any) -> dict[str, Any]:
    """A request body as the service documents it."""
    content = [{"image": image}, {"text": "make it red"}]
    whole = {
        "model": "qwen-image-edit",
        "input": {"messages": [{"role": "user", "content": content}]},
        "parameters": {"negative_prompt": "blurry", "watermark": True},
    }
    return whole | changes


def message(*content: object, role: str = "user") -> dict[str, Any]:
    return body(input={"messages": [{"role": role, "content": list(content)}]})


def only_row(rows: list[Row | BadRow]) -> Row:
    (row,) = rows
    assert isinstance(row, Row), row
    return row


def only_bad(rows: list[Row | BadRow]) -> BadRow:
    (row,) = rows
    assert isinstance(row, BadRow)
    return row


def test_jsonl_row_states_all_its_fields(read: Read, tmp_path: Path) -> None:
    line = {
        "image": "sub/a.jpg",
        "instruction": "red",
        "output": "x/a.png",
        "negative_prompt": "",
        "watermark": True,
        "take": 2,
        "id": 7,
        "sku": {"a": [1, None]},
    }
    assert only_row(read("m.jsonl", json.dumps(line))) == Row(
        number=1,
        line=1,
        image="sub/a.jpg",
        source=FileSource(f"{tmp_path}/sub/a.jpg"),
        mirror="sub/a.jpg",
        instruction="red",
        output="x/a.png",
        watermark=True,
        take=2,
        id="7",
        extra=b'{"sku":{"a":[1,null]}}',
    )


def test_jsonl_tolerates_bom_blank_lines_and_line_ends(read: Read) -> None:
    row = '{"image":"a.jpg","instruction":"x"}'
    rows = read("m.jsonl", f"\ufeff\r\n{row}\r\n\n  \n{row}")
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 5)]
    assert all(isinstance(row, Row) for row in rows)


def test_jsonl_without_rows_is_no_error(read: Read) -> None:
    assert read("m.jsonl", "") == []
    assert read("m.ndjson", "\n\n") == []


@pytest.mark.parametrize("wrapped", [False, True])
def test_jsonl_request_body_is_a_row(read: Read, *, wrapped: bool) -> None:
    line = {"request": body()} if wrapped else body()
    line |= {"output": "x.png", "take": 3, "id": "n", "sku": 1}
    row = only_row(read("m.jsonl", json.dumps(line)))
    assert row.source == UrlSource(URL)
    assert (row.instruction, row.negative_prompt, row.watermark) == ("make it red", "blurry", True)
    assert (row.output, row.take, row.id, row.extra) == ("x.png", 3, "n", b'{"sku":1}')


def test_jsonl_request_body_needs_no_parameters(read: Read) -> None:
    line = body()
    del line["parameters"]
    row = only_row(read("m.jsonl", json.dumps(line)))
    assert (row.negative_prompt, row.watermark) == ("", False)


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        (body(model="qwen-image"), "model", 'must be "qwen-image-edit"'),
        ({k: v for k, v in body().items() if k != "model"}, "model", "must be"),
        (body(input="x"), "input", "object"),
        (body(input={"messages": []}), "input.messages", "exactly one message"),
        (
            body(input={"messages": [{"role": "user", "content": []}] * 2}),
            "input.messages",
            "exactly one message",
        ),
        (body(input={"messages": {}}), "input.messages", "list"),
        (body(input={"messages": [], "seed": 1}), "input", '"seed"'),
        (message({"image": URL}, {"text": "x"}, role="system"), "input.messages[0].role", "user"),
        (message({"image": URL}), "input.messages[0].content", "exactly one"),
        (message({"text": "x"}), "input.messages[0].content", "exactly one"),
        (
            message({"image": URL}, {"image": URL}, {"text": "x"}),
            "input.messages[0].content",
            "exactly one",
        ),
        (
            message({"image": URL}, {"text": "x"}, {"text": "y"}),
            "input.messages[0].content",
            "exactly one",
        ),
        (message({"image": URL, "text": "x"}), "input.messages[0].content", "exactly one"),
        (message({"image": 1}, {"text": "x"}), "input.messages[0].content", "exactly one"),
        (body(parameters={"seed": 1}), "parameters", '"seed", which is not sent'),
        (body(parameters={"watermark": "true"}), "parameters.watermark", "true or false"),
        (body(parameters={"negative_prompt": 1}), "parameters.negative_prompt", "text"),
        (body(parameters=[]), "parameters", "object"),
        (body(image="a.jpg"), "image", "http(s) URL or a data URI"),
        ({"request": body() | {"stream": True}}, "request", '"stream"'),
        ({"request": 1}, "request", "object"),
        ({"request": body(model=1)}, "request.model", "must be"),
        (body() | {"instruction": "x"}, "instruction", "beside a request body"),
        ({"request": body(), "image": "a.jpg"}, "image", "beside a request body"),
    ],
)
def test_jsonl_request_body_is_judged_strictly(
    read: Read,
    line: dict[str, Any],
    column: str,
    words: str,
) -> None:
    (fault,) = only_bad(read("m.jsonl", json.dumps(line))).faults
    assert fault.column == column
    assert words in fault.reason


def test_jsonl_columns_named_like_a_body_travel_beside_an_image(read: Read) -> None:
    line = {"image": "a.jpg", "instruction": "x", "request": "by Ann", "input": {"n": 1}}
    row = only_row(read("m.jsonl", json.dumps(line)))
    assert msgspec.json.decode(row.extra) == {"request": "by Ann", "input": {"n": 1}}


@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        ({"take": "two"}, "take", 'take must be a whole number from 1 to 1,000,000, not "two"'),
        ({"take": 0}, "take", "not 0"),
        ({"take": 1.0}, "take", "not 1.0"),
        ({"take": True}, "take", "not true"),
        ({"take": 10**30}, "take", "whole number"),
        ({"watermark": "true"}, "watermark", 'true or false, not "true"'),
        ({"watermark": 1}, "watermark", "not 1"),
        ({"image": 5}, "image", "image must be a text, not 5"),
        ({"image": None}, "image", "empty"),
        ({"instruction": ["x"]}, "instruction", "must be a text, not a list"),
        ({"instruction": " "}, "instruction", "empty"),
        ({"instruction": "a\0b"}, "instruction", "NUL"),
        ({"negative_prompt": {}}, "negative_prompt", "must be a text, not an object"),
        ({"output": ""}, "output", "empty"),
        ({"output": "a.jpg"}, "output", "PNG"),
        ({"output": 1}, "output", "must be a text"),
        ({"id": 1.5}, "id", "must be a text"),
        ({"id": "x" * 1001}, "id", "1,000"),
        ({"image": "x.png\0"}, "image", "NUL"),
    ],
)
def test_jsonl_bad_row_names_line_column_and_reason_and_stops_no_other(
    read: Read,
    change: dict[str, object],
    column: str,
    words: str,
) -> None:
    good = {"image": "a.jpg", "instruction": "x", "sku": 1}
    lines = [json.dumps(line) for line in (good, good | change, good)]
    first, bad, last = read("m.jsonl", "\n".join(lines))
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert isinstance(bad, BadRow)
    (fault,) = bad.faults
    assert (bad.line, fault.column) == (2, column)
    assert words in fault.reason
    assert bad.extra == b'{"sku":1}'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"image": }', "invalid character at byte 11"),
        (b'{"image": "a"', "ends too early, at byte 13"),
        (b'{"image": "\xff"}', "not UTF-8 at byte 12"),
        (b'{"image": "\\ud800"}', "half a character"),
        (b'{"image": "a"} x', "trailing characters at byte"),
        (b"[1]", "a JSON object, not a list"),
        (b"null", "a JSON object, not null"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"x": 1e999}', "out of range"),
        (b'{"image": NaN}', "invalid character"),
    ],
)
def test_jsonl_line_that_is_no_object_names_the_place(
    read: Read,
    line: bytes,
    words: str,
) -> None:
    good = b'{"image":"a.jpg","instruction":"x"}'
    bad, row = read("m.jsonl", line + b"\n" + good)
    assert isinstance(bad, BadRow)
    assert words in bad.faults[0].reason
    assert isinstance(row, Row)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("before", ["", "\ufeff", '{"image":"a.jpg","instruction":"ü"}\r\n\n'])
def test_jsonl_data_uri_is_named_by_its_place_in_the_file(
    read: Read,
    tmp_path: Path,
    before: str,
    *,
    escaped: bool,
    wrapped: bool,
) -> None:
    line = body(DATA) if wrapped else {"image": DATA, "instruction": "ü"}
    text = json.dumps({"note": "ü;base64,"} | line, ensure_ascii=False)
    if escaped:
        text = text.replace("/", "\\/")
    row = read("m.jsonl", before + text + "\n")[-1]
    assert isinstance(row, Row), row
    assert isinstance(row.source, InlineSource)
    assert row.source.manifest == str(tmp_path / "m.jsonl")
    raw = (tmp_path / "m.jsonl").read_bytes()
    found = raw[row.source.offset : row.source.offset + row.source.length]
    assert b64decode(found.replace(b"\\/", b"/")) == PICTURE
    assert row.mirror == f"image-{row.number}.png"
    assert len(row.image) < 100


def test_jsonl_data_uri_with_mixed_slashes_is_found(read: Read) -> None:
    text = '{"image":"data:image\\/png;base64,AA\\/A/AAA","instruction":"x"}'
    row = only_row(read("m.jsonl", text))
    assert isinstance(row.source, InlineSource)
    assert text[row.source.offset :][: row.source.length] == "AA\\/A/AAA"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("data:image/png,AAAA", "not data:<type>;base64,<data>"),
        ("data:;base64,AAAA", "not data:"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png;base64,AAA", "cut off"),
        ("data:image/png;base64,AA A", "not base64"),
        ("data:image/png;base64,====", "not base64"),
        ("data:image/png;base64,AA=A", "not base64"),
        ("data:image/png;base64,ÄÄÄÄ", "not base64"),
        ("data:image/png;base64," + "A" * 200 + "é" * 100, "not base64"),
    ],
)
def test_jsonl_data_uri_that_is_none_is_bad(read: Read, uri: str, words: str) -> None:
    line = {"image": uri, "instruction": "x"}
    (fault,) = only_bad(read("m.jsonl", json.dumps(line))).faults
    assert fault.column == "image"
    assert words in fault.reason


def test_jsonl_data_uri_with_other_escapes_is_bad(read: Read) -> None:
    line = '{"image":"data:image/png;base64,\\u0041AAA","instruction":"x"}'
    (fault,) = only_bad(read("m.jsonl", line)).faults
    assert "escapes" in fault.reason


def test_jsonl_line_beyond_the_limit_is_skipped(read: Read) -> None:
    good = '{"image":"a.jpg","instruction":"x"}'
    long = '{"image":"' + "x" * (MAX_LINE_BYTES + 100_000) + '"}'
    bad, row = read("m.jsonl", f"{long}\n{good}\n")
    assert isinstance(bad, BadRow)
    assert "16,777,216 bytes" in bad.faults[0].reason
    assert isinstance(row, Row)
    assert row.line == 2


def test_jsonl_offset_holds_behind_a_skipped_line(read: Read, tmp_path: Path) -> None:
    long = "x" * (MAX_LINE_BYTES + 5)
    row = read("m.jsonl", long + "\n" + json.dumps({"image": DATA, "instruction": "x"}))[-1]
    assert isinstance(row.source, InlineSource)
    raw = (tmp_path / "m.jsonl").read_bytes()
    assert b64decode(raw[row.source.offset :][: row.source.length]) == PICTURE


def test_jsonl_instruction_for_all_fills_what_a_row_leaves_out(read: Read) -> None:
    assert only_row(read("m.jsonl", '{"image":"a.jpg"}', "all")).instruction == "all"


def test_jsonl_near_miss_of_image_is_named(read: Read) -> None:
    (fault,) = only_bad(read("m.jsonl", '{"Images":"a.jpg","instruction":"x"}')).faults
    assert fault.column == "Images"
    assert fault.reason == 'the column "Images" is not known: did you mean "image"?'


def test_jsonl_distant_miss_of_image_is_advised(read: Read) -> None:
    (fault,) = only_bad(read("m.jsonl", '{"img":"a.jpg","instruction":"x"}')).faults
    assert 'Rename "img" to "image"' in fault.advice
