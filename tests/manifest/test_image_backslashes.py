from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.items import BadRow, FileSource, Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., list[Row | BadRow]]


@pytest.mark.parametrize("text", ["sub\\a.jpg", "C:\\pics\\a.jpg", "x/y\\a.jpg"])
@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_image_with_backslashes_is_refused_where_there_is_no_such_file(
    read: Read, name: str, text: str
) -> None:
    line = json.dumps({"image": text, "instruction": "x"})
    (bad,) = read(name, f"image,instruction\n{text},x\n" if name == "m.csv" else line)
    assert isinstance(bad, BadRow)
    (fault,) = bad.faults
    assert fault.column == "image"
    assert "the path holds backslashes" in fault.reason
    assert "/ between folders" in fault.advice


def test_image_that_is_really_named_with_a_backslash_is_taken(read: Read, tmp_path: Path) -> None:
    (tmp_path / "sub\\a.jpg").touch()
    (row,) = read("m.csv", "image,instruction\nsub\\a.jpg,x\n")
    assert isinstance(row, Row)
    assert row.source == FileSource(f"{tmp_path}/sub\\a.jpg")
