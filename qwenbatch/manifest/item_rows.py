"""Rows of items that a program states: the rules of a manifest, without its file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from qwenbatch.core.items import BadRow, Fault, Row
from qwenbatch.manifest.fields import COLUMNS, MAX_TAKE, Stated, judge, quote, take_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.core.items import RowDefaults

T = TypeVar("T")

MAX_SHOWN_CHARACTERS = 8_000
"""So much of the image of a bad row is kept, to tell which it is."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=False)
class Item:
    """One picture and what to do to it: a row of a manifest, in a program.

    `image` is a file, relative to the working directory if not absolute, or an http(s) URL that
    the service fetches. `instruction`, `negative_prompt` and `watermark` are those of the settings
    where None. `output` is where the result goes, relative to OUT, ending in `.png`; None: it
    mirrors its source. Another `take` is another edit of the same picture and instruction. `id`
    and `extra`, which must be fit for JSON, travel to the outcome and the export.

    Nothing is checked here: an item that breaks a manifest's rules becomes an outcome `invalid`
    that says why, and costs nothing.
    """

    image: str | os.PathLike[str]
    instruction: str | None = None
    output: str | None = None
    negative_prompt: str | None = None
    watermark: bool | None = None
    take: int = 1
    id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def row_of(item: Item, *, number: int, base: str, defaults: RowDefaults) -> Row | BadRow:
    """The row that an item makes, or all that is wrong with it.

    `number` counts items from 1; `base` is the folder that relative images are relative to,
    absolute and normalised.
    """
    if not isinstance(item, Item):
        fault = Fault(reason=f"an Item is wanted, not {_kind(item)}", advice="write Item(…)")
        return BadRow(number=number, line=0, faults=(fault,))
    stated = Stated(number=number, line=0)
    image: object = item.image
    stated.image = _text(
        "image", os.fspath(image) if isinstance(image, os.PathLike) else image, stated
    )
    stated.instruction = _text("instruction", item.instruction, stated)
    stated.negative_prompt = _text("negative_prompt", item.negative_prompt, stated)
    stated.output = _text("output", item.output, stated)
    stated.id = _text("id", item.id, stated) or None
    stated.watermark = _of(bool, "watermark", item.watermark, stated)
    _state_take(stated, item.take)
    _state_extra(stated, item.extra)
    row = judge(stated, base=base, defaults=defaults)
    if type(row) is BadRow and len(row.image) > MAX_SHOWN_CHARACTERS:
        return msgspec.structs.replace(row, image=row.image[:MAX_SHOWN_CHARACTERS])
    return row


def _text(column: str, value: object, stated: Stated) -> str | None:
    """A text, if it is one that can be stored; None where there is none, or a fault."""
    text = _of(str, column, value, stated)
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        advice = "give valid Unicode"
        stated.faults += (
            Fault(reason=f"{column} holds half a character", column=column, advice=advice),
        )
        return text.encode(errors="backslashreplace").decode()
    return text


def _of(kind: type[T], column: str, value: object, stated: Stated) -> T | None:
    if value is None or isinstance(value, kind):
        return value
    wanted = "true or false" if kind is bool else "a text"
    reason = f"{column} must be {wanted}, not {_kind(value)}"
    stated.faults += (Fault(reason=reason, column=column),)
    return None


def _state_take(stated: Stated, take: object) -> None:
    if type(take) is int and 1 <= take <= MAX_TAKE:
        stated.take = take
    else:
        stated.faults += (take_fault(quote(repr(take)) if isinstance(take, int) else _kind(take)),)


def _state_extra(stated: Stated, extra: Mapping[str, Any]) -> None:
    try:
        ours = [name for name in extra if name in COLUMNS]
        stated.extra = _encode(dict(extra)) if extra else b"{}"
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        stated.faults += (Fault(reason=f"extra cannot travel: {error}", column="extra"),)
        return
    if ours:
        reason = f"extra names {', '.join(ours)}, which an item has already"
        stated.faults += (Fault(reason=reason, column="extra", advice="give it another name"),)


def _kind(value: object) -> str:
    return f"a value of the type {type(value).__name__}"
