"""Opens what a run or a check works on: OUT, lock and ledger, or a ledger to look at."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qwenbatch.errors import DiskError
from qwenbatch.ledger import database
from qwenbatch.ledger.location import locate
from qwenbatch.ledger.lock import locked
from qwenbatch.ledger.writer import Writer
from qwenbatch.results.folders import OutFolders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from qwenbatch.wiring.settings import RunSettings


@contextmanager
def ledger_to_write(settings: RunSettings, folders: OutFolders) -> Iterator[Writer]:
    """OUT, made if need be, and its ledger with its one writer, under the lock."""
    location = locate(folders.own, settings.ledger)
    try:
        folders.make()
        location.make_folder()
    except OSError as error:
        raise DiskError(
            f"{error.filename or folders.out} cannot be made: {error.strerror}",
            "choose a folder that you may write, with -o",
        ) from error
    with locked(location.lock):
        connection = database.create_or_open(location.file, service=settings.service)
        location.remember(connection)
        with _writing(connection) as writer:
            yield writer


@contextmanager
def ledger_to_check(settings: RunSettings, folders: OutFolders) -> Iterator[Writer]:
    """A manifest's check works on a ledger that it cannot write; on an empty one before a run."""
    location = locate(folders.own, settings.ledger)
    if location.file.exists():
        connection = database.open_reader(location.file)
        location.verify(connection)
        database.refuse_unless_service(connection, location.file, settings.service)
    else:
        connection = database.blank()
    with _writing(connection) as writer:
        yield writer


def ledger_to_read(out: Path, ledger: Path | None = None) -> apsw.Connection:
    """The ledger of an OUT, for looking only; LedgerError if there is none."""
    location = locate(OutFolders(out).own, ledger)
    connection = database.open_reader(location.file)
    location.verify(connection)
    return connection


@contextmanager
def _writing(connection: apsw.Connection) -> Iterator[Writer]:
    writer = Writer(connection)
    try:
        yield writer
    finally:
        writer.close()
