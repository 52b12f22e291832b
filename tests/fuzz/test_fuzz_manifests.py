from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from qwenbatch.core.items import BadRow, Fault, Row, RowDefaults
from qwenbatch.core.naming import NameLevel, default_output
from qwenbatch.core.paths import check_output
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.read import open_manifest
from tests.fuzz.conftest import changed, changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.conftest import Fuzz

pytestmark = pytest.mark.fuzz

SECONDS_MOST = 10.0

CSV = """image,instruction,output,negative_prompt,watermark,take,id,sku
a.jpg,"make it blue, and
wide",shoes/a.png,blur,true,2,x1,4711
"b ""c"".png",sepia,,,,,,
https://example.com/hat.jpg?sig=1,remove the tag,hat.png,,no,1,'=1+1,=2
ä/ö.webp,größer,ü/ß.png,,,,,😀
"""
URI = "data:image/png;base64,iVBORw0KGgo="


def request(*content: dict[str, str]) -> dict[str, object]:
    messages = [{"role": "user", "content": list(content)}]
    return {"model": "qwen-image-edit", "input": {"messages": messages}, "parameters": {}}


ROWS: tuple[dict[str, object], ...] = (
    {"image": "a.jpg", "instruction": "sepia", "output": "x/a.png", "take": 2, "sku": [1, {}]},
    {**request({"image": "https://e.com/a.png"}, {"text": "t"}), "output": "b.png"},
    {"request": request({"image": URI}, {"text": "ä😀"}), "id": "7"},
    {"image": URI, "instruction": "x", "watermark": True, "negative_prompt": "y"},
)
JSONL = "\n".join(json.dumps(row) for row in ROWS).replace("image/png", r"image\/png", 1)
TOKENS = (
    b"\0",
    b"\r",
    b"\r\n",
    b"\n",
    b'"',
    b'""',
    b"'",
    b",",
    b";",
    b"\t",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xc3",
    b"\\u0000",
    b"\\ud800",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"9" * 5000,
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b"-0",
    b"{}",
    b"[]",
    b"../",
    b"~",
    b"file:///",
    b"http://[",
    b"https://\xe2\x80\xae.com/",
    b"data:image/png;base64,",
    b"image",
    b"instruction",
    b"output",
    b"x" * 70_000,
    b"x" * 1_100_000,
)
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp037")


def encoded(text: str) -> st.SearchStrategy[bytes]:
    others = st.sampled_from([text.encode(name, "replace") for name in ENCODINGS])
    return st.one_of(st.just(text.encode()), st.just(text.encode()), others)


def checked(path: Path, *, instruction: str | None) -> None:
    began = time.monotonic()
    try:
        for row in open_manifest(path, defaults=RowDefaults(instruction=instruction)):
            match row:
                case BadRow():
                    assert row.faults
                    assert all(fault.reason.encode() for fault in row.faults)
                case Row():
                    check_row(row)
    except ManifestError:
        pass
    assert time.monotonic() - began < SECONDS_MOST


def check_row(row: Row) -> None:
    texts = (row.image, row.instruction, row.mirror, row.output or "", row.id or "")
    assert all(isinstance(text.encode(), bytes) for text in texts)
    assert row.output is None or check_output(row.output) == row.output
    for level in NameLevel:
        name = default_output(mirror=row.mirror, level=level, key_hex="1a2b3c4d" * 8)
        assert not isinstance(check_output(name), Fault)


@pytest.mark.parametrize(("name", "text"), [("m.csv", CSV), ("m.jsonl", JSONL), ("m", JSONL)])
def test_manifest_fuzzed_is_rows_or_a_refusal(
    fuzz: Fuzz,
    tmp_path: Path,
    name: str,
    text: str,
) -> None:
    path = tmp_path / name

    def check(value: tuple[bytes, list[Any], bool]) -> None:
        data, steps, instructed = value
        path.write_bytes(changed(data, steps))
        checked(path, instruction="sepia" if instructed else None)

    fuzz(st.tuples(encoded(text), changes(TOKENS), st.booleans()), check)
