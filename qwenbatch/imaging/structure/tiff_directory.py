"""TIFF's directories, of both byte orders and both widths (TIFF 6.0, BigTIFF)."""

from __future__ import annotations

from struct import Struct
from typing import Final

import msgspec

from qwenbatch.imaging.structure.window import Window

MAX_VALUES: Final = 1_000_000
"""The most values of one field that are read: more strips than the largest picture has rows."""

_KIND_BYTES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
_UNSIGNED: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


class Layout(msgspec.Struct, frozen=True):
    """How numbers and directories are written in one kind of TIFF."""

    order: str
    start: int
    pointer: Struct
    entries: Struct
    entry: Struct
    inline: int

    @classmethod
    def of(cls, head: bytes) -> Layout | None:
        """The layout of a file that begins with `head`; None if it is no TIFF."""
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None:
            return None
        match int.from_bytes(head[2:4], "little" if order == "<" else "big"):
            case 42:
                widths = (4, "I", "H", "HHI", 4)
            case 43:
                widths = (8, "Q", "Q", "HHQ", 8)
            case _:
                return None
        start, pointer, entries, entry, inline = widths
        return cls(
            order=order,
            start=start,
            pointer=Struct(order + pointer),
            entries=Struct(order + entries),
            entry=Struct(f"{order}{entry}{inline}x"),
            inline=inline,
        )

    @property
    def big(self) -> bool:
        """Whether this is BigTIFF."""
        return self.inline != 4  # noqa: PLR2004 - the bytes in which classic TIFF holds a value


class Field(msgspec.Struct, frozen=True):
    """Where the values of one tag lie."""

    kind: int
    count: int
    offset: int


class Directory(msgspec.Struct, frozen=True):
    """The fields of one picture of the file; every value of a known kind lies inside the file."""

    window: Window
    layout: Layout
    fields: dict[int, Field]
    following: int

    @classmethod
    def at(cls, window: Window, layout: Layout, offset: int) -> Directory:
        """The directory at `offset`; PictureError where it or a value of it leaves the file."""
        (entries,) = window.unpack(layout.entries, offset)
        window.count(entries)
        offset += layout.entries.size
        fields: dict[int, Field] = {}
        for _ in range(entries):
            tag, kind, count = window.unpack(layout.entry, offset)
            offset += layout.entry.size
            if kind >= len(_KIND_BYTES):
                continue
            length = _KIND_BYTES[kind] * count
            place = offset - layout.inline
            if length > layout.inline:
                (place,) = window.unpack(layout.pointer, place)
            if place + length > window.size:
                raise window.cut_off("a value that its directory announces")
            fields.setdefault(tag, Field(kind, count, place))
        (following,) = window.unpack(layout.pointer, offset)
        return cls(window, layout, fields, following)

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The unsigned numbers of a tag, none if it is missing; each counts as a part."""
        field = self.fields.get(tag)
        if field is None:
            return ()
        code = _UNSIGNED.get(field.kind)
        if code is None or field.count > MAX_VALUES:
            raise self.window.damaged(f"its field {tag} makes no sense")
        self.window.count(field.count)
        return self.window.unpack(Struct(f"{self.layout.order}{field.count}{code}"), field.offset)

    def number(self, tag: int, default: int) -> int:
        """The first number of a tag, or `default` where it is missing or empty."""
        field = self.fields.get(tag)
        if field is None or not field.count:
            return default
        code = _UNSIGNED.get(field.kind)
        if code is None:
            return default
        (value,) = self.window.unpack(Struct(self.layout.order + code), field.offset)
        return int(value)
