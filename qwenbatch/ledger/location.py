"""Where the ledger of an OUT lies: in it, or where OUT's note says."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from qwenbatch.errors import LedgerError
from qwenbatch.ledger import database

if TYPE_CHECKING:
    from pathlib import Path

    import apsw


_for_us_alone = partial(os.open, mode=0o600)
_MOST_NOTE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Location:
    """A ledger's file, and the note in OUT that leads to it (`None`: it lies in OUT itself)."""

    file: Path
    note: Path | None

    @property
    def lock(self) -> Path:
        """The lock lies beside the ledger."""
        return self.file.with_name(self.file.name + ".lock")

    @property
    def spool(self) -> Path:
        """The spool lies beside the ledger too."""
        return self.file.with_name(self.file.name + ".spool")

    @property
    def rebuilt(self) -> Path:
        """Where a repair puts the new ledger until the damaged one is out of the way."""
        return self.file.with_name(self.file.name + ".rebuilt")

    def remember(self, connection: apsw.Connection) -> None:
        """Let OUT know the ledger that lies elsewhere, by its path and id.

        The note's content is flushed; its folder is left to the caller.
        """
        if self.note is None:
            return
        if self.note.exists():
            self.verify(connection)
            return
        text = json.dumps({"id": database.meta(connection, "id"), "path": str(self.file)})
        fresh = self.note.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with open(fresh, "x", encoding="utf-8", opener=_for_us_alone) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.note)

    def verify(self, connection: apsw.Connection) -> None:
        """LedgerError unless this is the very ledger that OUT remembers."""
        if self.note is None or not self.note.exists():
            return
        wanted = _read(self.note)["id"]
        if database.meta(connection, "id") != wanted:
            raise LedgerError(
                f"{self.file} is not the ledger that this folder was begun with",
                f"bring back the ledger whose id is {wanted}, or choose another folder with -o",
            )


def locate(own: Path, asked: Path | None) -> Location:
    """The ledger of an OUT whose own folder is `own`; `asked` is what `--ledger` says.

    Raises LedgerError where OUT remembers another ledger, its ledger is missing, or a repair of
    it was cut short.
    """
    location = locate_damaged(own, asked)
    if location.file.exists():
        return location
    if location.rebuilt.exists():
        raise LedgerError(
            f"a repair of the ledger {location.file} was cut short",
            f"end it: qwenbatch doctor --repair {own.parent}",
        )
    if location.note is not None and location.note.exists():
        raise LedgerError(
            f"this folder's ledger {location.file} is missing",
            "bring it back: without it nobody knows what is paid",
        )
    return location


def locate_damaged(own: Path, asked: Path | None) -> Location:
    """As `locate`, for a repair: the ledger may be missing."""
    inside, note = own / "ledger.db", own / "ledger.json"
    if note.exists():
        remembered = own / _read(note)["path"]
        if asked is not None and not _same(asked, remembered):
            raise LedgerError(
                f"this folder's ledger is {remembered}, not {asked}",
                "leave --ledger out, or choose another folder with -o",
            )
        return Location(remembered, note)
    if asked is None or _same(asked, inside):
        return Location(inside, None)
    if inside.exists():
        raise LedgerError(
            f"this folder has a ledger already: {inside}",
            "leave --ledger out, or choose another folder with -o",
        )
    return Location(asked, note)


def _read(note: Path) -> dict[str, str]:
    try:
        with note.open("rb") as file:
            read = json.loads(file.read(_MOST_NOTE_BYTES))
        return {"id": str(read["id"]), "path": str(read["path"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LedgerError(
            f"{note} cannot be read: {error}",
            "it names this folder's ledger: restore it from a backup",
        ) from error


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
