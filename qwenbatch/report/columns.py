"""An export's columns: ours first, then those that travelled with the manifest.

A travelling column keeps its name unless that is one of ours, or blank: then `manifest_` is put
before it, as often as it takes for the name to be free. Nothing is lost, and ours are as
documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qwenbatch.core.outcomes import Outcome

MANIFEST_COLUMNS = (
    "image",
    "instruction",
    "output",
    "negative_prompt",
    "watermark",
    "take",
    "id",
)
"""What a manifest has; in its order there."""

OUTCOME_COLUMNS = (
    "number",
    "line",
    *MANIFEST_COLUMNS,
    "state",
    "kind",
    "reason",
    "key",
    "result",
    "width",
    "height",
    "cost",
    "request_id",
    "attempts",
    "finished_at",
)
"""What an export has; each is the `Outcome`'s field of that name."""

_PREFIX = "manifest_"


def own_columns(*, manifest_only: bool) -> tuple[str, ...]:
    """The columns of ours that an export of either sort has."""
    return MANIFEST_COLUMNS if manifest_only else OUTCOME_COLUMNS


def travelling_columns(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """The names of all columns that travel with these outcomes, in the order of their coming."""
    names: dict[str, None] = {}
    for outcome in outcomes:
        if outcome.extra != b"{}":
            names.update(dict.fromkeys(travelling(outcome)))
    return tuple(names)


def travelling(outcome: Outcome) -> dict[str, object]:
    """An outcome's travelling columns, as JSON values."""
    return msgspec.json.decode(outcome.extra, type=dict[str, object])


def export_names(extra_columns: Sequence[str], *, manifest_only: bool) -> dict[str, str]:
    """The name in the export of each travelling column.

    A manifest's reader takes its own columns in any case and with blanks around them, so a
    travelling name that it would take for one of them counts as one of ours.
    """
    ours = own_columns(manifest_only=manifest_only)
    taken = set(extra_columns)
    names: dict[str, str] = {}
    for column in extra_columns:
        name = column
        meant = column.strip().lower()
        if not meant or meant in ours:
            name = _PREFIX + column.strip()
            while name in taken or name.lower() in ours:
                name = _PREFIX + name
            taken.add(name)
        names[column] = name
    return names
