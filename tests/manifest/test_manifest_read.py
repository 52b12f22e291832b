from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qwenbatch.core.items import BadRow, Row, RowDefaults
from qwenbatch.core.paths import check_output
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.file_kind import ManifestKind
from qwenbatch.manifest.read import open_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., list[Row | BadRow]]

CSV = b"image,instruction\na.jpg,x\n"
JSONL = b'{"image":"a.jpg","instruction":"x"}\n'


@pytest.mark.parametrize(
    ("name", "contents", "kind"),
    [
        ("m.csv", CSV, ManifestKind.CSV),
        ("m.TSV", CSV.replace(b",", b"\t"), ManifestKind.CSV),
        ("m.jsonl", JSONL, ManifestKind.JSONL),
        ("m.ndjson", JSONL, ManifestKind.JSONL),
        ("m.txt", CSV, ManifestKind.CSV),
        ("m", b"\xef\xbb\xbf\n " + JSONL, ManifestKind.JSONL),
        ("m.json", JSONL, ManifestKind.JSONL),
    ],
)
def test_manifest_kind_is_told_by_name_then_by_first_byte(
    tmp_path: Path,
    name: str,
    contents: bytes,
    kind: ManifestKind,
) -> None:
    (tmp_path / name).write_bytes(contents)
    manifest = open_manifest(tmp_path / name, defaults=RowDefaults())
    assert manifest.kind is kind
    assert manifest.base == tmp_path
    assert [row.image for row in manifest] == ["a.jpg"]


@pytest.mark.parametrize(
    ("name", "contents", "what", "advice"),
    [
        ("m.csv", b"", "empty", "image,instruction"),
        ("m.csv", b"\n\n", "empty", "image,instruction"),
        ("m.csv", b"a.jpg,make it red\n", 'no column "image"', "image,instruction"),
        ("m.csv", b"images,instruction\n", 'no column "image"', 'Rename the column "images"'),
        ("m.csv", b"image,instructions\n", 'no column "instruction"', '"instructions"'),
        ("m.csv", b"image,sku\n", "no instruction for all", "--instruction"),
        ("m.csv", b"image,instruction,Image\n", '"image" twice', "Remove or rename"),
        ("m.csv", b"image,instruction,sku,sku\n", '"sku" twice', "Remove or rename"),
        ("m.csv", b'"image,instruction\n', "not CSV", "image,instruction"),
        ("m.csv", b"image,instruction\ra.jpg,x\r", "carriage returns", "LF"),
        ("m.csv", b"image,instruction,caf\xe9\n", "not UTF-8", "UTF-8"),
        ("m.csv", b"x" * (17 << 20), "too long", "image,instruction"),
        ("m.csv", "image,instruction\n".encode("utf-16"), "UTF-16", "UTF-8"),
        ("m.csv", "image,instruction\n".encode("utf-16-be"), "UTF-16", "UTF-8"),
        ("m.jsonl", b"\xfe\xff\0{", "UTF-16", "UTF-8"),
        ("m.xlsx", b"PK\x03\x04\x14\0", "Excel", "CSV UTF-8"),
        ("m.csv", b"PK\x03\x04\x14\0", "Excel", "CSV UTF-8"),
        ("m.xls", b"\xd0\xcf\x11\xe0", "Excel", "CSV UTF-8"),
        ("m.csv.gz", b"\x1f\x8b\x08", "gzip", "Unpack"),
        ("m.png", b"\x89PNG\r\n\x1a\n", "picture", "folder"),
        ("m.bin", b"image\0", "binary", "UTF-8"),
        ("m.json", b'[{"image": 1}]', "JSON list", "one object a line"),
        ("m.toml", b"", "job file", ".csv"),
    ],
)
def test_manifest_that_cannot_be_read_as_a_whole_says_why_and_what_to_do(
    read: Read,
    name: str,
    contents: bytes,
    what: str,
    advice: str,
) -> None:
    with pytest.raises(ManifestError) as raised:
        read(name, contents)
    assert what in raised.value.what
    assert name in raised.value.what
    assert advice in raised.value.advice


def test_manifest_that_is_missing_names_its_like(tmp_path: Path) -> None:
    (tmp_path / "shoes.csv").write_bytes(CSV)
    with pytest.raises(ManifestError, match=r"shoes\.csv\?"):
        open_manifest(tmp_path / "shoe.csv", defaults=RowDefaults())
    with pytest.raises(ManifestError, match="no folder"):
        open_manifest(tmp_path / "x" / "shoe.csv", defaults=RowDefaults())


def test_manifest_path_that_can_name_nothing_is_refused(tmp_path: Path) -> None:
    for name in ("a\0.csv", "a\udcff.csv", "x" * 300):
        with pytest.raises(ManifestError):
            open_manifest(tmp_path / name, defaults=RowDefaults())


def test_manifest_that_is_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").symlink_to("/dev/zero")
    with pytest.raises(ManifestError, match="regular file"):
        open_manifest(tmp_path / "m.csv", defaults=RowDefaults())


def test_manifest_that_vanishes_is_a_manifest_error(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(CSV)
    manifest = open_manifest(path, defaults=RowDefaults())
    path.unlink()
    with pytest.raises(ManifestError, match="cannot be read"):
        list(manifest)


def test_manifest_is_read_anew_by_each_iteration(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(CSV)
    manifest = open_manifest(path, defaults=RowDefaults())
    assert list(manifest) == list(manifest)


def test_manifest_reading_that_is_given_up_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(CSV * 3)
    rows = iter(open_manifest(path, defaults=RowDefaults(), limit=1))
    next(rows)
    del rows


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_manifest_of_many_rows_is_never_held_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"m.{kind}"
    rows = 100_000
    with path.open("w") as file:
        if kind == "csv":
            file.write("image,instruction,output,sku\n")
            file.writelines(f"s/{n}.jpg,number {n},r/{n}.png,{n}\n" for n in range(rows))
        else:
            line = '{"image":"s/%d.jpg","instruction":"number %d","sku":%d}\n'
            file.writelines(line % (n, n, n) for n in range(rows))
    size = path.stat().st_size
    counted = 0
    tracemalloc.start()
    for row in open_manifest(path, defaults=RowDefaults()):
        counted += 1
        assert type(row) is Row
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counted == rows
    assert peak < 2_000_000 < size


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [
                *(b"image", b"instruction", b",", b";", b"\t", b'"', b"\n", b"\r", b"'", b"\0"),
                *(b"a.jpg", b"{", b"}", b":", b'"image":', b'"input":', b'"request":', b"take"),
                *(b"image,instruction\n", b'{"image":"a.jpg","instruction":"x"}\n', b"\xff"),
                *(b'"data:image/png;base64,AAAA"', b"[", b"]", b"1e999", b"9" * 5000, b"null"),
                *(b"\\ud800", b"\\/", b"\xef\xbb\xbf", b"https://", b"output", b"../x.png"),
            ],
        ),
    ),
    max_size=30,
).map(b"".join)


@given(
    st.sampled_from(
        [b"", b"image,instruction,output,take,x\n", b'{"image":"a.jpg",', b'{"request":']
    ),
    PIECES,
    st.sampled_from(["m.csv", "m.jsonl", "m"]),
    st.sampled_from([None, "x"]),
)
@example(b'{"image":"a","instruction":"b",', b'"x":' + b"9" * 5000 + b"}", "m.jsonl", None)
@example(b'{"image":"a","instruction":"b",', b'"x":' + b"9" * 400 + b"}", "m.jsonl", None)
@example(b'{"image":"a","instruction":"b",', b'"x":' + b"[" * 900 + b"]" * 900 + b"}", "m", None)
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_manifest_of_any_bytes_gives_rows_bad_rows_or_one_manifest_error(
    tmp_path: Path,
    head: bytes,
    tail: bytes,
    name: str,
    instruction: str | None,
) -> None:
    path = tmp_path / name
    path.write_bytes(head + tail)
    try:
        rows = list(open_manifest(path, defaults=RowDefaults(instruction=instruction)))
    except ManifestError:
        return
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        assert type(row) in {Row, BadRow}
        (row.image + row.instruction + row.negative_prompt + (row.id or "")).encode()
        if isinstance(row, Row):
            assert row.output is None or check_output(row.output) == row.output
            assert row.instruction.strip()
        else:
            assert row.faults
