"""Where the ledger of an OUT lies: in it, or where OUT's note says."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from qwenbatch.errors import LedgerError
from qwenbatch.ledger import database

if TYPE_CHECKING:
    import apsw


_for_us_alone = partial(os.open, mode=0o600)
_MOST_NOTE_BYTES = 64 * 1024


class Note(Protocol):
    """A note in OUT that leads to a ledger elsewhere; as text it is its own place."""

    def read(self) -> bytes | None:
        """What it says; None if there is none. OSError if it cannot be read."""

    def write(self, content: bytes) -> bool:
        """Make it, durably but for its folder; False if another has come to lie there."""


class FileNote(msgspec.Struct, frozen=True):
    """A note in a folder."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> bytes | None:
        """What it says; None if there is none. OSError if it cannot be read."""
        try:
            with self.path.open("rb") as file:
                return file.read(_MOST_NOTE_BYTES)
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> bool:
        """Make it, flushed; its folder is left to the caller."""
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with open(fresh, "xb", opener=_for_us_alone) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        return True


class Location(msgspec.Struct, frozen=True):
    """A ledger's file, and the note in OUT that leads to it (`None`: it lies in OUT itself).

    `out` is OUT, as its owner would write it.
    """

    file: Path
    note: Note | None
    out: str

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

    @property
    def desk(self) -> Path:
        """The folder beside it that does for an OUT in a store what must be done on a disk."""
        return self.file.with_name(self.file.name + ".desk")

    @property
    def noted_id(self) -> str | None:
        """The id of the ledger that OUT remembers; None if it remembers none that can be read."""
        try:
            remembered = None if self.note is None else _read(self.note)
        except (LedgerError, OSError):
            return None
        return None if remembered is None else remembered.id

    def remember(self, connection: apsw.Connection) -> None:
        """Let OUT know the ledger that lies elsewhere, by its path and id, and that ledger its OUT.

        The note's content is flushed; its folder is left to the caller.
        """
        if self.note is None or self.verify(connection):
            return
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('out', ?)", (self.out,))
        said = {"id": database.meta(connection, "id"), "path": os.path.abspath(self.file)}  # noqa: PTH100 - resolve would follow links
        if not self.note.write(json.dumps(said).encode()):
            self.verify(connection)

    def verify(self, connection: apsw.Connection) -> bool:
        """Whether OUT remembers this ledger; it may be about to, unless the ledger is another's.

        LedgerError if it remembers another ledger, or none and this one belongs to another OUT.
        """
        if self.note is None:
            return False
        remembered = _read(self.note)
        if remembered is None:
            belongs_to = database.meta(connection, "out")
            if belongs_to not in {"", self.out}:
                raise LedgerError(
                    f"the ledger {self.file} belongs to {belongs_to}, not to {self.out}",
                    "each OUT has a ledger of its own: name another file with --ledger",
                )
            return False
        if database.meta(connection, "id") != remembered.id:
            raise LedgerError(
                f"{self.file} is not the ledger that this folder was begun with",
                f"bring back the ledger whose id is {remembered.id},"
                " or choose another folder with -o",
            )
        return True


def locate(own: Path, asked: Path | None) -> Location:
    """The ledger of an OUT whose own folder is `own`; `asked` is what `--ledger` says.

    Raises LedgerError where OUT remembers another ledger, its ledger is missing, or a repair of
    it was cut short.
    """
    return _whole(locate_damaged(own, asked))


def locate_beside(note: Note, out: str, asked: Path | None) -> Location:
    """The ledger of an OUT that lies in a store, where no ledger can; as `locate`.

    Raises LedgerError too where neither its note nor `asked` names one.
    """
    return _whole(locate_damaged_beside(note, out, asked))


def _whole(location: Location) -> Location:
    if location.file.exists():
        return location
    if location.rebuilt.exists():
        raise LedgerError(
            f"a repair of the ledger {location.file} was cut short",
            f"end it: qwenbatch doctor --repair {location.out}",
        )
    if location.note is not None and location.note.read() is not None:
        raise LedgerError(
            f"this folder's ledger {location.file} is missing",
            "bring it back: without it nobody knows what is paid",
        )
    return location


def locate_damaged(own: Path, asked: Path | None) -> Location:
    """As `locate`, for a repair: the ledger may be missing."""
    inside, note, out = own / "ledger.db", FileNote(own / "ledger.json"), str(own.parent)
    remembered = _remembered(note, asked, own)
    if remembered is not None:
        return Location(remembered, note, out)
    if asked is None or _same(asked, inside):
        return Location(inside, None, out)
    if inside.exists():
        raise LedgerError(
            f"this folder has a ledger already: {inside}",
            "leave --ledger out, or choose another folder with -o",
        )
    return Location(asked, note, out)


def locate_damaged_beside(note: Note, out: str, asked: Path | None) -> Location:
    """As `locate_beside`, for a repair: the ledger may be missing."""
    file = _remembered(note, asked, Path()) or asked
    if file is None:
        raise LedgerError(
            f"{out} remembers no ledger, and lies in an object store, where no ledger can be kept:"
            " it needs a disk's locks and flushes",
            "look for OUT's spelling; a run begins one in the file on a local disk that --ledger"
            " names, and notes its place in OUT",
        )
    return Location(file, note, out)


class _Remembered(msgspec.Struct, frozen=True):
    id: str
    path: str


def _remembered(note: Note, asked: Path | None, own: Path) -> Path | None:
    """The ledger that OUT remembers; LedgerError if another is asked for."""
    said = _read(note)
    if said is None:
        return None
    if asked is not None and not _same(asked, own / said.path):
        raise LedgerError(
            f"this folder's ledger is {own / said.path}, not {asked}",
            "leave --ledger out, or choose another folder with -o",
        )
    return own / said.path


def _read(note: Note) -> _Remembered | None:
    try:
        content = note.read()
        if content is None:
            return None
        read = json.loads(content)
        return _Remembered(id=str(read["id"]), path=str(read["path"]))
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LedgerError(
            f"{note} cannot be read: {error}",
            "it names this folder's ledger: restore it from a backup",
        ) from error


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
