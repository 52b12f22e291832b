"""Outcomes as Parquet, written by groups of rows. Needs pyarrow: the extra `qwenbatch[parquet]`."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import pyarrow as pa  # type: ignore[import-untyped] # it comes without types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # likewise

from qwenbatch.report.columns import OUTCOME_COLUMNS, export_names, travelling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qwenbatch.core.outcomes import Outcome

GROUP_ROWS = 10_000
"""Rows of a group: so many are held at once."""

_TYPES: Mapping[str, Any] = MappingProxyType(
    {
        "number": pa.int64(),
        "line": pa.int64(),
        "watermark": pa.bool_(),
        "take": pa.int32(),
        "width": pa.int32(),
        "height": pa.int32(),
        "cost": pa.float64(),
        "attempts": pa.int32(),
        "finished_at": pa.timestamp("s", tz="UTC"),
    },
)
"""Columns of ours that are no text."""


def write_parquet(
    outcomes: Iterable[Outcome], to: BinaryIO, *, extra_columns: Sequence[str]
) -> None:
    """A row an outcome: our columns by their types, the travelling ones as texts.

    `extra_columns` names every travelling column, as in `write_csv`. A travelling value that is no
    text is written as JSON; null, and one that an item lacks, is null.
    """
    names = export_names(extra_columns, manifest_only=False)
    schema = pa.schema(
        [
            *((name, _TYPES.get(name, pa.string())) for name in OUTCOME_COLUMNS),
            *((name, pa.string()) for name in names.values()),
        ],
    )
    rows = iter(outcomes)
    with pq.ParquetWriter(to, schema, compression="zstd") as writer:
        while group := list(islice(rows, GROUP_ROWS)):
            writer.write_table(_table(group, schema, tuple(names)))


def _table(group: list[Outcome], schema: Any, extra_columns: Sequence[str]) -> Any:
    ours = [
        pa.array([_value(outcome, name) for outcome in group], _TYPES.get(name, pa.string()))
        for name in OUTCOME_COLUMNS
    ]
    extras = [travelling(outcome) if outcome.extra != b"{}" else {} for outcome in group]
    others = [
        pa.array([_text(extra.get(name)) for extra in extras], pa.string())
        for name in extra_columns
    ]
    return pa.Table.from_arrays([*ours, *others], schema=schema)


def _value(outcome: Outcome, name: str) -> Any:
    value = getattr(outcome, name)
    if name == "finished_at" and value is not None:
        return datetime.fromisoformat(value)
    return value


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
