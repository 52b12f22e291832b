"""Looks at a ledger for a person: its standing, and its items as a file. Nothing is locked."""

from __future__ import annotations

import json
import shlex
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qwenbatch.errors import LedgerError
from qwenbatch.ledger.database import translated, trusted
from qwenbatch.ledger.lock import holder
from qwenbatch.ledger.since import read_since
from qwenbatch.ledger.standing import has_open_run, last_command, read_standing
from qwenbatch.observe.standing import Remedies, tell_standing
from qwenbatch.observe.terminal import Terminal
from qwenbatch.wiring.opening import ledger_to_read
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.places import absolute
from qwenbatch.wiring.printed import printed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    import apsw

    from qwenbatch.core.standing import Holder
    from qwenbatch.ledger.location import Location
    from qwenbatch.wiring.places import Place


@contextmanager
def looked_at(out: Place, ledger: Path | None) -> Iterator[apsw.Connection]:
    """The ledger of an OUT, as it is at one moment however long it is read.

    Raises LedgerError if there is none, or it may not be read.
    """
    with permitted(out):
        connection = ledger_to_read(out, ledger)
    path = connection.filename
    reading = translated(path, reading=True)
    with trusted(Path(path), reads_alone=True), closing(connection), reading:
        connection.execute("BEGIN")
        yield connection


def live_run(db: apsw.Connection, out: Place, ledger: Path | None) -> Holder | None:
    """The process whose run goes on at the moment that a ledger, looked at, is of; or None.

    Where the run ended between the two looks, the ledger is looked at anew.
    """
    if not has_open_run(db):
        return None
    live = holder(located(out, ledger).lock)
    if live is None:
        db.execute("ROLLBACK; BEGIN")
    return live


def located(out: Place, ledger: Path | None) -> Location:
    """Where the ledger of an OUT lies; LedgerError if that may not be read."""
    with permitted(out):
        return out_at(out, ledger).location


@contextmanager
def permitted(out: Place) -> Iterator[None]:
    """LedgerError where something of an OUT may not be read."""
    try:
        yield
    except PermissionError as error:
        raise LedgerError(
            f"{error.filename or out} may not be read: {error.strerror}",
            "ask whoever started the runs: a ledger is for its owner alone to read",
        ) from error


def tell_status(
    out: Place,
    *,
    ledger: Path | None,
    to: TextIO,
    as_json: bool,
    since: float | None = None,
) -> None:
    """Print how the ledger of `out` stands. It works while a run is going on.

    What happened since a moment, in seconds since the epoch, is told first if that is asked for.

    Raises LedgerError if there is no ledger, DiskError where `to` cannot be written.
    """
    folder = absolute(out)
    with looked_at(folder, ledger) as db:
        live = live_run(db, folder, ledger)
        standing = read_standing(db, live)
        lately = None if since is None else read_since(db, since, running=live is not None)
        remedies = _remedies(db, out)
    with printed(to):
        if as_json:
            told = {**standing.to_json(), "since": None if lately is None else lately.to_json()}
            to.write(json.dumps(told) + "\n")
        else:
            console = Terminal(file=to, highlight=False)
            tell_standing(standing, lately, out=str(folder), remedies=remedies, console=console)
        to.flush()


def _remedies(db: apsw.Connection, out: Place) -> Remedies:
    """The commands that end the exposure: each works as it is pasted, from this folder."""
    again = last_command(db)
    return Remedies(
        settle=shlex.join(["qwenbatch", "settle", str(out), "--as", "paid|unpaid"]),
        resend=shlex.join([*again, "--resend-uncertain"]) if again else None,
    )
