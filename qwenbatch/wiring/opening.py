"""Opens what a run or a check works on: OUT, lock and ledger, or a ledger to look at."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qwenbatch.errors import DiskError, LedgerError
from qwenbatch.ledger import database, plan
from qwenbatch.ledger.file_system import file_system, is_network
from qwenbatch.ledger.lock import holder, locked
from qwenbatch.ledger.writer import Writer
from qwenbatch.results.disk import translated
from qwenbatch.results.folders import flush_folder, make_folder
from qwenbatch.wiring.outs import out_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from qwenbatch.wiring.outs import Out
    from qwenbatch.wiring.places import Place
    from qwenbatch.wiring.settings import RunSettings


MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux tells what is mounted."""


@dataclass(frozen=True, slots=True)
class OpenLedger:
    """A ledger's one writer, and where its spool lies."""

    writer: Writer
    spool: Path


@contextmanager
def ledger_to_write(settings: RunSettings, out: Out) -> Iterator[OpenLedger]:
    """OUT, made if need be, and its ledger with its one writer, under the lock."""
    location, folders = out.location, out.folders
    refuse_network(location.file)
    try:
        folders.make()
        make_folder(location.file.parent, mode=0o700)
    except OSError as error:
        raise DiskError(
            f"{error.filename or folders.out} cannot be made: {error.strerror}",
            "choose a folder that you may write, with -o",
        ) from error
    with locked(location.lock), database.trusted(location.file, reads_alone=False):
        connection = database.create_or_open(location.file, service=settings.ledger_service)
        if location.note is not None:
            # Were it lost, the next run would begin a ledger of its own, and pay everything again.
            with translated(folders.own):
                location.remember(connection)
                flush_folder(folders.own)
        with _writing(connection) as writer:
            yield OpenLedger(writer, location.spool)


@dataclass(frozen=True, slots=True)
class CheckedLedger:
    """A ledger that cannot be written, and whether a run holds it."""

    writer: Writer
    running: bool


@contextmanager
def ledger_to_check(settings: RunSettings, out: Out) -> Iterator[CheckedLedger]:
    """A manifest's check works on a ledger that it cannot write; on an empty one before a run."""
    location = out.location
    running = holder(location.lock) is not None
    if not location.file.exists():
        with _writing(database.blank()) as writer:
            yield CheckedLedger(writer, running)
        return
    connection = database.open_reader(location.file)
    location.verify(connection)
    database.refuse_unless_service(connection, location.file, settings.ledger_service)
    with database.trusted(location.file, reads_alone=False), _writing(connection) as writer:
        yield CheckedLedger(writer, running)


@dataclass(frozen=True, slots=True)
class Amendable:
    """A ledger inside a writing transaction, and the spool that an earlier run left beside it."""

    db: apsw.Connection
    spool: Path


@contextmanager
def ledger_to_amend(out: Place, ledger: Path | None = None) -> Iterator[Amendable]:
    """The ledger of an OUT, inside one transaction and under the lock, whatever its service.

    The transaction is committed at the end; an exception, or whoever asks for it, rolls it back.
    Raises LedgerError if
    there is no ledger, LedgerBusyError if a run holds it, DiskError if it cannot be written.
    """
    location = out_at(out, ledger).location
    database.open_reader(location.file).close()  # for a refusal makes no lock file
    refuse_network(location.file)
    with locked(location.lock):
        connection = database.open_writer(location.file)
        file = location.file
        guarded = database.trusted(file, reads_alone=True)
        with guarded, closing(connection), database.translated(str(file)):
            location.verify(connection)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Amendable(connection, location.spool)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if connection.in_transaction:
                connection.execute("COMMIT")


def network_file_system(path: Path) -> str | None:
    """The type of the network file system that a path lies on, or will; None if it is local.

    Machines that do not tell their mounts as Linux does are taken at their word.
    """
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind = file_system(mounts, os.path.realpath(path))
    return kind if kind is not None and is_network(kind) else None


def refuse_network(file: Path) -> None:
    """LedgerError if a ledger would be written on a network file system."""
    kind = network_file_system(file)
    if kind is not None:
        move = "move it, while no run is going on, to a local disk, and"
        raise LedgerError(
            f"the ledger {file} lies on a network file system ({kind}), where none is safe",
            f"{move if file.exists() else 'to go on,'} name a file on a local disk with --ledger;"
            " results stay where they are",
        )


def ledger_to_read(out: Place, ledger: Path | None = None) -> apsw.Connection:
    """The ledger of an OUT, for looking only; LedgerError if there is none."""
    location = out_at(out, ledger).location
    connection = database.open_reader(location.file)
    location.verify(connection)
    return connection


@contextmanager
def _writing(connection: apsw.Connection) -> Iterator[Writer]:
    plan.make_tables(connection)
    writer = Writer(connection)
    try:
        yield writer
    finally:
        writer.close()
