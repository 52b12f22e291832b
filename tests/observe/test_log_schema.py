"""The log's JSON lines and the schema that documents them: neither can move without the other."""

from __future__ import annotations

import json
import types
from enum import Enum
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError
from msgspec.structs import fields, replace

import qwenbatch.core.events
import qwenbatch.core.summary
from qwenbatch.core import money, stops, summary, verdicts
from qwenbatch.core.events import Event
from qwenbatch.observe import log
from qwenbatch.observe.log import VERSION, json_line
from qwenbatch.observe.log_records import event_name
from tests.observe.test_log import ENDED, EVERY, TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: dict[str, Any] = json.loads(log.SCHEMA_FILE.read_text(encoding="utf-8"))
NAMES = {**vars(qwenbatch.core.events), **vars(summary), **vars(stops), **vars(verdicts)}
HEAD = ["v", "time", "event"]


def line(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_line(event, TIME))
    return found


def check(record: dict[str, Any]) -> None:
    Draft202012Validator(SCHEMA).validate(record)


def hints_of(kind: type) -> dict[str, Any]:
    names = NAMES | {"MicroUSD": money.MicroUSD}
    return get_type_hints(kind, names | {"Mapping": dict, "AbstractSet": frozenset})


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    return found


def choices(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)


def agrees(hint: Any, schema: dict[str, Any], where: str) -> None:
    """Fail unless a field of that type is what the schema says."""
    kinds = [kind for kind in choices(hint) if kind is not type(None)]
    nullable = len(kinds) < len(choices(hint))
    (kind,) = kinds
    if "$ref" in schema:
        schema = resolved(schema)
    if "anyOf" in schema:
        reference, null = schema["anyOf"]
        assert nullable, where
        assert null == {"type": "null"}, where
        schema = resolved(reference)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields_agree(kind, schema, [], where)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        assert schema["enum"] == [None] * nullable + [member.value for member in kind], where
    elif get_origin(kind) is dict:
        assert schema["type"] == "object", where
    elif get_origin(kind) is tuple:
        assert schema["type"] == "array", where
    else:
        money_or = "number" if kind is money.MicroUSD else None
        name = money_or or {str: "string", int: "integer", float: "number", bool: "boolean"}[kind]
        # Infinite numbers become null, so a number of no known bound may be null too.
        told = schema["type"]
        allowed = [name, [name, "null"]] if kind is float and not nullable else None
        assert told in (allowed or [[name, "null"] if nullable else name]), where


def fields_agree(
    kind: type[msgspec.Struct], schema: dict[str, Any], head: list[str], where: str
) -> None:
    names = [*head, *(field.name for field in fields(kind))]
    assert list(schema["properties"]) == names, where
    assert schema["required"] == names, where
    assert schema["additionalProperties"] is False, where
    for name, hint in hints_of(kind).items():
        agrees(hint, schema["properties"][name], f"{where}.{name}")


def described(schema: Any, where: str) -> Iterator[str]:
    """Every property and definition without a description."""
    for group in ("properties", "$defs"):
        for name, part in schema.get(group, {}).items():
            if not part.get("description"):
                yield f"{where}.{name}"
            yield from described(part, f"{where}.{name}")


def test_schema_is_one_and_describes_every_field() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert list(described(SCHEMA, "")) == []


def test_schema_knows_every_event_and_no_other() -> None:
    names = [event_name(event) for event in EVERY]
    assert {type(event) for event in EVERY} == set(get_args(Event))
    assert [part["$ref"].rpartition("/")[2] for part in SCHEMA["oneOf"]] == names
    assert set(SCHEMA["$defs"]) == {*names, "items", "estimate", "summary"}


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_schema_has_the_fields_of_an_event_and_no_others(event: Event) -> None:
    part = SCHEMA["$defs"][event_name(event)]
    fields_agree(type(event), part, HEAD, event_name(event))
    assert part["properties"]["v"]["const"] == VERSION
    assert part["properties"]["event"]["const"] == event_name(event)


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_schema_takes_an_events_line_and_none_that_differs(event: Event) -> None:
    record = line(event)
    check(record)
    for name in record:
        with pytest.raises(ValidationError):
            check({key: value for key, value in record.items() if key != name})
    for other in ({"more": 1}, {"v": VERSION + 1}, {"event": "unheard_of"}, {"time": "noon"}):
        with pytest.raises(ValidationError):
            check(record | other)


@pytest.mark.parametrize("kind", [None, *verdicts.Kind])
def test_schema_takes_every_kind_of_failure(kind: verdicts.Kind | None) -> None:
    check(line(replace(ENDED, kind=kind)))
