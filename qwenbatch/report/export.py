"""Outcomes as CSV and JSONL, streamed.

With `manifest_only` an export is a manifest, which a run takes back with the same fields.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import msgspec

from qwenbatch.report.columns import (
    export_names,
    own_columns,
    travelling,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from qwenbatch.core.outcomes import Outcome

_is_formula = re.compile(r"'*[=+\-@\t\r]").match


def write_csv(
    outcomes: Iterable[Outcome],
    to: TextIO,
    *,
    extra_columns: Sequence[str],
    manifest_only: bool,
) -> None:
    """A header, then a row an outcome, in RFC 4180's form; `to` is opened with `newline=""`.

    `extra_columns` names every travelling column (`columns.travelling_columns`); an outcome with
    another raises `ValueError`, for it would be lost. A text that a spreadsheet could take for a
    formula gets an apostrophe before it, which the manifest's reader takes away again. A
    travelling value that is no text is written as JSON, null as nothing. In a manifest an empty
    negative prompt means the default: only JSONL can say that there is to be none.
    """
    writer = csv.writer(to, lineterminator="\r\n", strict=True)  # else a lone CR goes unquoted
    ours = own_columns(manifest_only=manifest_only)
    names = export_names(extra_columns, manifest_only=manifest_only)
    writer.writerow([_guarded(name) for name in (*ours, *names.values())])
    for outcome in outcomes:
        values = travelling(outcome) if outcome.extra != b"{}" else {}
        if values.keys() - names.keys():
            lost = ", ".join(sorted(values.keys() - names.keys()))
            raise ValueError(f"columns that the header lacks: {lost}")
        cells = [_cell(getattr(outcome, name)) for name in ours]
        cells.extend(_cell(values.get(name)) for name in names)
        writer.writerow(cells)


def write_jsonl(outcomes: Iterable[Outcome], to: TextIO, *, manifest_only: bool) -> None:
    """An object a line, with our columns as JSON values and the travelling ones beside them.

    In a manifest `output` and `id` stand only where an item has them.
    """
    ours = own_columns(manifest_only=manifest_only)
    encode = msgspec.json.Encoder().encode
    for outcome in outcomes:
        row: dict[str, object] = {}
        for name in ours:
            value = getattr(outcome, name)
            if value is not None or not manifest_only:
                row[name] = value
        if outcome.extra != b"{}":
            values = travelling(outcome)
            names = export_names(tuple(values), manifest_only=manifest_only)
            row.update((names[name], value) for name, value in values.items())
        to.write(encode(row).decode() + "\n")


def _cell(value: object) -> str:
    """A value as a CSV's cell."""
    match value:
        case None:
            return ""
        case str():
            return _guarded(value)
        case _:
            return _guarded(msgspec.json.encode(value).decode())


def _guarded(text: str) -> str:
    """The text, with an apostrophe before whatever a spreadsheet could take for a formula."""
    return "'" + text if _is_formula(text) else text
