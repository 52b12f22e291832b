"""Opens the SQLite file as a ledger, or says why it is none."""

from __future__ import annotations

import json
import os
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import apsw

from qwenbatch.errors import DiskError, LedgerError, QwenbatchError
from qwenbatch.ledger.elsewhere import where_one_is
from qwenbatch.ledger.lock import holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION_ID = 0x71776265
"""`qwbe` in ASCII: what tells a ledger from any other SQLite file."""

SCHEMA_VERSION = 1

BUSY_MILLISECONDS = 10_000

STATEMENTS_KEPT = 512
"""Prepared statements kept for their next use: as many as apsw keeps. It keeps the latest uses, one
that is used again counted again; so the usual hundred are gone before a few edits came around."""

_DISK_ERRORS = (
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
)


class _TidyReader(apsw.Connection):
    """A reader of a ledger that was at rest: on closing, nothing is left beside it.

    Whoever reads makes a -wal and a -shm; SQLite removes them only for one who could write, and
    only if nobody else has the ledger open by then.
    """

    def close(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - apsw's own form
        """Close, and let SQLite clear up."""
        path = self.filename
        super().close(force)
        with suppress(apsw.Error):
            sweeper = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                sweeper.pragma("user_version")
            finally:
                sweeper.close()


def _damaged(path: str, what: str) -> LedgerError:
    return LedgerError(
        f"{path} is damaged or no ledger at all: {what}",
        "nothing was changed; restore it from a backup, or save what can be read with"
        " `qwenbatch doctor --repair OUT`",
    )


@contextmanager
def _opened(path: str, *, reading: bool = False) -> Iterator[None]:
    """As `translated`, for the first look at a file: a schema that makes no sense is damage."""
    try:
        with translated(path, reading=reading):
            yield
    except apsw.SQLError as error:
        raise _damaged(path, str(error)) from error


@contextmanager
def translated(path: str, *, reading: bool = False) -> Iterator[None]:
    """SQLite's errors as ours, where they are the disk's or the file's doing.

    `reading`: nothing was to be written.
    """
    try:
        yield
    except _DISK_ERRORS as error:
        if reading:
            raise DiskError(
                f"the ledger {path} cannot be read: {error}",
                "if its folder cannot be written, copy the ledger with its -wal to one that can"
                " be, and look there",
            ) from error
        raise DiskError(
            f"the ledger {path} cannot be written: {error}",
            "free room or mend the disk, then start the same command again: it resumes",
        ) from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise _damaged(path, str(error)) from error
    except apsw.BusyError as error:
        raise LedgerError(
            f"the ledger {path} is kept busy by another program: {error}",
            "close what holds it, then try again",
        ) from error


@contextmanager
def trusted(path: Path, *, reads_alone: bool) -> Iterator[None]:
    """What is done with an opened ledger: an error to which its damaged contents led is ours.

    LedgerError, in place of whatever was raised, if the file does not hold together; where the
    ledger alone is read, also if it holds a value that means nothing.
    """
    try:
        yield
    except QwenbatchError:
        raise
    except Exception as error:
        found = _damage(path)
        if found is None and reads_alone and isinstance(error, ValueError):
            found = f"it holds what means nothing: {error}"
        if found is None:
            raise
        raise _damaged(str(path), found) from error


def _damage(path: Path) -> str | None:
    """What is wrong with a ledger's file; None if it holds together."""
    try:
        with closing(open_reader(path)) as connection:
            said = str(connection.execute("PRAGMA quick_check(1)").get)
    except LedgerError as error:
        return error.what
    except apsw.Error as error:
        return str(error)
    return None if said == "ok" else said.splitlines()[-1]


def create_or_open(path: Path, *, service: str) -> apsw.Connection:
    """The ledger at `path` for its one writer, made if it is not there yet.

    Raises LedgerError if it belongs to another service, program or version; DiskError if it
    cannot be written.
    """
    _make_private(path)
    with _opened(str(path)):
        connection = apsw.Connection(str(path), statementcachesize=STATEMENTS_KEPT)
        _set_up(connection)
        if not _is_empty(connection):
            _refuse_strangers(connection, path)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("foreign_keys", value=True)
        connection.pragma("cache_size", -16_000)
        if _is_empty(connection):
            _create(connection, service)
        _refuse_other_service(connection, path, service)
    return connection


def open_writer(path: Path) -> apsw.Connection:
    """A ledger that is there already, for its one writer, whatever its service.

    Raises LedgerError if it is none, or of another version; DiskError if it cannot be written.
    """
    with _opened(str(path)):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        _set_up(connection)
        _refuse_strangers(connection, path)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("foreign_keys", value=True)
    return connection


def _set_up(connection: apsw.Connection) -> None:
    """Give a connection what all have that read or write edits."""
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    # Plans are made without a look at what is bound: or SQLite makes them anew at each use, of a
    # join or beside a partial index, which takes longer than all that it then does. So a partial
    # index serves only where a statement spells its condition out, as in `state = 'waiting'`.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def _make_private(path: Path) -> None:
    """Make the file for us alone to read; SQLite gives its -wal and -shm the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DiskError(
            f"the ledger {path} cannot be opened: {error.strerror}",
            "choose a folder that you may write, with -o",
        ) from error


def open_reader(path: Path) -> apsw.Connection:
    """The ledger at `path` for looking only; it takes no lock and changes nothing."""
    if not path.exists():
        raise LedgerError(
            f"there is no ledger at {path}",
            where_one_is(path),
        )
    with _opened(str(path), reading=True):
        try:
            return _open_reader(path)
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            if not _is_at_rest(path):
                raise
            # Its folder cannot be written, and without a -shm in it only a file that is known not
            # to change can be read.
            return _open_reader(path, immutable=True)


def _open_reader(path: Path, *, immutable: bool = False) -> apsw.Connection:
    kind = apsw.Connection if immutable or _wal(path).exists() else _TidyReader
    name = f"file:{quote(str(path))}?immutable=1" if immutable else str(path)
    connection = kind(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        _set_up(connection)
        _refuse_strangers(connection, path)
        meta(connection, "id")  # a damaged schema is found out here, not amid a command
    except BaseException:
        connection.close()
        raise
    return connection


def _is_at_rest(path: Path) -> bool:
    """Whether all of a ledger is in its one file, and no run is about to change that."""
    try:
        logged = _wal(path).stat().st_size
    except FileNotFoundError:
        logged = 0
    return not logged and holder(path.with_name(f"{path.name}.lock")) is None


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def blank() -> apsw.Connection:
    """An empty ledger in memory: what a check holds a manifest against before the first run."""
    connection = apsw.Connection(":memory:")
    _set_up(connection)
    _create(connection, "")
    return connection


def all_rows(cursor: apsw.Cursor) -> list[Any]:
    """All rows of a query; their columns have the types that the schema gives them."""
    return cursor.fetchall()


def meta(connection: apsw.Connection, name: str) -> str:
    """A fact about the ledger itself: its `id`, its `service`, the `out` beside which it lies."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def _is_empty(connection: apsw.Connection) -> bool:
    return not connection.execute("SELECT count(*) FROM sqlite_schema").get


def _create(connection: apsw.Connection, service: str) -> None:
    with connection:
        connection.execute(
            files("qwenbatch.ledger").joinpath("schema.sql").read_text(encoding="utf-8"),
        )
        connection.executemany(
            "INSERT INTO meta VALUES (?, ?)",
            [("id", str(uuid4())), ("service", service)],
        )
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", SCHEMA_VERSION)


def _refuse_strangers(connection: apsw.Connection, path: Path) -> None:
    if connection.pragma("application_id") != APPLICATION_ID:
        raise LedgerError(
            f"{path} is a database of another program, not a ledger",
            "nothing was changed; choose another folder with -o, or another --ledger",
        )
    version = connection.pragma("user_version")
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger {path} has version {version}, this program knows {SCHEMA_VERSION}",
            "nothing was changed; use the version of qwenbatch that made it, or a newer one",
        )
    if missing := _own_columns() - _columns(connection):
        raise _damaged(str(path), "it has no column " + ".".join(min(missing)))


def _columns(connection: apsw.Connection) -> frozenset[tuple[str, str]]:
    """The columns of tables and views, with the names of these; a view must make sense for it."""
    return frozenset(
        all_rows(
            connection.execute(
                "SELECT s.name, c.name FROM sqlite_schema s JOIN pragma_table_info(s.name) c"
                " WHERE s.type IN ('table', 'view')",
            ),
        ),
    )


@cache
def _own_columns() -> frozenset[tuple[str, str]]:
    with closing(blank()) as connection:
        return _columns(connection)


def _refuse_other_service(connection: apsw.Connection, path: Path, service: str) -> None:
    recorded = meta(connection, "service")
    if recorded != service:
        raise LedgerError(
            f"the ledger {path} belongs to the service {recorded}, this run would use {service}",
            "a ledger belongs to one service: choose another folder with -o",
        )


def refuse_unless_service(connection: apsw.Connection, path: Path, service: str) -> None:
    """LedgerError if an open ledger belongs to another service than this one."""
    _refuse_other_service(connection, path, service)


def dump_json(value: object) -> str:
    """Compact JSON for a column."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
