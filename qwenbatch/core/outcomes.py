"""What became of an item, as one value: the row of an export, the line of a report."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ItemState(StrEnum):
    """What a person is told of an item; the values are those of `export --state`."""

    SAVED = "saved"
    FAILED = "failed"
    INVALID = "invalid"
    UNCERTAIN = "uncertain"
    LOST = "lost"
    PENDING = "pending"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """An item as its manifest stated it, and how it stands.

    `image` is an absolute path or a URL, `output` a path relative to OUT, `result` the absolute
    path of the file that is in place. `kind` names the last failure, `reason` says it in words.
    `key` is the edit's in 64 hexadecimal digits. `width` and `height` are the result's, in
    pixels; `cost` is in USD, what was paid for the item's edit; `attempts` counts its POSTs.
    `finished_at` is a UTC time in ISO 8601. `extra` holds the travelling columns as a JSON
    object.
    """

    number: int
    line: int
    image: str
    instruction: str
    state: ItemState
    negative_prompt: str = ""
    watermark: bool = False
    take: int = 1
    id: str | None = None
    output: str | None = None
    kind: str | None = None
    reason: str = ""
    key: str | None = None
    result: str | None = None
    width: int | None = None
    height: int | None = None
    cost: float = 0.0
    request_id: str | None = None
    attempts: int = 0
    finished_at: str | None = None
    extra: bytes = b"{}"
