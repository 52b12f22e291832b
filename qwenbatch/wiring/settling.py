"""Settles uncertain attempts of one OUT's ledger, and tells what that came to."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from qwenbatch.gateway.doors import DOORS
from qwenbatch.ledger import database, spool
from qwenbatch.ledger.kept_pictures import with_unheard
from qwenbatch.ledger.settling import settle
from qwenbatch.observe.settlement import tell_settlement
from qwenbatch.observe.terminal import Terminal
from qwenbatch.results.kept_pictures import left_behind, url_of
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.looking import located
from qwenbatch.wiring.opening import ledger_to_amend
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.places import absolute
from qwenbatch.wiring.printed import printed

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from qwenbatch.core.settling import Chosen, Ruling
    from qwenbatch.wiring.places import Place


def settle_ledger(
    out: Place,
    ruling: Ruling,
    chosen: Chosen,
    *,
    ledger: Path | None,
    dry_run: bool,
    to: TextIO,
) -> None:
    """Settle the chosen attempts in one transaction and print what was done.

    With `dry_run` all is done, told and undone. Raises LedgerBusyError while a run holds the
    ledger, LedgerError if there is none, UsageError if no single edit has the asked key.
    """
    folder = absolute(out)
    now = int(SystemClock().wall() * 1000)
    located(folder, ledger)
    answers = out_at(folder, ledger).folders.answers
    with ledger_to_amend(folder, ledger) as amendable:
        db = amendable.db
        # What an edit cost of which a rebuilt ledger knows nothing, nobody has told.
        door = DOORS.get(database.meta(db, "service"))
        price = None if door is None else door.price
        spooled = with_unheard(
            db,
            spool.read(amendable.spool),
            left_behind(answers),
            url_of=url_of,
            price=price,
            now=now,
        )
        done = settle(db, ruling, chosen, spooled=spooled, now=now)
        if dry_run:
            db.execute("ROLLBACK")
    with printed(to):
        tell_settlement(
            done,
            ruling,
            again=shlex.join(["qwenbatch", "settle", str(out), "--as"]),
            dry_run=dry_run,
            console=Terminal(file=to, highlight=False),
        )
        to.flush()
