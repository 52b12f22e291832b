"""Puts a damaged ledger aside and another in its place, built from what can be read.

The new one is whole and flushed under a name of its own before the damaged one is moved; a death
between the two moves leaves no ledger in place, which every opening refuses until a repair ends it.
"""

from __future__ import annotations

import shlex
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

from qwenbatch.core.stops import ExitStatus
from qwenbatch.errors import DiskError, LedgerError
from qwenbatch.ledger import auditing, database
from qwenbatch.ledger.lock import locked
from qwenbatch.ledger.rebuilding import rebuild
from qwenbatch.ledger.salvage import Wreck, open_wreck
from qwenbatch.observe.repair import tell_repair, tell_sound
from qwenbatch.observe.terminal import Terminal
from qwenbatch.results.folders import flush_folder
from qwenbatch.wiring.clock import local_now
from qwenbatch.wiring.looking import permitted
from qwenbatch.wiring.opening import refuse_network
from qwenbatch.wiring.outs import damaged_out_at
from qwenbatch.wiring.places import absolute
from qwenbatch.wiring.printed import printed
from qwenbatch.wiring.settings import SANDBOX

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from qwenbatch.core.repair import Repair
    from qwenbatch.ledger.location import Location
    from qwenbatch.wiring.outs import Out
    from qwenbatch.wiring.places import Place

_COMPANIONS = ("-wal", "-shm")


def repair_ledger(
    out: Place,
    *,
    ledger: Path | None,
    service: str,
    to: TextIO,
) -> ExitStatus:
    """Repair the ledger of `out` if it needs it, and print what came of it; the exit status.

    `service` is whose it is held to be where neither it nor the folder tells.

    Raises LedgerBusyError while a run holds it, LedgerError if there is none or it is of another
    program, DiskError if the new one cannot be written.
    """
    folder = absolute(out)
    with permitted(folder):
        at = damaged_out_at(folder, ledger)
        location = at.location
        location.file.exists()
    if not location.file.exists() and not location.rebuilt.exists():
        raise LedgerError(
            f"there is no ledger at {location.file}",
            "name the folder that was given to run with -o",
        )
    refuse_network(location.file)
    stamp = f"{local_now():%Y%m%d-%H%M%S}"
    with locked(location.lock), printed(to):
        console = Terminal(file=to, highlight=False)
        if not location.file.exists():
            done = None  # the last repair died between its two moves
        elif _is_sound(location.file):
            tell_sound(str(location.file), console=console)
            return ExitStatus.SAVED
        else:
            done = _build(at, service)
        aside = _exchange(location, stamp)
        audit = shlex.join(["qwenbatch", "audit", str(out)])
        status = tell_repair(done, aside=str(aside), audit=audit, console=console)
        to.flush()
        return status


def _is_sound(path: Path) -> bool:
    try:
        with closing(database.open_reader(path)) as db:
            return not any(True for _ in auditing.damages(db)) and not any(
                True for _ in auditing.miscounts(db)
            )
    except LedgerError:
        return False


def _build(out: Out, service: str) -> Repair:
    """The new ledger, whole and flushed, at `location.rebuilt`."""
    # Only a run of the sandbox makes this folder, and a ledger belongs to one service.
    location = out.location
    guessed = SANDBOX if (out.folders.own / SANDBOX).exists() else service
    connection = open_wreck(location.file)
    wreck = None if connection is None else Wreck(connection)
    draft = location.rebuilt.with_name(location.rebuilt.name + ".new")
    try:
        for name in (draft, *(draft.with_name(draft.name + each) for each in _COMPANIONS)):
            name.unlink(missing_ok=True)
        with closing(database.create_or_open(draft, service=guessed)) as db:
            draft.chmod(0o600)
            db.pragma("foreign_keys", value=False)
            with database.translated(str(draft)), db:
                done = rebuild(
                    db, wreck, service=guessed, ledger_id=location.noted_id or str(uuid4())
                )
        draft.rename(location.rebuilt)
        flush_folder(draft.parent)
    except OSError as error:
        raise DiskError(
            f"{error.filename or draft} cannot be written: {error.strerror}",
            "free room; nothing was changed",
        ) from error
    finally:
        if connection is not None:
            connection.close()
    return done


def _exchange(location: Location, stamp: str) -> Path:
    """Move the damaged ledger aside, its log with it, and the new one into its place."""
    file = location.file
    aside = _free_name(file.with_name(f"{file.name}.damaged-{stamp}"))
    try:
        if file.exists():
            file.rename(aside)
        for companion in _COMPANIONS:
            log = file.with_name(file.name + companion)
            if log.exists():
                log.rename(aside.with_name(aside.name + companion))
        flush_folder(file.parent)
        location.rebuilt.rename(file)
        flush_folder(file.parent)
    except OSError as error:
        raise DiskError(
            f"{error.filename or file} cannot be moved: {error.strerror}",
            "mend the disk, then repair again: nothing is lost",
        ) from error
    return aside


def _free_name(wanted: Path) -> Path:
    """The name itself, or with a number behind it: an earlier damaged ledger is never lost."""
    name, number = wanted, 1
    while any(name.with_name(name.name + each).exists() for each in ("", *_COMPANIONS)):
        number += 1
        name = wanted.with_name(f"{wanted.name}-{number}")
    return name
