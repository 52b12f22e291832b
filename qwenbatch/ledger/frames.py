"""What many texts of a ledger share is kept once: folders, addresses, ends of names.

A text is a frame, its head and its tail, and what stands in it. Of a text with a UUID in it that
is the UUID, as 16 bytes; of any other what follows its last slash, and the tail is empty. What
follows a question mark is never part of a frame: it may be a secret. The views `attempts_whole`
and `items_whole` put the texts together again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import apsw

MOST_FRAMES = 50_000
"""Where a ledger has so many, they are not what many share: further texts are kept unframed."""

UNFRAMED = 0
"""The frame with neither head nor tail, which every ledger has."""

Filling: TypeAlias = str | bytes
"""What stands in a frame: a UUID's bytes, or text."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Framed(NamedTuple):
    """A text in two: the number of its frame, and what stands in it."""

    frame: int
    filling: Filling


def keep(db: apsw.Connection, text: str) -> Framed:
    """A text as the ledger keeps it; its frame is added if it is new."""
    (framed,) = keep_all(db, (text,))
    return framed


def keep_all(db: apsw.Connection, texts: Iterable[str]) -> list[Framed]:
    """Texts as the ledger keeps them; their frames are added where they are new."""
    return _frame_all(db, texts, _find_or_add)


def find_all(db: apsw.Connection, texts: Iterable[str]) -> list[Framed]:
    """Texts as the ledger has them, if it has them."""
    return _frame_all(db, texts, _find)


def pack(name: str) -> Filling:
    """A name that has no frame: the bytes of a UUID, or the name as it is."""
    return bytes.fromhex(name.replace("-", "")) if _UUID.fullmatch(name) else name


def _frame_all(
    db: apsw.Connection,
    texts: Iterable[str],
    number: Callable[[apsw.Connection, str, str], int],
) -> list[Framed]:
    """Each frame's number is asked for once."""
    numbers: dict[tuple[str, str], int] = {}
    framed = []
    for text in texts:
        head, filling, tail = _cut(text)
        frame = numbers.get((head, tail))
        if frame is None:
            frame = numbers[head, tail] = number(db, head, tail)
        framed.append(Framed(UNFRAMED, text) if frame == UNFRAMED else Framed(frame, filling))
    return framed


def _find(db: apsw.Connection, head: str, tail: str) -> int:
    """The number of a frame; `UNFRAMED` if there is no such frame."""
    row = db.execute("SELECT id FROM frames WHERE head = ? AND tail = ?", (head, tail)).fetchone()
    return UNFRAMED if row is None else int(row[0])


def _find_or_add(db: apsw.Connection, head: str, tail: str) -> int:
    """The number of a frame; `UNFRAMED` if there is none, and no room for it."""
    frame = _find(db, head, tail)
    if frame != UNFRAMED or not (head or tail):
        return frame
    if db.execute("SELECT max(id) FROM frames").get >= MOST_FRAMES:
        return UNFRAMED
    db.execute("INSERT INTO frames (head, tail) VALUES (?, ?)", (head, tail))
    return db.last_insert_rowid()


def _cut(text: str) -> tuple[str, Filling, str]:
    """Head, filling and tail of a text."""
    shared, asked, _ = text.partition("?")
    start = shared.rfind("/") + 1
    if not asked and (found := _UUID.search(text, start)):
        return text[: found.start()], pack(found.group()), text[found.end() :]
    return text[:start], text[start:], ""
