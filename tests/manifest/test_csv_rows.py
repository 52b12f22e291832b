from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from qwenbatch.core.items import BadRow, FileSource, Row, UrlSource
from qwenbatch.manifest.csv_rows import MAX_CELL_CHARACTERS
from qwenbatch.manifest.lines import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., list[Row | BadRow]]


def only_row(rows: list[Row | BadRow]) -> Row:
    (row,) = rows
    assert isinstance(row, Row)
    return row


def only_bad(rows: list[Row | BadRow]) -> BadRow:
    (row,) = rows
    assert isinstance(row, BadRow)
    return row


def test_csv_row_states_all_its_fields(read: Read, tmp_path: Path) -> None:
    text = (
        "image,instruction,output,negative_prompt,watermark,take,id,sku,shop\n"
        "sub/a.jpg,make it red,red/a.png,blurry,true,2,n1,77,\n"
    )
    row = only_row(read("m.csv", text))
    assert row == Row(
        number=1,
        line=2,
        image="sub/a.jpg",
        source=FileSource(f"{tmp_path}/sub/a.jpg"),
        mirror="sub/a.jpg",
        instruction="make it red",
        output="red/a.png",
        negative_prompt="blurry",
        watermark=True,
        take=2,
        id="n1",
        extra=b'{"sku":"77"}',
    )


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_dialects_read_alike(read: Read, bom: bytes, end: str, separator: str) -> None:
    lines = [["image", "instruction"], ["ä.jpg", '"make\n it ""red"", please"'], []]
    text = end.join(separator.join(cells) for cells in lines)
    row = only_row(read("m.csv", bom + text.encode()))
    assert (row.image, row.instruction) == ("ä.jpg", 'make\n it "red", please')


def test_csv_row_names_the_line_on_which_it_begins(read: Read) -> None:
    text = 'image,instruction\na.jpg,"one\ntwo\nthree"\n\n\nb.jpg,x\n,,\n  \nc.jpg\n'
    rows = read("m.csv", text.replace("  \n", ""))
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 7), (3, 9)]


def test_csv_columns_are_found_in_any_case_and_order(read: Read) -> None:
    row = only_row(read("m.csv", " Instruction ,IMAGE,Sku\nx,a.jpg,1\n"))
    assert (row.image, row.instruction, row.extra) == ("a.jpg", "x", b'{"Sku":"1"}')


def test_csv_instruction_for_all_fills_what_a_row_leaves_out(read: Read) -> None:
    rows = read("m.csv", "image,instruction\na.jpg,\nb.jpg,own\n", instruction="all")
    assert [row.instruction for row in rows] == ["all", "own"]
    assert only_row(read("m.csv", "image\na.jpg\n", instruction="all")).instruction == "all"


def test_csv_without_rows_is_no_error(read: Read) -> None:
    assert read("m.csv", "image,instruction\n") == []
    assert read("m.csv", "image,instruction") == []


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("a.jpg,x,,,", None, "too many cells: 5, where the header names 4"),
        ("a.jpg,x", None, "too few cells: 2, where the header names 4"),
        (",x,,", "image", "empty"),
        ("a.jpg,  ,,", "instruction", "instruction is empty"),
        ("a.jpg,x,two,", "take", 'not "two"'),
        ("a.jpg,x,0,", "take", "from 1 to 1,000,000"),
        ("a.jpg,x,1000001,", "take", "from 1 to 1,000,000"),
        ("a.jpg,x,1.0,", "take", 'not "1.0"'),
        ("a.jpg,x,-1,", "take", 'not "-1"'),
        ("a.jpg,x,٣,", "take", "whole number"),
        ("a.jpg,x,,../x.png", "output", "out of OUT"),
        ("ftp://h/a.jpg,x,,", "image", "ftp:// is not supported"),
        ("file:///a.jpg,x,,", "image", "file: URL"),
        ("data:image/png;base64;AAAA,x,,", "image", "JSONL"),
        ("https://u:p@h.example/a.jpg,x,,", "image", "password"),
        ("https:///a.jpg,x,,", "image", "no host"),
        ("https://h.example/a b.jpg,x,,", "image", "blank"),
        (" https://h.example/a.jpg,x,,", "image", "blank"),
        ("https://h.example\\a.jpg,x,,", "image", "backslash"),
        ("https://[::1/a.jpg,x,,", "image", "no URL"),
        ("https://h.example:99999/a.jpg,x,,", "image", "no URL"),
        ("http:/h.example/a.jpg,x,,", "image", "no host"),
        (f"https://h.example/{'x' * 8000},x,,", "image", "8,000"),
        ("sub/,x,,", "image", "folder"),
        (f"{'x' * 4095},x,,", "image", "4,095"),
        (f"a.jpg,{'x' * 100_001},,", "instruction", "100,000"),
    ],
)
def test_csv_bad_row_names_line_column_and_reason_and_stops_no_other(
    read: Read,
    line: str,
    column: str | None,
    words: str,
) -> None:
    text = f"image,instruction,take,output\ngood.jpg,x,,\n{line}\nalso.jpg,x,,\n"
    first, bad, last = read("m.csv", text)
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert isinstance(bad, BadRow)
    assert (bad.number, bad.line) == (2, 3)
    (fault,) = bad.faults
    assert fault.column == column
    assert words in fault.reason


def test_csv_bad_row_keeps_what_could_be_read(read: Read, tmp_path: Path) -> None:
    text = "image,instruction,take,id,sku\na.jpg,red,two,n1,7\n"
    bad = only_bad(read("m.csv", text))
    assert bad.source == FileSource(f"{tmp_path}/a.jpg")
    assert (bad.image, bad.instruction, bad.id, bad.extra) == (
        "a.jpg",
        "red",
        "n1",
        b'{"sku":"7"}',
    )


def test_csv_bad_row_names_all_its_faults(read: Read) -> None:
    bad = only_bad(read("m.csv", "image,instruction,take,output,watermark\n,,x,y.jpg,maybe\n"))
    assert {fault.column for fault in bad.faults} == {
        "image",
        "instruction",
        "take",
        "output",
        "watermark",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("YES", True), ("1", True), ("False", False), ("no", False), ("0", False)],
)
def test_csv_watermark_is_read_in_a_persons_words(read: Read, text: str, *, value: bool) -> None:
    row = only_row(read("m.csv", f"image,instruction,watermark\na.jpg,x, {text}\n"))
    assert row.watermark is value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("'=x", "=x"),
        ("''=x", "'=x"),
        ("'+1", "+1"),
        ("'-1", "-1"),
        ("'@x", "@x"),
        ("'\tx", "\tx"),
        ('"\'\rx"', "\rx"),
        ("'tis", "'tis"),
        ("''", "''"),
        ("=x", "=x"),
        ("x'=", "x'="),
    ],
)
def test_csv_apostrophe_of_an_export_is_taken_away(read: Read, cell: str, value: str) -> None:
    assert only_row(read("m.csv", f"image,instruction\na.jpg,{cell}\n")).instruction == value


def test_csv_urls_are_taken_as_they_stand(read: Read) -> None:
    url = "HTTPS://h.example:8080/p/ä%20.jpg?x=1&y=[2]#z"
    row = only_row(read("m.csv", f"image,instruction\n{url},x\n"))
    assert row.source == UrlSource(url)
    assert row.mirror == "ä .jpg"


@pytest.mark.parametrize(
    ("image", "path", "mirror"),
    [
        ("./a.jpg", "{}/a.jpg", "a.jpg"),
        ("x/../a.jpg", "{}/a.jpg", "a.jpg"),
        ("x//a.jpg", "{}/x/a.jpg", "x/a.jpg"),
        ("../../../../../../../../../../x/a.jpg", "/x/a.jpg", "a.jpg"),
        ("/x/./a.jpg", "/x/a.jpg", "a.jpg"),
        ("//x/a.jpg", "/x/a.jpg", "a.jpg"),
        ("~/a.jpg", "{}/~/a.jpg", "~/a.jpg"),
        ("a:b.jpg", "{}/a:b.jpg", "a:b.jpg"),
        (".a.jpg", "{}/.a.jpg", ".a.jpg"),
        ("ü/ß.jpg", "{}/ü/ß.jpg", "ü/ß.jpg"),
    ],
)
def test_csv_paths_are_joined_and_normalised(
    read: Read,
    tmp_path: Path,
    image: str,
    path: str,
    mirror: str,
) -> None:
    row = only_row(read("m.csv", f"image,instruction\n{image},x\n"))
    assert row.source == FileSource(path.format(tmp_path))
    assert (row.image, row.mirror) == (image, mirror)


def test_csv_row_that_is_not_utf8_is_bad_alone(read: Read, tmp_path: Path) -> None:
    text = b"image,instruction,sku\na.jpg,caf\xe9,1\nb\xff.jpg,x,1\nc.jpg,x,\xff\nd.jpg,x,1\n"
    rows = read("m.csv", text)
    assert [[fault.column for fault in getattr(row, "faults", ())] for row in rows] == [
        ["instruction"],
        ["image"],
        ["sku"],
        [],
    ]
    first, second, *_ = rows
    assert isinstance(first, BadRow)
    assert first.source == FileSource(f"{tmp_path}/a.jpg")
    assert first.instruction == "caf\ufffd"
    assert second.source is None
    assert "UTF-8" in first.faults[0].reason


def test_csv_open_quote_is_one_bad_row_from_its_first_line(read: Read) -> None:
    rows = read("m.csv", 'image,instruction\na.jpg,x\nb.jpg,"open\nc.jpg,x\nd.jpg,x\n')
    assert isinstance(rows[0], Row)
    bad = only_bad(rows[1:])
    assert bad.line == 3
    assert "never closed (lines 3 to 5)" in bad.faults[0].reason


def test_csv_text_behind_a_closing_quote_is_bad_and_reading_goes_on(read: Read) -> None:
    bad, good = read("m.csv", 'image,instruction\na.jpg,"x"y\nb.jpg,x\n')
    assert isinstance(bad, BadRow)
    assert "behind its closing quote" in bad.faults[0].reason
    assert isinstance(good, Row)


def test_csv_carriage_return_in_a_bare_cell_is_bad(read: Read) -> None:
    bad, good = read("m.csv", "image,instruction\na.jpg,x\ry\nb.jpg,x\n")
    assert isinstance(bad, BadRow)
    assert "carriage return" in bad.faults[0].reason
    assert isinstance(good, Row)


def test_csv_cell_beyond_the_limit_is_bad_and_reading_goes_on(read: Read) -> None:
    long = "x" * (MAX_CELL_CHARACTERS + 1)
    bad, good = read("m.csv", f"image,instruction\na.jpg,{long}\nb.jpg,x\n")
    assert isinstance(bad, BadRow)
    assert "longer than 1,048,576 characters" in bad.faults[0].reason
    assert isinstance(good, Row)


def test_csv_inside_of_an_open_cell_is_never_taken_for_rows(read: Read) -> None:
    inside = "b.jpg,paid for by mistake\n" * 60_000
    bad = only_bad(read("m.csv", f'image,instruction\na.jpg,"{inside}'))
    assert "what follows it is not read" in bad.faults[0].reason


def test_csv_line_beyond_the_limit_is_skipped(read: Read) -> None:
    long = "x," * (MAX_LINE_BYTES // 2 + 100_000)
    bad, good = read("m.csv", f"image,instruction\n{long}\nb.jpg,x\n")
    assert isinstance(bad, BadRow)
    assert "longer than 16,777,216 bytes" in bad.faults[0].reason
    assert (good.number, good.line) == (2, 3)
    assert isinstance(good, Row)


def test_csv_text_in_a_nameless_column_is_bad(read: Read) -> None:
    good, bad = read("m.csv", "image,instruction,,\na.jpg,x,,\nb.jpg,make it red, please,\n")
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert "column without a name" in bad.faults[0].reason


def test_csv_nameless_first_column_travels(read: Read) -> None:
    row = only_row(read("m.csv", ",image,instruction\n0,a.jpg,x\n"))
    assert msgspec.json.decode(row.extra) == {"column 1": "0"}


def test_csv_ends_at_the_limit_bad_rows_counted(read: Read) -> None:
    rows = read("m.csv", "image,instruction\n,x\na.jpg,x\nb.jpg,x\n", limit=2)
    assert [row.line for row in rows] == [2, 3]


def test_csv_with_a_header_alone_has_no_rows(read: Read) -> None:
    assert read("m.csv", "image,instruction\n") == []


def test_csv_a_nul_byte_is_the_fault_of_its_cell_alone(read: Read) -> None:
    first, bad, last = read("m.csv", b"image,instruction\na.jpg,x\nb.jpg,y\0\nc.jpg,z\n")
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert isinstance(bad, BadRow)
    (fault,) = bad.faults
    assert (bad.line, fault.column) == (3, "instruction")
    assert "NUL" in fault.reason
