"""What became of the items as Parquet: typed columns, written by groups of rows."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq  # type: ignore[import-untyped] # it comes without types
import pytest

from qwenbatch.core.outcomes import ItemState, Outcome
from qwenbatch.errors import DiskError, UsageError
from qwenbatch.report.parquet import GROUP_ROWS, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Shop

    Call = Callable[..., str]


@pytest.fixture
def source(shop: Shop) -> Path:
    shop.picture("a.jpg")
    rows = (
        {"image": "a.jpg", "instruction": "=mirror", "sku": "007", "n": {"x": [1, None]}},
        {"image": "a.jpg", "instruction": "naughty", "state": "new", "output": "b.png"},
    )
    path = shop.manifest("m.jsonl", *rows)
    shop.run(path, refuse="naughty")
    return path


@pytest.mark.usefixtures("source")
def test_export_as_parquet_tells_what_jsonl_tells(shop: Shop, call: Call) -> None:
    file = shop.folder / "items.parquet"
    call("export", shop.out, "--to", file)

    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    lines = [
        json.loads(line) for line in call("export", shop.out, "--format", "jsonl").splitlines()
    ]
    assert rows[0].pop("n") == '{"x":[1,null]}'
    assert lines[0].pop("n") == {"x": [1, None]}
    assert (rows[0]["instruction"], rows[0]["sku"], rows[1]["sku"]) == ("=mirror", "007", None)
    assert rows[1]["manifest_state"] == "new"
    for row, line in zip(rows, lines, strict=True):
        moment = row.pop("finished_at")
        assert moment == datetime.fromisoformat(line.pop("finished_at"))
        assert {name: value for name, value in row.items() if name in line} == line


@pytest.mark.usefixtures("source")
def test_export_as_parquet_types_its_columns(shop: Shop, call: Call) -> None:
    file = shop.folder / "items"
    call("export", shop.out, "--to", file, "--format", "parquet")

    types = {field.name: str(field.type) for field in pq.read_schema(file)}
    assert (types["number"], types["take"], types["watermark"]) == ("int64", "int32", "bool")
    assert (types["cost"], types["width"], types["state"]) == ("double", "int32", "string")
    assert types["finished_at"].endswith("tz=UTC]")
    assert types["n"] == types["sku"] == "string"


def test_export_as_parquet_is_written_by_groups_while_it_is_read() -> None:
    file, sizes = io.BytesIO(), []

    def many() -> Any:
        for number in range(2 * GROUP_ROWS + 1):
            if number % GROUP_ROWS == 1:
                sizes.append(len(file.getvalue()))
            yield Outcome(number=number, line=1, image="/a", instruction="x", state=ItemState.SAVED)

    write_parquet(many(), file, extra_columns=())

    assert sizes == sorted(set(sizes)), "nothing was written before all was read"
    read = pq.ParquetFile(io.BytesIO(file.getvalue()))
    assert (read.metadata.num_row_groups, read.metadata.num_rows) == (3, 2 * GROUP_ROWS + 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "parquet"), "no text to print"),
        (("--to", "f.parquet", "--state", "failed"), "run takes none that is Parquet"),
    ],
)
def test_export_as_parquet_is_refused_where_it_cannot_be(
    shop: Shop, call: Call, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        call("export", shop.out, *words)


@pytest.mark.usefixtures("source")
def test_export_as_parquet_to_a_full_disk_is_a_disk_error(shop: Shop, call: Call) -> None:
    with pytest.raises(DiskError, match="cannot be written"):
        call("export", shop.out, "--to", "/dev/full", "--format", "parquet")


@pytest.mark.usefixtures("source")
def test_export_without_the_extra_says_what_to_install(shop: Shop) -> None:
    file = shop.folder / "items.parquet"
    code = (
        "import sys; sys.modules['pyarrow'] = None;"
        "from qwenbatch.cli.app import command; sys.exit(command(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "export", str(shop.out), "--to", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "pip install 'qwenbatch[parquet]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not file.exists()
