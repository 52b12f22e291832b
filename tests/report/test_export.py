from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qwenbatch.core.items import Row, RowDefaults
from qwenbatch.core.outcomes import ItemState, Outcome
from qwenbatch.manifest.read import open_manifest
from qwenbatch.report.columns import (
    OUTCOME_COLUMNS,
    export_names,
    travelling,
    travelling_columns,
)
from qwenbatch.report.export import write_csv, write_jsonl

if TYPE_CHECKING:
    from pathlib import Path

NASTY = st.sampled_from(
    ["=1+1", "'=x", "''", "'tis", "-1", "@a", "\tx", "\rx", "a\r\nb", 'q"q', "a,b;c", "\ufeffx"]
)
TEXTS = st.one_of(
    NASTY, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
)
FILLED = TEXTS.filter(str.strip)
IMAGES = st.one_of(
    st.sampled_from(["/p/a.jpg", "https://h.example/a.jpg?x=1", "/p/=x.jpg", "/p/ü 1.jpg"]),
    FILLED.map(lambda text: "/p/" + text.replace("/", "_") + ".jpg"),
)
NAMES = st.one_of(FILLED, st.sampled_from(["state", "cost", "Image", "TAKE ", "manifest_image"]))
OUTCOMES = st.builds(
    Outcome,
    number=st.just(1),
    line=st.just(2),
    image=IMAGES,
    instruction=FILLED,
    state=st.sampled_from(ItemState),
    negative_prompt=TEXTS,
    watermark=st.booleans(),
    take=st.integers(1, 1_000_000),
    id=st.one_of(st.none(), FILLED),
    output=st.sampled_from([None, "a.png", "x/=1.png", "'-.png", "ü/1 2.png"]),
    extra=st.dictionaries(NAMES, FILLED, max_size=3).map(msgspec.json.encode),
)


def outcome(**changes: object) -> Outcome:
    """An item that was saved."""
    saved = Outcome(
        number=1,
        line=2,
        image="/p/a.jpg",
        instruction="make it red",
        state=ItemState.SAVED,
        key="ab" * 32,
        result="/out/a.png",
        width=1248,
        height=832,
        cost=0.055,
        attempts=1,
        finished_at="2026-01-02T03:04:05Z",
    )
    return msgspec.structs.replace(saved, **changes)


def as_csv(outcomes: list[Outcome], *, manifest_only: bool) -> str:
    to = io.StringIO(newline="")
    columns = travelling_columns(outcomes)
    write_csv(outcomes, to, extra_columns=columns, manifest_only=manifest_only)
    return to.getvalue()


def as_jsonl(outcomes: list[Outcome], *, manifest_only: bool) -> str:
    to = io.StringIO(newline="")
    write_jsonl(outcomes, to, manifest_only=manifest_only)
    return to.getvalue()


def test_export_csv_has_every_column_and_what_travelled() -> None:
    rows = [outcome(extra=b'{"sku":7,"tags":["a"]}'), outcome(extra=b'{"shop":null}')]
    header, first, second = csv.reader(io.StringIO(as_csv(rows, manifest_only=False)))
    assert header == [*OUTCOME_COLUMNS, "sku", "tags", "shop"]
    cells = dict(zip(header, first, strict=True))
    assert (cells["state"], cells["cost"], cells["watermark"]) == ("saved", "0.055", "false")
    assert (cells["kind"], cells["sku"], cells["tags"]) == ("", "7", '["a"]')
    assert second[-3:] == ["", "", ""]


def test_export_jsonl_keeps_json_values() -> None:
    line = json.loads(as_jsonl([outcome(extra=b'{"sku":7,"state":"new"}')], manifest_only=False))
    assert list(line)[: len(OUTCOME_COLUMNS)] == list(OUTCOME_COLUMNS)
    assert (line["state"], line["kind"], line["width"], line["sku"]) == ("saved", None, 1248, 7)
    assert line["manifest_state"] == "new"


def test_export_names_lose_no_column_that_is_named_like_ours() -> None:
    columns = ("state", "manifest_state", "State", "sku", " ", "Cost")
    names = export_names(columns, manifest_only=False)
    assert names["manifest_state"] == "manifest_state"
    assert names["sku"] == "sku"
    assert names["state"] == "manifest_manifest_state"
    assert len(set(names.values()) | set(OUTCOME_COLUMNS)) == len(columns) + len(OUTCOME_COLUMNS)
    assert export_names(("state",), manifest_only=True) == {"state": "state"}
    assert export_names(("Image",), manifest_only=True) == {"Image": "manifest_Image"}


def test_export_refuses_a_column_that_the_header_lacks() -> None:
    with pytest.raises(ValueError, match="sku"):
        write_csv(
            [outcome(extra=b'{"sku":1}')], io.StringIO(), extra_columns=(), manifest_only=False
        )


@given(st.lists(OUTCOMES, max_size=3))
def test_export_csv_holds_no_formula(outcomes: list[Outcome]) -> None:
    for only in (True, False):
        text = as_csv(outcomes, manifest_only=only)
        for cells in csv.reader(io.StringIO(text, newline=""), strict=True):
            assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in cells)


def read_back(path: Path, text: str) -> list[Row]:
    path.write_bytes(text.encode())
    rows = list(open_manifest(path, defaults=RowDefaults()))
    assert all(type(row) is Row for row in rows), rows
    return [row for row in rows if isinstance(row, Row)]


def fields(item: Outcome | Row) -> tuple[object, ...]:
    return (
        item.image,
        item.instruction,
        item.negative_prompt,
        item.watermark,
        item.take,
        item.id,
        item.output,
    )


@given(st.lists(OUTCOMES, max_size=3))
@example([outcome(extra=b'{"\'=a":"\'-b"," x ":"1"}')])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_export_as_csv_manifest_is_taken_back_with_the_same_fields(
    tmp_path: Path,
    outcomes: list[Outcome],
) -> None:
    rows = read_back(tmp_path / "m.csv", as_csv(outcomes, manifest_only=True))
    assert [fields(row) for row in rows] == [fields(item) for item in outcomes]
    names = export_names(travelling_columns(outcomes), manifest_only=True)
    for row, item in zip(rows, outcomes, strict=True):
        expected = {names[name]: value for name, value in travelling(item).items()}
        assert msgspec.json.decode(row.extra) == expected


@given(st.lists(OUTCOMES, max_size=3))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_export_as_jsonl_manifest_is_taken_back_with_the_same_fields(
    tmp_path: Path,
    outcomes: list[Outcome],
) -> None:
    rows = read_back(tmp_path / "m.jsonl", as_jsonl(outcomes, manifest_only=True))
    assert [fields(row) for row in rows] == [fields(item) for item in outcomes]
    for row, item in zip(rows, outcomes, strict=True):
        values = travelling(item)
        names = export_names(tuple(values), manifest_only=True)
        expected = {names[name]: value for name, value in values.items()}
        assert msgspec.json.decode(row.extra) == expected


def test_export_streams() -> None:
    taken: list[int] = []

    class Seen(io.StringIO):
        def write(self, text: str) -> int:
            taken.append(made[-1] if made else 0)
            return super().write(text)

    made: list[int] = []

    def many() -> object:
        for number in range(1, 4):
            made.append(number)
            yield outcome(number=number)

    write_jsonl(many(), Seen(), manifest_only=False)  # type: ignore[arg-type] # a generator of them
    assert taken == [1, 2, 3]
