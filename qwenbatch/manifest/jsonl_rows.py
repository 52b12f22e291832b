"""Rows of a JSONL manifest: our own, or the service's request bodies."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from qwenbatch.core.items import BadRow, Fault, InlineSource, Row
from qwenbatch.core.naming import mirror_of_inline
from qwenbatch.manifest.column_names import RENAME, column_meant, folded, unknown_column
from qwenbatch.manifest.data_uri import find_inline, is_data_uri
from qwenbatch.manifest.fields import COLUMNS, MAX_TAKE, Stated, judge, quote, take_fault
from qwenbatch.manifest.lines import MAX_LINE_BYTES, Lines
from qwenbatch.manifest.request_body import Body, body_of, holds_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qwenbatch.core.items import RowDefaults

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_NEIGHBOURS = 100
_JUDGED_NAMES = 1_000
"""How many names of a row are judged; further ones travel unlooked at."""

_COLUMNS = frozenset(COLUMNS)
_BODY_COLUMNS = ("image", "instruction", "negative_prompt", "watermark")
_SHOWN_CHARACTERS = 64
_ENDLESS = 10**1000
_position = re.compile(r"(.*?)(?: \(byte ([0-9]+)\))?").fullmatch
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")


def jsonl_rows(
    path: Path, base: str, defaults: RowDefaults, *, name: str
) -> Iterator[Row | BadRow]:
    """The rows of a JSONL file, in its order; blank lines are passed over.

    `name` is what sources are told to stand in that stand in it: its path, absolute.
    """
    number = 0
    with Lines(path) as lines:
        while (raw := lines.next()) != b"":
            if raw is not None and raw.isspace():
                continue
            number += 1
            line = lines.line
            if raw is None:
                fault = Fault(reason=f"the line is longer than {MAX_LINE_BYTES:,} bytes")
                yield BadRow(number=number, line=line, faults=(fault,))
                continue
            values = _object(raw)
            if not isinstance(values, dict):
                yield BadRow(number=number, line=line, faults=(values,))
                continue
            stated = _stated(values, number=number, line=line)
            if stated.image is not None and is_data_uri(stated.image):
                _state_inline(stated, raw, file=name, offset=lines.offset)
            yield judge(stated, base=base, defaults=defaults)


def _object(raw: bytes) -> dict[str, Any] | Fault:
    """The JSON object on a line, or where the line ceases to be one."""
    try:
        value = _decode(raw)
    except UnicodeDecodeError:
        return Fault(reason=_not_utf8(raw), advice="save the file as UTF-8")
    except RecursionError:
        return Fault(reason="the JSON is nested too deeply")
    except msgspec.MsgspecError as error:
        return _json_fault(raw, str(error))
    if isinstance(value, dict):
        return value
    return Fault(
        reason=f"a line must hold a JSON object, not {_shown(value)}",
        advice='write {"image": "…", "instruction": "…"}',
    )


def _not_utf8(raw: bytes) -> str:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start + 1:,} of the line"
    return "not UTF-8"


def _json_fault(raw: bytes, words: str) -> Fault:
    """What is wrong with a line that is no JSON, with the position in bytes from 1."""
    found = _position(words)
    what, byte = (found[1], found[2]) if found else (words, None)
    what = what.removeprefix("JSON is malformed: ")
    if "truncated" in what:
        if _HALF_CHARACTER.search(raw):
            return Fault(reason="not JSON: it ends too early, or \\u names half a character")
        return Fault(
            reason=f"not JSON: it ends too early, at byte {len(raw.rstrip()):,} of the line",
            advice="one row is one line: write newlines inside a text as \\n",
        )
    place = f" at byte {int(byte) + 1:,} of the line" if byte else ""
    return Fault(reason=f"not JSON: {what}{place}")


def _stated(values: dict[str, Any], *, number: int, line: int) -> Stated:
    """What an object says; whatever is not ours in it travels."""
    stated = Stated(number=number, line=line)
    misses = () if values.keys() <= _COLUMNS else _near_misses(values)
    body = body_of(values) if holds_body(values) else None
    if misses:
        _state_near_misses(stated, misses, said=() if body is None else _BODY_COLUMNS)
    if body is None:
        if "image" not in values and "image" not in stated.mistaken:
            stated.faults += (_no_image(values),)
        stated.image = _text(values, "image", stated)
        stated.instruction = _text(values, "instruction", stated)
        stated.negative_prompt = _text(values, "negative_prompt", stated)
        stated.watermark = _flag(values, stated)
    else:
        _state_body(stated, body)
    stated.output = _text(values, "output", stated)
    stated.take = _take(values, stated)
    stated.id = _id(values, stated)
    if values:
        try:
            stated.extra = _encode(values)
        except (RecursionError, OverflowError, msgspec.MsgspecError) as error:
            stated.faults += (Fault(reason=f"a column cannot travel: {error}"),)
    return stated


def _near_misses(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The names that are near misses of columns which the row lacks, each with its column.

    A name that equals such a column but for its case, blanks and dashes is renamed to it; a
    second one that does is a near miss.
    """
    near = [
        (name, column)
        for name in islice(values, _JUDGED_NAMES)
        if name not in _COLUMNS
        and (column := column_meant(name)) is not None
        and column not in values
    ]
    twice: list[tuple[str, str]] = []
    for name, column in near:
        if folded(name) == column:
            if column in values:
                twice.append((name, column))
            else:
                values[column] = values.pop(name)
    return (*twice, *((name, column) for name, column in near if column not in values))


def _state_near_misses(
    stated: Stated, misses: tuple[tuple[str, str], ...], *, said: tuple[str, ...]
) -> None:
    """Fault the near misses, except those of columns that a request body says already."""
    for name, column in misses:
        if column in said:
            continue
        shown = quote(name)
        fault = Fault(reason=unknown_column(shown, column), column=shown[1:-1], advice=RENAME)
        stated.faults += (fault,)
        stated.mistaken += (column,)


def _no_image(values: dict[str, Any]) -> Fault:
    close = get_close_matches("image", list(islice(values, _NEIGHBOURS)), n=1, cutoff=0.7)
    return Fault(
        reason="there is no image",
        column="image",
        advice=f'Rename "{close[0]}" to "image"' if close else "give a path or an http(s) URL",
    )


def _state_body(stated: Stated, body: Body) -> None:
    stated.image = body.image
    stated.instruction = body.text
    stated.negative_prompt = body.negative_prompt
    stated.watermark = body.watermark
    stated.incomplete = body.image is None
    stated.faults += body.faults


def _text(values: dict[str, Any], name: str, stated: Stated) -> str | None:
    """The text under a name, taken out; None where there is none, or no text (a fault)."""
    value = values.pop(name, None)
    if value is None or isinstance(value, str):
        return value
    stated.faults += (Fault(reason=f"{name} must be a text, not {_shown(value)}", column=name),)
    return None


def _flag(values: dict[str, Any], stated: Stated) -> bool | None:
    value = values.pop("watermark", None)
    if value is None or isinstance(value, bool):
        return value
    stated.faults += (
        Fault(reason=f"watermark must be true or false, not {_shown(value)}", column="watermark"),
    )
    return None


def _take(values: dict[str, Any], stated: Stated) -> int | None:
    value = values.pop("take", None)
    if value is None or (type(value) is int and 1 <= value <= MAX_TAKE):
        return value
    stated.faults += (take_fault(_shown(value)),)
    return None


def _id(values: dict[str, Any], stated: Stated) -> str | None:
    """An id is a text or a whole number, which is kept as its text; an empty one is none."""
    value = values.get("id")
    if type(value) is int and abs(value) < _ENDLESS:
        del values["id"]
        return str(value)
    return _text(values, "id", stated) or None


def _shown(value: object) -> str:
    """A JSON value as a message shows it."""
    match value:
        case str():
            return quote(value)
        case dict() | list():
            return "an object" if isinstance(value, dict) else "a list"
        case int() if abs(value) >= _ENDLESS:
            return "so long a number"
        case _:
            return _encode(value).decode()


def _state_inline(stated: Stated, raw: bytes, *, file: str, offset: int) -> None:
    """Put a data URI's place in the file where its text was: a row is not to hold a picture."""
    inline = find_inline(stated.image or "", raw)
    stated.image = _shortened(stated.image or "")
    if isinstance(inline, Fault):
        stated.faults += (inline,)
        return
    stated.source = InlineSource(manifest=file, offset=offset + inline.offset, length=inline.length)
    stated.mirror = mirror_of_inline(stated.number, inline.mime)


def _shortened(uri: str) -> str:
    return uri if len(uri) <= _SHOWN_CHARACTERS else uri[:_SHOWN_CHARACTERS] + "…"
