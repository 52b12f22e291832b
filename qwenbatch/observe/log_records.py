"""An event as plain data for a log: every field, by its name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from qwenbatch.core.events import (
    AttemptEnded,
    Event,
    FetchFailed,
    Proxied,
    ResultLost,
    ResultSaved,
    RowRefused,
    RowWarned,
    Stopping,
)
from qwenbatch.core.money import MicroUSD, usd
from qwenbatch.core.plain_urls import without_queries

MOST_TEXT = 4000
"""Characters of one text that a log keeps."""

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"
"""What JSON can hold."""

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def event_name(event: Event) -> str:
    """The event's name as logs know it: `attempt_ended`."""
    return _HUMP.sub("_", type(event).__name__).lower()


def record_of(event: Event) -> dict[str, Plain]:
    """The event's fields, in their order: values inside values are objects.

    Money is in dollars, keys are hexadecimal, enumerations their values, URLs without queries;
    texts are cut at 4,000 characters. Numbers that JSON cannot write (infinite ones) are null.
    """
    return _fields_of(event)


_WARNINGS: Mapping[type[Event], str] = MappingProxyType(
    {
        Proxied: "warning",
        RowRefused: "warning",
        RowWarned: "warning",
        FetchFailed: "warning",
        Stopping: "warning",
        ResultLost: "error",
    },
)


def level_of(event: Event) -> str:
    """`info`, `warning` or `error`: how much a person should care."""
    match event:
        case AttemptEnded(kind=kind):
            return "info" if kind is None else "warning"
        case ResultSaved(warning=warning):
            return "warning" if warning else "info"
        case _:
            return _WARNINGS.get(type(event), "info")


def _fields_of(value: msgspec.Struct) -> dict[str, Plain]:
    record: dict[str, Plain] = {}
    for name, is_money in _shape(type(value)):
        part = getattr(value, name)
        record[name] = usd(part) if is_money and part is not None else _plain(part)
    return record


@cache
def _shape(kind: type[msgspec.Struct]) -> tuple[tuple[str, bool], ...]:
    """The fields of such values, and whether each is money.

    Micro-dollars are plain integers once they run: only the field's type tells them apart.
    """
    found = msgspec.structs.fields(kind)
    return tuple((field.name, MicroUSD.__name__ in str(field.type)) for field in found)


def _plain(value: Any) -> Plain:  # noqa: PLR0911 - one return a type
    match value:
        case Enum():
            return _plain(value.value)
        case str():
            return without_queries(value[:MOST_TEXT])
        case bytes():
            return value.hex()
        case float():
            return value if math.isfinite(value) else None
        case bool() | int() | None:
            return value
        case Mapping():
            return {str(name): _plain(part) for name, part in value.items()}
        case tuple() | list():
            return [_plain(part) for part in value]
        case msgspec.Struct():
            return _fields_of(value)
        case _:
            return _plain(str(value))
